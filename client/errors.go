package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// UnreachableError says that no pachd could be talked to at an address.
type UnreachableError struct {
	Address Address
	Reason  string
	// Next is what to do about it, where the reason tells that, or "".
	Next  string
	cause error
}

func (e *UnreachableError) Error() string {
	text := fmt.Sprintf("cannot reach pachd at %s: %s", e.Address, e.Reason)
	if e.Next != "" {
		text += ": " + e.Next
	}
	return text
}

// Unwrap gives the gRPC status.
func (e *UnreachableError) Unwrap() error { return e.cause }

// ReasonOf is the kind of error that pachd reports, such as "not_found", or ""
// when the error does not come from it.
func ReasonOf(err error) string { return infoOf(err).GetReason() }

// FieldOf is the input that pachd finds fault with, such as "config.issuer",
// or "".
func FieldOf(err error) string { return infoOf(err).GetMetadata()["field"] }

// NextOf is what to do about an error, as pachd or the connection tells it, or
// "". It is part of the message too.
func NextOf(err error) string {
	var unreachable *UnreachableError
	if errors.As(err, &unreachable) {
		return unreachable.Next
	}
	return infoOf(err).GetMetadata()["next"]
}

// LineOf is the line of the document that pachd finds fault with, counted from
// 1, or 0. It is part of the message too.
func LineOf(err error) int {
	line, _ := strconv.Atoi(infoOf(err).GetMetadata()["line"])
	return line
}

// MessageOf is the text of an error without gRPC's own words in it.
func MessageOf(err error) string {
	var s interface {
		error
		GRPCStatus() *status.Status
	}
	if errors.As(err, &s) {
		return strings.ReplaceAll(err.Error(), s.Error(), s.GRPCStatus().Message())
	}
	return err.Error()
}

func infoOf(err error) *errdetails.ErrorInfo {
	if err == nil {
		return nil
	}
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "pachd" {
			return info
		}
	}
	return nil
}

// explain tells an address at which there is no pachd from a pachd that says
// Unavailable itself.
func (a Address) explain(
	ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	err := invoke(ctx, method, req, reply, conn, opts...)
	if status.Code(err) == codes.Unavailable && ReasonOf(err) == "" {
		reason, next := whyUnreachable(status.Convert(err).Message())
		return &UnreachableError{Address: a, Reason: reason, Next: next, cause: err}
	}
	return err
}

// whyUnreachable finds the reason in gRPC's text, which has no other form.
func whyUnreachable(text string) (reason, next string) {
	for _, known := range []struct{ sign, reason, next string }{
		{"connection refused", "connection refused", ""},
		{"no such host", "no such host", ""},
		{"no such file or directory", "there is no such socket", ""},
		{"does not look like a TLS handshake", "it does not speak TLS", "use an address that begins with grpc://"},
		{
			"error reading server preface", "what listens there does not speak gRPC in plain text",
			"check the port, or use an address that begins with grpcs://",
		},
		{"signed by unknown authority", "its certificate is signed by an unknown authority", ""},
		{"i/o timeout", "it does not respond", ""},
		{"deadline exceeded", "it does not respond", ""},
	} {
		if strings.Contains(text, known.sign) {
			return known.reason, known.next
		}
	}
	if _, rest, ok := strings.Cut(text, "authentication handshake failed: "); ok {
		text = rest
	}
	if _, rest, ok := strings.Cut(text, "Error while dialing: "); ok {
		text = rest
	}
	return strings.Trim(text, `"`), ""
}
