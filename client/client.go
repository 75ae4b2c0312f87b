package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/emptypb"

	"pachyderm/api"
)

// connectWithin bounds the wait for a host that swallows packets.
const connectWithin = 10 * time.Second

// Client is a connection to one pachd, with a client of each service. It is
// safe for concurrent use.
type Client struct {
	api.Clients
	address Address
	conn    *grpc.ClientConn
}

// Option changes how a client connects.
type Option func(*options)

type options struct {
	token string
	cas   []byte
}

// WithToken sends a session token with every call.
func WithToken(token string) Option { return func(o *options) { o.token = token } }

// WithServerCAs trusts the certificate authorities in PEM, in place of the
// system's. It needs an address with TLS.
func WithServerCAs(pem []byte) Option { return func(o *options) { o.cas = pem } }

// Dial connects to the pachd at an address that ParseAddress takes. It fails
// with an UnreachableError at once when nobody listens there.
func Dial(ctx context.Context, address string, opts ...Option) (*Client, error) {
	c, err := prepare(address, opts...)
	if err != nil {
		return nil, err
	}
	if err := c.connect(ctx); err != nil {
		_ = c.Close() // what it would say is the same again
		return nil, err
	}
	return c, nil
}

func prepare(address string, opts ...Option) (*Client, error) {
	a, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	creds, err := o.transport(a)
	if err != nil {
		return nil, err
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(api.MaxResponse)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 20 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: connectWithin}),
		grpc.WithUnaryInterceptor(a.explain),
	}
	if o.token != "" {
		dial = append(dial, grpc.WithPerRPCCredentials(session(o.token)))
	}
	conn, err := grpc.NewClient(a.target(), dial...)
	if err != nil {
		return nil, err
	}
	return &Client{Clients: api.NewClients(conn), address: a, conn: conn}, nil
}

// connect waits until the connection stands. Its state has no reason to tell
// when it fails; the error of a call has.
func (c *Client) connect(ctx context.Context) error {
	for {
		c.conn.Connect()
		switch state := c.conn.GetState(); state {
		case connectivity.Ready:
			return nil
		case connectivity.TransientFailure:
			_, err := c.Version.GetVersion(ctx, &emptypb.Empty{})
			return err
		default:
			if !c.conn.WaitForStateChange(ctx, state) {
				return ctx.Err()
			}
		}
	}
}

func (o options) transport(a Address) (credentials.TransportCredentials, error) {
	if !a.TLS {
		if len(o.cas) > 0 {
			return nil, errors.New("certificate authorities need an address with TLS: use one that begins with grpcs://")
		}
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.cas) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(o.cas) {
			return nil, errors.New("the certificate authorities for pachd contain no valid certificate: provide them in PEM")
		}
	}
	return credentials.NewTLS(config), nil
}

// Address is where the client connects to.
func (c *Client) Address() Address { return c.address }

// Conn is for calls that this package does not know, of newer or other services.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// session goes with every call on its own connection, and nowhere else. Plain
// text is for the address to allow: pachd refuses it beyond its own machine.
type session string

func (s session) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{api.TokenKey: string(s)}, nil
}

func (session) RequireTransportSecurity() bool { return false }
