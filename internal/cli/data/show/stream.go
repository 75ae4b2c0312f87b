package show

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"

	"pachyderm/internal/cli/kit"
)

// Each are the messages of a stream, up to its end or the first error.
func Each[M any](stream grpc.ServerStreamingClient[M], err error) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		for {
			m, err := stream.Recv()
			if errors.Is(err, io.EOF) || !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Unhurried is kit.WithConn for calls that may take as long as they take: those that
// move files, and those that wait. --rpc-timeout bounds the way there alone.
func Unhurried(ctx context.Context, k *kit.Kit, do func(context.Context, *kit.Conn) error) error {
	return k.WithConn(ctx, false, func(_ context.Context, c *kit.Conn) error {
		ctx, cancel := context.WithCancel(ctx) // a stream that is left ends here
		defer cancel()
		return do(ctx, c)
	})
}
