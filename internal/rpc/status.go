package rpc

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"pachyderm/internal/fault"
	"pachyderm/internal/requestid"
)

func codeOf(k fault.Kind) codes.Code {
	switch k {
	case fault.Invalid:
		return codes.InvalidArgument
	case fault.Unauthenticated:
		return codes.Unauthenticated
	case fault.Denied:
		return codes.PermissionDenied
	case fault.NotFound:
		return codes.NotFound
	case fault.Exists:
		return codes.AlreadyExists
	case fault.Conflict:
		return codes.Aborted
	case fault.Precondition:
		return codes.FailedPrecondition
	case fault.Unavailable:
		return codes.Unavailable
	case fault.Unimplemented:
		return codes.Unimplemented
	case fault.Exhausted:
		return codes.ResourceExhausted
	case fault.Damaged:
		return codes.DataLoss
	case fault.Internal:
	}
	return codes.Internal
}

// partsOf are the parts of a fault that a client may want by themselves.
func partsOf(err error) map[string]string {
	parts := map[string]string{}
	if next := fault.NextOf(err); next != "" {
		parts["next"] = next
	}
	if field := fault.FieldOf(err); field != "" {
		parts["field"] = field
	}
	if line := fault.LineOf(err); line > 0 {
		parts["line"] = strconv.Itoa(line)
	}
	return parts
}

// toStatus is the one place where an error of ours becomes a status. What is
// not meant for users is logged under a code that they can quote.
func (r *refusals) toStatus(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	// A fault may well be caused by a time limit of its own, such as that for an
	// answer of an identity provider; only the end of the call itself hides it.
	if ctx.Err() != nil || fault.KindOf(err) == fault.Internal {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return status.Error(codes.DeadlineExceeded, "the time limit was reached before the answer was there")
		case errors.Is(err, context.Canceled):
			return status.Error(codes.Canceled, "the caller went away")
		}
	}
	kind, message := fault.KindOf(err), fault.Message(err)
	switch kind { //nolint:exhaustive // the rest is noted
	case fault.Internal:
		_, code := requestid.New(ctx)
		r.log.ErrorContext(ctx, "call failed", "method", method, "code", code, "error", fault.Cut(err.Error()))
		message = "internal error: an administrator finds it in pachd's log by the code " + code
	case fault.Damaged:
		r.log.ErrorContext(ctx, "stored data is damaged", "method", method, "error", fault.Cut(err.Error()))
	case fault.Exhausted: // the limits see to what is logged of these
	default:
		r.note(ctx, method, err)
	}
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: string(kind), Domain: "pachd", Metadata: partsOf(err)}}
	if after := fault.RetryAfter(err); after > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	s := status.New(codeOf(kind), message)
	if detailed, err := s.WithDetails(details...); err == nil {
		s = detailed
	}
	return s.Err()
}
