package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/types/known/emptypb"

	"pachyderm/api"
	adminpb "pachyderm/api/admin"
	authpb "pachyderm/api/auth"
	datapb "pachyderm/api/data"
	enterprisepb "pachyderm/api/enterprise"
	identitypb "pachyderm/api/identity"
	licensepb "pachyderm/api/license"
	metadatapb "pachyderm/api/metadata"
	pachpb "pachyderm/api/pach"
	pfspb "pachyderm/api/pfs"
	ppspb "pachyderm/api/pps"
	txnpb "pachyderm/api/transaction"
	versionpb "pachyderm/api/version"
	"pachyderm/internal/access/freshness"
	"pachyderm/internal/data/check"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/exchange"
	"pachyderm/internal/limit"
	"pachyderm/internal/people/login"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/admin"
	"pachyderm/internal/rpc/auth"
	"pachyderm/internal/rpc/codec"
	dataserver "pachyderm/internal/rpc/data"
	"pachyderm/internal/rpc/enterprise"
	"pachyderm/internal/rpc/identity"
	"pachyderm/internal/rpc/inprocess"
	"pachyderm/internal/rpc/metadata"
	"pachyderm/internal/rpc/pach"
	"pachyderm/internal/rpc/pagetoken"
	"pachyderm/internal/rpc/pfs"
	"pachyderm/internal/rpc/pfs/edit"
	"pachyderm/internal/rpc/transaction"
	"pachyderm/internal/secret"
	"pachyderm/internal/tracing"
)

// Config is what a Server is made from.
type Config struct {
	DB       *db.DB
	Sessions *session.Service
	Issuer   *issuer.Issuer
	Exchange *exchange.Service
	Login    *login.Service
	Fresh    *freshness.Service
	Data     edit.Edits
	Check    *check.Service
	Log      *slog.Logger
	Now      func() time.Time
	Limits   *limit.Limits
	// Creds are nil for plain text.
	Creds   credentials.TransportCredentials
	Cluster *adminpb.ClusterInfo
	Tracer  *tracing.Tracer
	Sealer  *secret.Sealer
}

// Server is the gRPC server.
type Server struct {
	GRPC   *grpc.Server
	Health *health.Server
	// Calls counts the calls by method and status code, and Durations has how long
	// they took by method.
	Calls     *prometheus.CounterVec
	Durations *prometheus.HistogramVec

	sessions *session.Service
	refusals *refusals
	limits   *limit.Limits
	tracer   *tracing.Tracer
	rows     map[string]rule
	pages    pagetoken.Tokens
	local    inprocess.Conn
}

// New makes a server; it fails if a method has no row in the policy table.
func New(c Config) (*Server, error) {
	s := &Server{
		Health: health.NewServer(), sessions: c.Sessions, refusals: &refusals{log: c.Log, now: c.Now},
		limits: c.Limits, tracer: c.Tracer, rows: policy(), pages: pagetoken.Tokens{Sealer: c.Sealer},
	}
	s.local.Unary, s.local.Stream = s.intercept, s.interceptStream
	codec.BoundGzip()
	s.count()
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(api.MaxBytes), grpc.MaxSendMsgSize(api.MaxResponse),
		grpc.UnaryInterceptor(s.intercept), grpc.StreamInterceptor(s.interceptStream), grpc.UnknownServiceHandler(s.serveUnknown),
		grpc.ForceServerCodecV2(codec.NewCodec()),
	}
	opts = append(opts, s.bounds()...)
	if c.Creds != nil {
		opts = append(opts, grpc.Creds(c.Creds))
	}
	s.GRPC = grpc.NewServer(opts...)
	serving := implementations(c)
	for _, service := range api.Services() {
		impl, ok := serving[service.Desc.ServiceName]
		if !ok {
			return s, fmt.Errorf("nothing serves %s", service.Desc.ServiceName)
		}
		s.register(service.Desc, impl)
	}
	grpc_health_v1.RegisterHealthServer(s.GRPC, s.Health)
	reflection.Register(s.GRPC)
	s.Health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	return s, checkPolicy(s.rows, s.GRPC.GetServiceInfo())
}

// Serve answers what comes over a listener until the server is stopped.
func (s *Server) Serve(l net.Listener) error { return s.GRPC.Serve(volumes{l}) }

// count makes the metrics.
func (s *Server) count() {
	s.Calls = prometheus.NewCounterVec(
		prometheus.CounterOpts{Name: "pachd_rpc_calls_total", Help: "Calls by method and gRPC status code."}, []string{"method", "code"})
	s.Durations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "pachd_rpc_duration_seconds", Help: "How long calls took, by method.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
	}, []string{"method"})
}

func (s *Server) register(desc *grpc.ServiceDesc, impl any) {
	s.GRPC.RegisterService(desc, impl)
	s.local.Register(desc, impl)
}

// implementations are what serves each of api.Services, by name.
func implementations(c Config) map[string]any {
	data := pfs.New(c.DB, c.Sessions, &c.Data, c.Check, c.Now)
	return map[string]any{
		authpb.API_ServiceDesc.ServiceName:       auth.New(c.DB, c.Sessions, c.Login),
		identitypb.API_ServiceDesc.ServiceName:   identity.New(c.Issuer, c.Login),
		adminpb.API_ServiceDesc.ServiceName:      admin.New(c.DB, c.Cluster),
		versionpb.API_ServiceDesc.ServiceName:    admin.NewVersion(),
		pachpb.API_ServiceDesc.ServiceName:       pach.New(c.DB, c.Sessions, c.Issuer, c.Exchange, c.Login, c.Now, c.Fresh),
		enterprisepb.API_ServiceDesc.ServiceName: enterprise.New(),
		licensepb.API_ServiceDesc.ServiceName:    enterprise.NewLicense(c.DB, c.Sessions, c.Now),
		pfspb.API_ServiceDesc.ServiceName:        data,
		datapb.API_ServiceDesc.ServiceName:       dataserver.New(c.DB, c.Sessions, &c.Data, c.Check, c.Now),
		metadatapb.API_ServiceDesc.ServiceName:   metadata.New(c.DB, c.Now),
		txnpb.API_ServiceDesc.ServiceName:        transaction.New(c.DB, data, c.Now),
		ppspb.API_ServiceDesc.ServiceName:        ppsServer{},
	}
}

// ppsServer is what upstream's "auth activate", "delete project" and "delete all" call of
// a service that does not exist yet: there are no pipelines.
type ppsServer struct{ ppspb.UnimplementedAPIServer }

func (ppsServer) ActivateAuth(context.Context, *ppspb.ActivateAuthRequest) (*ppspb.ActivateAuthResponse, error) {
	return &ppspb.ActivateAuthResponse{}, nil
}

func (ppsServer) ListPipeline(*ppspb.ListPipelineRequest, ppspb.API_ListPipelineServer) error {
	return nil
}

func (ppsServer) DeleteAll(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
