package api

import (
	"context"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"

	"pachyderm/api/admin"
	"pachyderm/api/auth"
	"pachyderm/api/data"
	"pachyderm/api/enterprise"
	"pachyderm/api/identity"
	"pachyderm/api/license"
	"pachyderm/api/metadata"
	"pachyderm/api/pach"
	"pachyderm/api/pfs"
	"pachyderm/api/pps"
	"pachyderm/api/transaction"
	"pachyderm/api/version"
)

const (
	// TokenKey is the metadata key that clients send their token in, as
	// upstream's do.
	TokenKey = "authn-token" //nolint:gosec // a name, not a credential
	// TransactionKey is the metadata key of the transaction that a call shall be
	// part of.
	TransactionKey = "pach-transaction"
	// MaxRequest is the largest message that pachd takes of a stranger, or over REST, in
	// bytes, uncompressed.
	MaxRequest = 256 << 10
	// MaxBytes is the largest that it takes from whoever has shown a token, as upstream has it.
	MaxBytes = 20 << 20
	// MaxResponse is the largest that it sends, as upstream has it.
	MaxResponse = 20 << 20
)

// Clients has a client of each service.
type Clients struct {
	Auth       auth.APIClient
	Identity   identity.APIClient
	Admin      admin.APIClient
	Version    version.APIClient
	Pach       pach.APIClient
	Enterprise enterprise.APIClient
	License    license.APIClient
	PFS        pfs.APIClient
	PPS        pps.APIClient

	Data        data.APIClient
	Metadata    metadata.APIClient
	Transaction transaction.APIClient
}

// Service is what was generated for one service.
type Service struct {
	Desc *grpc.ServiceDesc
	// REST serves the service's methods on a mux, by calls over conn.
	REST func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error

	connect func(into *Clients, conn grpc.ClientConnInterface)
}

// Services is every service on the wire. The server, REST and the clients are
// made from it.
func Services() []Service {
	return []Service{
		of(&auth.API_ServiceDesc, auth.RegisterAPIHandlerClient, auth.NewAPIClient,
			func(c *Clients) *auth.APIClient { return &c.Auth }),
		of(&identity.API_ServiceDesc, identity.RegisterAPIHandlerClient, identity.NewAPIClient,
			func(c *Clients) *identity.APIClient { return &c.Identity }),
		of(&admin.API_ServiceDesc, admin.RegisterAPIHandlerClient, admin.NewAPIClient,
			func(c *Clients) *admin.APIClient { return &c.Admin }),
		of(&version.API_ServiceDesc, version.RegisterAPIHandlerClient, version.NewAPIClient,
			func(c *Clients) *version.APIClient { return &c.Version }),
		of(&pach.API_ServiceDesc, pach.RegisterAPIHandlerClient, pach.NewAPIClient,
			func(c *Clients) *pach.APIClient { return &c.Pach }),
		of(&enterprise.API_ServiceDesc, enterprise.RegisterAPIHandlerClient, enterprise.NewAPIClient,
			func(c *Clients) *enterprise.APIClient { return &c.Enterprise }),
		of(&license.API_ServiceDesc, license.RegisterAPIHandlerClient, license.NewAPIClient,
			func(c *Clients) *license.APIClient { return &c.License }),
		of(&pfs.API_ServiceDesc, pfs.RegisterAPIHandlerClient, pfs.NewAPIClient,
			func(c *Clients) *pfs.APIClient { return &c.PFS }),
		of(&pps.API_ServiceDesc, pps.RegisterAPIHandlerClient, pps.NewAPIClient,
			func(c *Clients) *pps.APIClient { return &c.PPS }),
		of(&data.API_ServiceDesc, data.RegisterAPIHandlerClient, data.NewAPIClient,
			func(c *Clients) *data.APIClient { return &c.Data }),
		of(&metadata.API_ServiceDesc, metadata.RegisterAPIHandlerClient, metadata.NewAPIClient,
			func(c *Clients) *metadata.APIClient { return &c.Metadata }),
		of(&transaction.API_ServiceDesc, transaction.RegisterAPIHandlerClient, transaction.NewAPIClient,
			func(c *Clients) *transaction.APIClient { return &c.Transaction }),
	}
}

func of[C any](
	desc *grpc.ServiceDesc, rest func(context.Context, *runtime.ServeMux, C) error,
	client func(grpc.ClientConnInterface) C, field func(*Clients) *C,
) Service {
	return Service{
		Desc: desc,
		REST: func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
			return rest(ctx, mux, client(conn))
		},
		connect: func(into *Clients, conn grpc.ClientConnInterface) { *field(into) = client(conn) },
	}
}

// NewClients makes a client of each service over one connection.
func NewClients(conn grpc.ClientConnInterface) (c Clients) {
	for _, s := range Services() {
		s.connect(&c, conn)
	}
	return c
}
