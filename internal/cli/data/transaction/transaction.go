package transaction

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "pachyderm/api/transaction"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Commands are those of this package, by their verbs.
func Commands(k *kit.Kit) map[string][]*cobra.Command {
	return map[string][]*cobra.Command{
		"start":   {startTransaction(k)},
		"finish":  {finishTransaction(k)},
		"stop":    {stopTransaction(k)},
		"resume":  {resumeTransaction(k)},
		"inspect": {inspectTransaction(k)},
		"list":    {listTransaction(k)},
		"delete":  {deleteTransaction(k)},
	}
}

func startTransaction(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "transaction", Short: "Start a transaction", Args: kit.Exactly(0),
		Long: `Start a transaction, and make it the active one of the context. What is created,
deleted, started, finished and squashed from then on is gathered, and made together
by "pachctl finish transaction", or not at all. What cannot be part of one, such as
"pachctl put file", is refused as long as one is active:

  pachctl start transaction
  pachctl create repo images
  pachctl create branch images@master
  pachctl finish transaction`,
		Example: "  pachctl start transaction",
		RunE:    func(c *cobra.Command, _ []string) error { return runStart(c.Context(), k) },
	}
}

func runStart(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		if id := c.Target.Transaction; id != "" {
			return fault.New(fault.Precondition, "the transaction %s is active already", id).
				Next("finish it with pachctl finish transaction, or leave it with pachctl stop transaction")
		}
		made, err := c.Transaction.StartTransaction(ctx, &pb.StartTransactionRequest{})
		if err != nil {
			return err
		}
		if err := k.SetTransaction(c.Target, made.GetId()); err != nil {
			return err
		}
		k.Printf("Started new transaction: %s\n", made.GetId())
		return nil
	})
}

// chosen is the transaction that is named, or else the active one. Fault: Precondition.
func chosen(t *kit.Target, args []string) (*pb.Transaction, error) {
	switch {
	case len(args) > 0:
		return &pb.Transaction{Id: args[0]}, nil
	case t.Transaction != "":
		return &pb.Transaction{Id: t.Transaction}, nil
	}
	return nil, errNone()
}

func errNone() error {
	return fault.New(fault.Precondition, "no transaction is active").
		Next("name one, of pachctl list transaction, or start one with pachctl start transaction")
}

// leave makes a transaction that is over the active one no longer.
func leave(k *kit.Kit, t *kit.Target, over *pb.Transaction) error {
	if t.Transaction != over.GetId() {
		return nil
	}
	return k.SetTransaction(t, "")
}

func finishTransaction(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "transaction [ID]", Short: "Make all changes of a transaction", Args: kit.Between(0, 1),
		Long: `Make all changes that a transaction has gathered, or none if one of them fails: it
stays then. Without an argument it is the active one.`,
		Example: "  pachctl finish transaction\n  pachctl finish transaction 0d7a9ca4d1b84c5b9f4c3e1a2b3c4d5e",
		RunE:    func(c *cobra.Command, args []string) error { return runFinish(c.Context(), k, args) },
	}
}

func runFinish(ctx context.Context, k *kit.Kit, args []string) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		t, err := chosen(c.Target, args)
		if err != nil {
			return err
		}
		info, err := c.Transaction.FinishTransaction(ctx, &pb.FinishTransactionRequest{Transaction: t})
		if err != nil {
			return err
		}
		if err := leave(k, c.Target, t); err != nil {
			return err
		}
		k.Printf("Completed transaction with %s: %s\n", requests(info), info.GetTransaction().GetId())
		return nil
	})
}

func requests(info *pb.TransactionInfo) string {
	if n := len(info.GetRequests()); n != 1 {
		return fmt.Sprintf("%d requests", n)
	}
	return "1 request"
}

func stopTransaction(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "transaction", Short: "Leave the active transaction", Args: kit.Exactly(0),
		Long: `Leave the active transaction. It stays as it is: go on with it by "pachctl resume
transaction", or forget it by "pachctl delete transaction".`,
		Example: "  pachctl stop transaction",
		RunE: func(*cobra.Command, []string) error {
			t, err := k.FindTarget(false)
			switch {
			case err != nil:
				return err
			case t.Transaction == "":
				return errNone()
			}
			id := t.Transaction
			if err := k.SetTransaction(t, ""); err != nil {
				return err
			}
			k.Printf("Cleared active transaction: %s\n", id)
			return nil
		},
	}
}

func resumeTransaction(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "transaction ID", Short: "Make a transaction the active one again", Args: kit.Exactly(1),
		Example: "  pachctl resume transaction 0d7a9ca4d1b84c5b9f4c3e1a2b3c4d5e",
		RunE:    func(c *cobra.Command, args []string) error { return runResume(c.Context(), k, args[0]) },
	}
}

