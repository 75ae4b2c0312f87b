package rpc

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // upstream's clients may compress
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	adminpb "pachyderm/api/admin"
	authpb "pachyderm/api/auth"
	enterprisepb "pachyderm/api/enterprise"
	identitypb "pachyderm/api/identity"
	licensepb "pachyderm/api/license"
	pachpb "pachyderm/api/pach"
	pfspb "pachyderm/api/pfs"
	ppspb "pachyderm/api/pps"
	versionpb "pachyderm/api/version"
	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer"
	"pachyderm/internal/login"
	"pachyderm/internal/rpc/enterprise"
	identityrpc "pachyderm/internal/rpc/identity"
	"pachyderm/internal/rpc/pach"
)

// maxMessage is the largest message either way, in bytes, as upstream has it.
const maxMessage = 20 << 20

// Config is what a Server is made from.
type Config struct {
	DB     *db.DB
	Access *access.Service
	People *identity.Service
	Issuer *issuer.Issuer
	Login  *login.Service
	Log    *slog.Logger
	Now    func() time.Time
	// Creds are nil for plain text.
	Creds credentials.TransportCredentials
	// ClusterID is this installation's, for ever.
	ClusterID    string
	DeploymentID string
	PublicHost   string
	PublicTLS    bool
	// RootConfigured is set if the root token comes from the configuration.
	RootConfigured bool
}

// Server is the gRPC server.
type Server struct {
	Config
	*grpc.Server
	Health *health.Server
	// Calls counts the calls by method and status code.
	Calls *prometheus.CounterVec
	rows  map[string]rule

	callers *callers
}

// New makes a server; it fails if a method has no row in the policy table.
func New(c Config) (*Server, error) {
	s := &Server{Config: c, Health: health.NewServer(), rows: policy(), callers: newCallers(c.DB)}
	s.Calls = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pachd_rpc_calls_total", Help: "Calls by method and gRPC status code."}, []string{"method", "code"})
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(s.intercept), grpc.StreamInterceptor(s.interceptStream),
	}
	if c.Creds != nil {
		opts = append(opts, grpc.Creds(c.Creds))
	}
	s.Server = grpc.NewServer(opts...)
	for _, one := range s.services() {
		s.RegisterService(one.desc, one.impl)
	}
	grpc_health_v1.RegisterHealthServer(s.Server, s.Health)
	reflection.Register(s.Server)
	s.Health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	return s, checkPolicy(s.rows, s.GetServiceInfo())
}

// service is one of ours, to be served over gRPC and over REST.
type service struct {
	desc *grpc.ServiceDesc
	impl any
}

func (s *Server) services() []service {
	return []service{
		{&authpb.API_ServiceDesc, &authServer{Server: s}},
		{&identitypb.API_ServiceDesc, &identityrpc.Server{Issuer: s.Issuer}},
		{&adminpb.API_ServiceDesc, &adminServer{Server: s}},
		{&versionpb.API_ServiceDesc, &versionServer{}},
		{&pachpb.API_ServiceDesc, &pach.Server{DB: s.DB, Issuer: s.Issuer, Login: s.Login, Now: s.Now}},
		{&enterprisepb.API_ServiceDesc, enterprise.Server{}},
		{&licensepb.API_ServiceDesc, enterprise.License{DB: s.DB, Now: s.Now}},
		{&pfspb.API_ServiceDesc, pfsServer{}},
		{&ppspb.API_ServiceDesc, ppsServer{}},
	}
}
