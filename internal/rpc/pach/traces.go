package pach

import (
	"context"
	"time"

	pb "pachyderm/api/pach"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/rpc/identity"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/secret"
)

// results are those of traces on the wire.
func results() map[trace.Result]pb.SignInTrace_Result {
	return map[trace.Result]pb.SignInTrace_Result{
		trace.Completed: pb.SignInTrace_OK, trace.Refused: pb.SignInTrace_REFUSED, trace.Unproven: pb.SignInTrace_UNPROVEN,
		trace.Unavailable: pb.SignInTrace_UNAVAILABLE, trace.Failed: pb.SignInTrace_ERROR,
	}
}

// GetSignInTrace shows what happened in a sign-in.
func (s *server) GetSignInTrace(ctx context.Context, req *pb.GetSignInTraceRequest) (*pb.GetSignInTraceResponse, error) {
	t, err := s.issuer.Traces.ByCode(ctx, req.GetCode())
	if err != nil {
		return nil, err
	}
	return &pb.GetSignInTraceResponse{Trace: wholeTrace(t, identity.Author(ctx).MayGrant)}, nil
}

// wholeTrace withholds, as connector tests do, what was read at an address that
// whoever set the connector up may not be able to reach.
func wholeTrace(t trace.Trace, mayGrant bool) *pb.SignInTrace {
	out := briefTrace(t)
	out.Groups, out.Roles = t.Groups, t.Roles
	out.Withheld = t.Private && !mayGrant
	for _, p := range t.Request {
		out.Request = append(out.Request, &pb.SignInParameter{Name: p.Name, Value: p.Value})
	}
	for _, c := range t.Claims {
		if out.GetWithheld() {
			c.Value = secret.Mask
		}
		out.Claims = append(out.Claims, &pb.TestedClaim{Name: c.Name, Value: c.Value, UsedAs: c.UsedAs})
	}
	if out.GetWithheld() {
		return out
	}
	out.Detail = t.Detail
	if t.Asserted != nil {
		out.AssertedGroups = &pb.StringList{Values: t.Asserted}
	}
	for _, step := range t.Steps {
		out.Steps = append(out.Steps, &pb.SignInStep{
			Name: step.Name, Detail: step.Detail, Error: step.Error,
			AfterMicroseconds: step.After.Microseconds(), TookMicroseconds: step.Took.Microseconds(),
		})
	}
	return out
}

func briefTrace(t trace.Trace) *pb.SignInTrace {
	return &pb.SignInTrace{
		Code: t.Code, At: wire.Timestamp(t.At), Connector: t.Connector, Test: t.Test, ClientId: t.Client, Result: results()[t.Result],
		User: t.Person.String(), Error: t.Error, Next: t.Next, Setting: t.Setting, TookMicroseconds: t.Took.Microseconds(),
	}
}

// ListSignInTraces lists the last sign-ins.
func (s *server) ListSignInTraces(ctx context.Context, req *pb.ListSignInTracesRequest) (*pb.ListSignInTracesResponse, error) {
	f, err := filterFromProto(req)
	if err != nil {
		return nil, err
	}
	all, next, err := s.issuer.Traces.ListBrief(ctx, f, page(req))
	out := &pb.ListSignInTracesResponse{NextPageToken: next}
	for _, t := range all {
		out.Traces = append(out.Traces, briefTrace(t))
	}
	return out, err
}

func filterFromProto(req *pb.ListSignInTracesRequest) (f trace.Filter, err error) {
	f.Connector = req.GetConnector()
	if f.Person, err = parseOr("", req.GetUser()); err != nil {
		return f, err
	}
	for result, onWire := range results() {
		if onWire == req.GetResult() {
			f.Result = result
		}
	}
	if f.Result == "" && req.GetResult() != pb.SignInTrace_RESULT_UNKNOWN {
		err = fault.New(fault.Invalid, "there is no result %d", req.GetResult()).Next("use one of SignInTrace.Result")
	}
	return f, err
}

// SummarizeSignIns shows how sign-ins went.
func (s *server) SummarizeSignIns(ctx context.Context, req *pb.SummarizeSignInsRequest) (*pb.SummarizeSignInsResponse, error) {
	since := time.Unix(0, 0)
	if req.GetSince() != nil {
		since = req.GetSince().AsTime()
	}
	sum, err := s.issuer.Traces.Summarize(ctx, req.GetConnector(), since)
	return summaryToProto(sum), err
}

func summaryToProto(sum trace.Summary) *pb.SummarizeSignInsResponse {
	out := &pb.SummarizeSignInsResponse{}
	for _, c := range sum.Connectors {
		out.Connectors = append(out.Connectors, &pb.SignInCounts{
			Connector: c.Connector, Sent: c.Sent, Returned: c.Returned,
			Ok: c.Completed, Refused: c.Refused, Unproven: c.Unproven, Unavailable: c.Unavailable, Errors: c.Failed,
		})
	}
	for _, c := range sum.Causes {
		out.Causes = append(out.Causes, &pb.SignInCause{
			Connector: c.Connector, Cause: c.Cause, Attempts: c.Attempts, People: c.People,
			First: wire.Timestamp(c.First), Last: wire.Timestamp(c.Last), Example: c.Example,
		})
	}
	for _, w := range sum.Warnings {
		out.Warnings = append(out.Warnings, &pb.SignInWarning{Connector: w.Connector, What: w.What, Next: w.Next})
	}
	return out
}
