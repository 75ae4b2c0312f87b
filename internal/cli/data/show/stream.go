package show

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pachyderm/api"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Each are the messages of a stream, up to its end or the first error.
func Each[M any](stream grpc.ServerStreamingClient[M], err error) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		for {
			m, err := stream.Recv()
			if errors.Is(err, io.EOF) || !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Brief is kit.WithConn for calls about data. They are of the transaction that is active,
// if one is: pachd gathers what can be part of it, and refuses what cannot.
func Brief(ctx context.Context, k *kit.Kit, do func(context.Context, *kit.Conn) error) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error { return do(inTransaction(ctx, c), c) })
}

func inTransaction(ctx context.Context, c *kit.Conn) context.Context {
	if c.Target.Transaction == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, api.TransactionKey, c.Target.Transaction)
}

// Unhurried is Brief for calls that may take as long as they take: those that
// move files, and those that wait. --rpc-timeout bounds the way there alone. Fault:
// Unavailable, when the connection breaks.
func Unhurried(ctx context.Context, k *kit.Kit, do func(context.Context, *kit.Conn) error) error {
	return k.WithConn(ctx, false, func(_ context.Context, c *kit.Conn) error {
		ctx, cancel := context.WithCancel(inTransaction(ctx, c)) // a stream that is left ends here
		defer cancel()
		err := do(ctx, c)
		if Broke(err) {
			return fault.New(fault.Unavailable, "the connection to pachd broke: %s", client.MessageOf(err)).Because(err).
				Next("try again once pachd can be reached")
		}
		return err
	})
}

// Broke reports whether it was the connection, and not pachd, that ended a call.
func Broke(err error) bool {
	var unreachable *client.UnreachableError // which says it by itself
	return status.Code(err) == codes.Unavailable && client.ReasonOf(err) == "" && !errors.As(err, &unreachable)
}
