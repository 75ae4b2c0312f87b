package pachd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"

	"pachyderm/internal/access"
	"pachyderm/internal/config"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer"
	"pachyderm/internal/login"
	"pachyderm/internal/rpc"
	"pachyderm/internal/secret"
)

// goodbye is how long calls under way may take to finish when pachd stops.
const goodbye = 5 * time.Second

// Pachd is a server that is ready to run.
type Pachd struct {
	config  config.Config
	log     *slog.Logger
	db      *db.DB
	issuer  *issuer.Issuer
	login   *login.Service
	rpc     *rpc.Server
	rest    http.Handler
	metrics *prometheus.Registry
	listens listeners
	lock    *os.File
	tls     *tls.Config

	// NewRoot is set when this start made the root token.
	NewRoot bool
}

// New opens everything that pachd needs; on failure it has closed it again.
// The errors are one sentence for the operator.
func New(ctx context.Context, c config.Config, log *slog.Logger) (p *Pachd, err error) {
	p = &Pachd{config: c, log: log, metrics: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.lock, err = lockDir(c.DataDir); err != nil {
		return p, err
	}
	if p.tls, err = loadTLS(c.TLS); err != nil {
		return p, err
	}
	if p.listens, err = listen(ctx, c.Listen); err != nil {
		return p, err
	}
	if p.db, err = db.Open(ctx, c.Database.URL.Reveal()); err != nil {
		return p, err
	}
	sealer, err := secret.OpenFor(ctx, p.db, c.Sealing.KeyFile)
	if err != nil {
		return p, err
	}
	if p.NewRoot, err = p.ensureRoot(ctx); err != nil {
		return p, err
	}
	clusterID, err := p.db.EnsureMeta(ctx, "cluster-id", []byte(rand.Text()))
	if err != nil {
		return p, err
	}
	people := &identity.Service{DB: p.db, Now: time.Now}
	roles := &access.Service{DB: p.db, Now: time.Now}
	if err := roles.Load(ctx); err != nil {
		return p, err
	}
	p.issuer, err = issuer.New(ctx, issuer.Config{
		DB: p.db, Sealer: sealer, People: people, Log: log, Now: time.Now,
		PublicURL: p.publicURL(), Insecure: c.Insecure, SigningAlgorithm: c.Issuer.SigningAlgorithm,
		References: references(c), TrustedProxies: c.Connectors.TrustedProxies,
	})
	if err != nil {
		return p, err
	}
	p.login = &login.Service{
		DB: p.db, Sealer: sealer, Issuer: p.issuer, People: people, Log: log, Now: time.Now, SessionTTL: time.Duration(c.Auth.SessionDuration),
	}
	p.issuer.ReachedAt(p.login.BrowsersAt)
	var creds credentials.TransportCredentials
	if p.tls != nil {
		creds = credentials.NewTLS(p.tls)
	}
	p.rpc, err = rpc.New(rpc.Config{
		DB: p.db, Access: roles, People: people, Issuer: p.issuer, Login: p.login, Log: log, Now: time.Now, Creds: creds,
		ClusterID: string(clusterID), DeploymentID: c.Cluster.DeploymentID, PublicHost: c.Cluster.PublicHost, PublicTLS: c.Cluster.PublicTLS,
		RootConfigured: c.Auth.RootToken != "",
	})
	if err != nil {
		return p, err
	}
	p.rest, err = p.rpc.REST(ctx)
	p.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), p.rpc.Calls)
	return p, err
}

// publicURL is the configured one, or the address that was really bound.
func (p *Pachd) publicURL() string {
	if p.config.PublicURL != "" {
		return p.config.PublicURL
	}
	scheme := "http"
	if p.tls != nil {
		scheme = "https"
	}
	if p.listens.http == nil {
		return scheme + "://localhost"
	}
	host, _, err := net.SplitHostPort(p.config.Listen.HTTP)
	if err != nil || host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(host, fmt.Sprint(p.listens.http.Addr().(*net.TCPAddr).Port)))
}

// GRPC is the address that the gRPC API is served at.
func (p *Pachd) GRPC() string { return address(p.listens.grpc) }

// HTTP is the address that the pages and readiness are served at.
func (p *Pachd) HTTP() string { return address(p.listens.http) }

// IssuerURL is where people sign in.
func (p *Pachd) IssuerURL() string { return p.issuer.URL() }

// Run serves until ctx ends, and then lets calls under way finish.
func (p *Pachd) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.db.Listen(ctx) })
	g.Go(func() error { return p.issuer.Run(ctx) })
	g.Go(func() error { return p.forgetExpired(ctx) })
	if p.listens.grpc != nil {
		g.Go(func() error {
			// Told to stop before it began, as by a signal during the start.
			if err := p.rpc.Serve(p.listens.grpc); !errors.Is(err, grpc.ErrServerStopped) {
				return err
			}
			return nil
		})
	}
	servers := []*http.Server{
		p.serve(g, p.listens.http, p.tls, p.pages()),
		p.serve(g, p.listens.callback, p.tls, p.callbackPages()),
		p.serve(g, p.listens.metrics, nil, p.metricsPage()),
	}
	p.rpc.Health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
	g.Go(func() error {
		<-ctx.Done()
		p.stop(servers)
		return nil
	})
	return errors.Join(g.Wait(), p.close())
}

func (p *Pachd) stop(servers []*http.Server) {
	p.rpc.Health.Shutdown()
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		p.rpc.GracefulStop()
		close(stopped)
	}()
	for _, s := range servers {
		if s != nil {
			if err := s.Shutdown(ctx); err != nil {
				p.log.Warn("a page was cut off", "error", err)
			}
		}
	}
	select {
	case <-stopped:
	case <-ctx.Done():
		p.rpc.Stop()
	}
}

func (p *Pachd) close() error {
	err := p.listens.close()
	if p.db != nil {
		err = errors.Join(err, p.db.Close())
	}
	if p.lock != nil {
		err = errors.Join(err, p.lock.Close())
	}
	return err
}

// references is what connector documents may name. What pachd keeps for itself
// they may not, wherever it is configured to be.
func references(c config.Config) secret.References {
	return secret.References{
		Environ: c.Environ, Names: c.Connectors.SecretEnv, Folders: c.Connectors.SecretFolders,
		Never: append(c.Own(), "/var/run/secrets/kubernetes.io", "/run/secrets/kubernetes.io", "/proc", "/sys", "/dev"),
	}
}

func loadTLS(c config.TLS) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fault.New(fault.Invalid, "tls: the pair of certificate and key in %s and %s cannot be used: %v", c.CertFile, c.KeyFile, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}
