package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// stepError is why a step did not succeed, or is not known to have.
type stepError struct {
	words   string // for people
	err     error  // as gRPC gave it
	cause   error  // why the context of the step ended; nil: it did not
	unknown bool   // it was sent, and nothing proves that it came to nothing
}

func (e *stepError) Error() string {
	if e.unknown {
		return fmt.Sprintf("%v: %s", cluster.ErrOutcomeUnknown, e.words)
	}
	return e.words
}

func (e *stepError) Unwrap() []error {
	all := []error{e.err}
	if e.cause != nil {
		all = append(all, e.cause)
	}
	if e.unknown {
		all = append(all, cluster.ErrOutcomeUnknown)
	}
	return all
}

// says reports that the server answered a step with this error of its own.
func says(err error, own error) bool {
	step := (*stepError)(nil)
	return errors.As(err, &step) && errors.Is(rpctypes.Error(step.err), own)
}

// send makes one call that changes the cluster and tells its outcome: nil, an
// error if it certainly did not happen or ended in failure, or else one that
// wraps cluster.ErrOutcomeUnknown. Patience 0 waits as long as ctx lasts. What is
// asked last of all is whether it may be sent now.
func (l *line) send(ctx context.Context, patience time.Duration, ready []func() error, call func(context.Context, ...grpc.CallOption) error) error {
	if ctx.Err() != nil {
		return &stepError{words: fmt.Sprintf("not begun: %v", context.Cause(ctx)), err: ctx.Err(), cause: context.Cause(ctx)}
	}
	for _, may := range ready {
		if err := may(); err != nil {
			return fmt.Errorf("not sent: %w", err)
		}
	}
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if patience > 0 {
		bounded, cancel = context.WithTimeout(ctx, patience)
	}
	defer cancel()
	var p peer.Peer // stays empty unless the request was given to a connection
	err := call(bounded, grpc.Peer(&p))
	if err == nil {
		return nil
	}
	words := problem(err, l.url, patience)
	if ctx.Err() != nil {
		words = fmt.Sprintf("broken off before %s answered: %v", l.url, context.Cause(ctx))
	}
	return &stepError{words: words, err: err, cause: context.Cause(ctx), unknown: p.Addr != nil && !refused(err)}
}

// refused reports that the error is the server's own word that the request was
// turned down, or carried out and failed. It errs towards false: what a lost
// connection or a passed deadline may look like is no proof.
func refused(err error) bool {
	var own rpctypes.EtcdError
	if errors.As(rpctypes.Error(err), &own) {
		return own.Code() != codes.Unavailable // "timed out" and the like: may still happen
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.FailedPrecondition,
		codes.NotFound, codes.AlreadyExists, codes.OutOfRange, codes.Unimplemented, codes.DataLoss:
		return true
	case codes.Unknown:
		// What a handler returned; a handler that was cut short says so.
		text := err.Error()
		return !strings.Contains(text, context.Canceled.Error()) && !strings.Contains(text, context.DeadlineExceeded.Error())
	default:
		return false
	}
}
