package rpc

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"pachyderm/api"
	"pachyderm/internal/version"
)

// RESTPath is where the methods are served as
// POST /api/<package>.<Service>/<Method> with a JSON body, as upstream's
// Console calls them.
const RESTPath = "/api/"

// REST serves every method over HTTP by the way that gRPC calls take, policy
// and all, without leaving the process.
func (s *Server) REST(ctx context.Context) (http.Handler, error) {
	gateway := runtime.NewServeMux(
		// Console takes an absent "authorized" for "authentication is off".
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{
			MarshalOptions:   protojson.MarshalOptions{EmitUnpopulated: true},
			UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true},
		}),
		runtime.WithIncomingHeaderMatcher(func(name string) (string, bool) {
			name = strings.ToLower(name)
			return name, name == api.TokenKey || name == api.TransactionKey || name == "x-request-id"
		}),
		runtime.WithErrorHandler(failREST),
	)
	for _, service := range api.Services() {
		if err := service.REST(ctx, gateway, s.InProcess()); err != nil {
			return nil, err
		}
	}
	description := sync.OnceValues(func() ([]byte, error) { // hardly anybody asks
		return api.OpenAPI(strings.TrimSuffix(RESTPath, "/"), version.Short(version.Current()))
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+RESTPath+"openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		setHeaders(w.Header())
		text, err := description()
		if err != nil {
			http.Error(w, "internal error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	})
	mux.Handle(RESTPath, http.StripPrefix(strings.TrimSuffix(RESTPath, "/"), s.fromHTTP(gateway)))
	return mux, nil
}

// takeBearer takes the token from where clients of HTTP send it (RFC 6750, section 2.1).
// A JWT is not ours: a proxy in front has put it there.
func takeBearer(h http.Header) {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if h.Get(api.TokenKey) == "" && strings.EqualFold(scheme, "Bearer") && token != "" && strings.Count(token, ".") != 2 {
		h.Set(api.TokenKey, token)
	}
}

// fromHTTP carries over what a gRPC call knows of its caller. A page of another
// site can make a browser send a POST, but the token is in a header that it
// cannot set.
func (s *Server) fromHTTP(next *runtime.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, api.MaxRequest)
		ctx := r.Context()
		if addr, err := net.ResolveTCPAddr("tcp", r.RemoteAddr); err == nil {
			ctx = peer.NewContext(ctx, &peer.Peer{Addr: addr})
		}
		setHeaders(w.Header())
		takeBearer(r.Header)
		if err := checkBody(r); err != nil {
			_, marshaler := runtime.MarshalerForRequest(next, r)
			runtime.HTTPError(ctx, next, marshaler, w, r, s.refusals.toStatus(ctx, r.URL.Path, err))
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// failREST says in the header too when to try again.
func failREST(ctx context.Context, mux *runtime.ServeMux, m runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	for _, d := range status.Convert(err).Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok {
			w.Header().Set("Retry-After", strconv.FormatInt(retry.GetRetryDelay().GetSeconds(), 10))
		}
	}
	runtime.DefaultHTTPErrorHandler(ctx, mux, m, w, r, err)
}

// setHeaders is for what no page of a browser should show, keep or guess about.
func setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
}

// InProcess is a connection to this server that takes the way of every call, policy
// and limits and all, without leaving the process.
func (s *Server) InProcess() grpc.ClientConnInterface { return &s.local }
