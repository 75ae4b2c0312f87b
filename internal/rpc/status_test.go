package rpc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"pachyderm/internal/fault"
)

func to(log *slog.Logger) *refusals { return &refusals{log: log, now: time.Now} }

func TestStatus_KindAndParts(t *testing.T) {
	for kind, want := range map[fault.Kind]codes.Code{
		fault.Invalid: codes.InvalidArgument, fault.Unauthenticated: codes.Unauthenticated, fault.Denied: codes.PermissionDenied,
		fault.NotFound: codes.NotFound, fault.Exists: codes.AlreadyExists, fault.Conflict: codes.Aborted, fault.Precondition: codes.FailedPrecondition,
		fault.Unavailable: codes.Unavailable, fault.Unimplemented: codes.Unimplemented, fault.Exhausted: codes.ResourceExhausted, fault.Internal: codes.Internal,
		fault.Damaged: codes.DataLoss,
	} {
		err := to(slog.New(slog.DiscardHandler)).toStatus(t.Context(), "/x", fault.New(kind, "what is wrong").Next("do that").At("config.x").OnLine(7).Because(errors.New("hidden")))
		s := status.Convert(err)
		if s.Code() != want || strings.Contains(s.Message(), "hidden") || kind != fault.Internal && s.Message() != "what is wrong: do that (line 7)" {
			t.Errorf("%s: %v", kind, s)
		}
		var info *errdetails.ErrorInfo
		for _, d := range s.Details() {
			info, _ = d.(*errdetails.ErrorInfo)
		}
		if info.GetReason() != string(kind) || info.GetDomain() != "pachd" || info.GetMetadata()["field"] != "config.x" || info.GetMetadata()["line"] != "7" {
			t.Errorf("%s: details %v", kind, info)
		}
		if next := info.GetMetadata()["next"]; kind != fault.Internal && next != "do that" || kind == fault.Internal && next != "" {
			t.Errorf("%s: what to do: %q", kind, next)
		}
	}
}

// The log has what was refused, but for what strangers could fill it with.
func TestStatus_RefusalsAreLogged(t *testing.T) {
	for kind, want := range map[fault.Kind]bool{fault.Denied: true, fault.Unauthenticated: true, fault.Exhausted: false, fault.Damaged: true} {
		var log bytes.Buffer
		err := to(slog.New(slog.NewTextHandler(&log, nil))).toStatus(t.Context(), "/x", fault.New(kind, "what is wrong"))
		if got := strings.Contains(log.String(), "what is wrong"); got != want {
			t.Errorf("%s: the log has %q", kind, log.String())
		}
		for _, d := range status.Convert(err).Details() {
			if info, ok := d.(*errdetails.ErrorInfo); ok && len(info.GetMetadata()) > 0 {
				t.Errorf("%s: parts that nobody has set: %v", kind, info.GetMetadata())
			}
		}
	}
}

func TestStatus_Deadline(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	silent := fault.New(fault.Unavailable, "the provider did not answer").Because(context.DeadlineExceeded)
	if s := status.Convert(to(log).toStatus(t.Context(), "/x", silent)); s.Code() != codes.Unavailable || s.Message() != "the provider did not answer" {
		t.Errorf("a provider's silence: %v", s)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, err := range []error{context.Canceled, fault.New(fault.Unavailable, "the database does not answer").Because(context.Canceled)} {
		if got := status.Code(to(log).toStatus(gone, "/x", err)); got != codes.Canceled {
			t.Errorf("%v after the caller has gone: %s", err, got)
		}
	}
	if got := status.Code(to(log).toStatus(t.Context(), "/x", context.DeadlineExceeded)); got != codes.DeadlineExceeded {
		t.Errorf("a time limit: %s", got)
	}
}

// wantInternal checks that the error says nothing but a code, and that the log
// says the rest under it.
func wantInternal(t *testing.T, err error, log, cause string) {
	t.Helper()
	s := status.Convert(err)
	code := regexp.MustCompile(`^internal error: an administrator finds it in pachd's log by the code ([A-Z2-7]{8})$`).FindStringSubmatch(s.Message())
	if s.Code() != codes.Internal || code == nil {
		t.Fatalf("the caller is told: %v", s)
	}
	if !strings.Contains(log, code[1]) || !strings.Contains(log, cause) {
		t.Errorf("the log says: %s", log)
	}
}

func TestIntercept_Panic(t *testing.T) {
	var log bytes.Buffer
	s := &Server{
		refusals: to(slog.New(slog.NewTextHandler(&log, nil))), rows: policy(), limits: bounded().limits,
	}
	s.count()
	_, err := s.intercept(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/versionpb_v2.API/GetVersion"}, func(context.Context, any) (any, error) {
		panic("secret-of-a-call")
	})
	wantInternal(t, err, log.String(), "secret-of-a-call")

	log.Reset()
	err = s.interceptStream(nil, stream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: "/grpc.health.v1.Health/Watch"}, func(any, grpc.ServerStream) error {
		panic("secret-of-a-stream")
	})
	wantInternal(t, err, log.String(), "secret-of-a-stream")

	log.Reset()
	_, err = s.intercept(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/no.such/Row"}, func(context.Context, any) (any, error) {
		t.Error("a method without a row was called")
		return nil, nil
	})
	wantInternal(t, err, log.String(), "no auth function")
}