func runResume(ctx context.Context, k *kit.Kit, id string) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		if active := c.Target.Transaction; active != "" && active != id {
			return fault.New(fault.Precondition, "the transaction %s is active", active).Next("leave it first, with pachctl stop transaction")
		}
		info, err := c.Transaction.InspectTransaction(ctx, &pb.InspectTransactionRequest{Transaction: &pb.Transaction{Id: id}})
		if err != nil {
			return err
		}
		if err := k.SetTransaction(c.Target, info.GetTransaction().GetId()); err != nil {
			return err
		}
		k.Printf("Resuming existing transaction with %s: %s\n", requests(info), info.GetTransaction().GetId())
		return nil
	})
}

func inspectTransaction(k *kit.Kit) *cobra.Command {
	var out show.Output
	c := &cobra.Command{
		Use: "transaction [ID]", Short: "Show a transaction", Args: kit.Between(0, 1),
		Long:    "Show a transaction and what it has gathered. Without an argument it is the active\none.",
		Example: "  pachctl inspect transaction",
		RunE:    func(c *cobra.Command, args []string) error { return runInspect(c.Context(), k, out, args) },
	}
	out.Flags(c)
	return c
}

func runInspect(ctx context.Context, k *kit.Kit, out show.Output, args []string) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		t, err := chosen(c.Target, args)
		if err != nil {
			return err
		}
		info, err := c.Transaction.InspectTransaction(ctx, &pb.InspectTransactionRequest{Transaction: t})
		if err != nil {
			return err
		}
		return out.One(k, info, func() {
			show.Fields(k, [][2]string{{"ID", info.GetTransaction().GetId()}, {"Started", out.Time(k.Now(), info.GetStarted())}}...)
			k.Printf("Requests:\n")
			for n, r := range info.GetRequests() {
				k.Printf("  %d. %s\n", n+1, fault.Clean(says(r), 400))
			}
		})
	})
}

// says is a request in a line, as the command that asked for it.
func says(r *pb.TransactionRequest) string {
	switch {
	case r.GetCreateRepo() != nil:
		return "create repo " + show.Repo(r.GetCreateRepo().GetRepo())
	case r.GetDeleteRepo() != nil:
		return "delete repo " + show.Repo(r.GetDeleteRepo().GetRepo())
	case r.GetStartCommit() != nil:
		return "start commit " + show.Branch(r.GetStartCommit().GetBranch())
	case r.GetFinishCommit() != nil:
		c := r.GetFinishCommit().GetCommit()
		if c.GetId() == "" {
			return "finish commit " + show.Branch(c.GetBranch())
		}
		return "finish commit " + show.Commit(c)
	case r.GetSquashCommitSet() != nil:
		return "squash commit " + r.GetSquashCommitSet().GetCommitSet().GetId()
	case r.GetCreateBranch() != nil:
		return "create branch " + show.Branch(r.GetCreateBranch().GetBranch())
	case r.GetDeleteBranch() != nil:
		return "delete branch " + show.Branch(r.GetDeleteBranch().GetBranch())
	}
	// A server that is newer than this pachctl knows more.
	var set []string
	r.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		set = append(set, string(f.Name()))
		return true
	})
	return "unknown request " + strings.Join(set, " ")
}

func listTransaction(k *kit.Kit) *cobra.Command {
	var out show.Output
	c := &cobra.Command{
		Use: "transaction", Short: "List your transactions", Args: kit.Exactly(0),
		Example: "  pachctl list transaction",
		RunE:    func(c *cobra.Command, _ []string) error { return runList(c.Context(), k, out) },
	}
	out.Flags(c)
	return c
}

func runList(ctx context.Context, k *kit.Kit, out show.Output) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		all, err := c.Transaction.ListTransaction(ctx, &pb.ListTransactionRequest{})
		if err != nil {
			return err
		}
		table := show.Table[*pb.TransactionInfo]{
			Columns: show.Fixed[*pb.TransactionInfo]("TRANSACTION", "STARTED", "OPS"),
			Rows: func(i *pb.TransactionInfo) [][]string {
				return [][]string{{i.GetTransaction().GetId(), out.Time(k.Now(), i.GetStarted()), fmt.Sprint(len(i.GetRequests()))}}
			},
		}
		return show.List(k, out, table, func(yield func(*pb.TransactionInfo, error) bool) {
			for _, i := range all.GetTransactionInfo() {
				if !yield(i, nil) {
					return
				}
			}
		})
	})
}

func deleteTransaction(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "transaction [ID]", Short: "Forget a transaction, of which nothing is made", Args: kit.Between(0, 1),
		Long:    "Forget a transaction, of which nothing is made. Without an argument it is the\nactive one.",
		Example: "  pachctl delete transaction",
		RunE:    func(c *cobra.Command, args []string) error { return runDelete(c.Context(), k, args) },
	}
}

func runDelete(ctx context.Context, k *kit.Kit, args []string) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		t, err := chosen(c.Target, args)
		if err != nil {
			return err
		}
		_, err = c.Transaction.DeleteTransaction(ctx, &pb.DeleteTransactionRequest{Transaction: t})
		if err == nil || status.Code(err) == codes.NotFound { // which is over as well
			if left := leave(k, c.Target, t); left != nil {
				return left
			}
		}
		return err
	})
}