// stream is what a stream has before anything is sent.
type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s stream) Context() context.Context { return s.ctx }

func TestCheckPolicy(t *testing.T) {
	services := map[string]grpc.ServiceInfo{"a.B": {Methods: []grpc.MethodInfo{{Name: "C"}}}}
	if err := checkPolicy(map[string]rule{"/a.B/C": {kind: public}}, services); err != nil {
		t.Error(err)
	}
	if err := checkPolicy(nil, services); err == nil || !strings.Contains(err.Error(), "/a.B/C has no row") {
		t.Errorf("without a row: %v", err)
	}
	if err := checkPolicy(map[string]rule{"/a.B/C": {kind: public}, "/a.B/D": {kind: unimplemented}}, services); err == nil || !strings.Contains(err.Error(), "/a.B/D") {
		t.Errorf("without a method: %v", err)
	}
}

func TestReads_AreRowsOfTheTable(t *testing.T) {
	rows := policy()
	for _, method := range reads {
		if rows[method].kind == 0 || inputOf(method) == nil {
			t.Errorf("%s is no method of ours", method)
		}
	}
}

// A client in a loop is one line, which says later how many there were.
func TestRefusals_AlikeAreOneLine(t *testing.T) {
	var log bytes.Buffer
	now := time.Now()
	r := &refusals{log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	refuse := func(n int, method, what string) {
		for range n {
			if err := r.toStatus(t.Context(), method, fault.New(fault.Denied, "%s", what)); status.Code(err) != codes.PermissionDenied {
				t.Fatal(err)
			}
		}
	}
	refuse(1000, "/x", "a")
	refuse(1, "/x", "b")
	refuse(1, "/y", "a")
	if n := strings.Count(log.String(), "call refused"); n != 3 {
		t.Errorf("%d lines: %s", n, &log)
	}
	now = now.Add(alikeFor)
	refuse(1, "/x", "a")
	if !strings.Contains(log.String(), `"alike before"=999`) {
		t.Errorf("the count is missing: %s", &log)
	}
	for n := range 3 * maxAlike {
		method := "/" + strconv.Itoa(n)
		if n%100 == 0 {
			method += strings.Repeat("m", 64<<10)
		}
		refuse(1, method, "a")
	}
	if len(r.alike) > maxAlike {
		t.Errorf("%d kinds are remembered", len(r.alike))
	}
	for what := range r.alike {
		if len(what.method) > 300 || len(what.message) > 300 {
			t.Fatalf("%d bytes are remembered of what anybody can send", len(what.method)+len(what.message))
		}
	}
}

// What somebody sends comes back, and is logged, in part: the rest would fill the disk.
func TestStatus_LittleOfWhatWasSent(t *testing.T) {
	long := strings.Repeat("\x01", 4<<20)
	for kind, err := range map[fault.Kind]error{
		fault.Invalid: fault.New(fault.Invalid, "invalid role %q", long).Next("not %q", long).Because(errors.New(long)),
		fault.Damaged: fault.New(fault.Damaged, "%s", long), fault.Internal: errors.New(long),
	} {
		var log bytes.Buffer
		s := status.Convert(to(slog.New(slog.NewTextHandler(&log, nil))).toStatus(t.Context(), "/x", err))
		const headers = 8 << 10 // what gRPC's C core takes
		if n := proto.Size(s.Proto()); n > headers*3/4 {
			t.Errorf("%s: the status has %d bytes", kind, n)
		}
		if log.Len() > 64<<10 || log.Len() == 0 {
			t.Errorf("%s: the log has %d bytes", kind, log.Len())
		}
	}
}
