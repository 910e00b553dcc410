package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// login signs in to the cluster when a request first needs it, and again when
// a member refuses the token. One token serves all members.
//
// The password is read each time, as certificates are at each connection: one
// that was changed is used without a restart.
//
// Its interceptors stand on every connection. They send a request once: a
// server that cannot be reached is an error at once, and only a request that
// was refused for its token, before anything came of it, is sent a second time.
// Streams wait for a connection as the client has them do: it opens them again
// in a loop, which would spin otherwise.
type login struct {
	user     string
	password func() (string, error)

	mu       sync.Mutex
	signedIn bool
	token    string // empty also while the cluster's authentication is off
}

// signInError is the error of a request that was never sent, because signing
// in failed.
type signInError struct {
	user string
	err  error
}

func (e *signInError) Error() string { return fmt.Sprintf("sign in as user %q: %v", e.user, e.err) }
func (e *signInError) Unwrap() error { return e.err }

func (l *login) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	opts = append(slices.Clip(opts), grpc.WaitForReady(false))
	if l.user == "" || method == pb.Auth_Authenticate_FullMethodName {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	token, err := l.get(ctx, cc)
	if err != nil {
		return err
	}
	err = invoke(withToken(ctx, token), method, req, reply, cc, opts...)
	if !refusedToken(err) {
		return err
	}
	l.drop(token)
	if token, err = l.get(ctx, cc); err != nil {
		return err
	}
	return invoke(withToken(ctx, token), method, req, reply, cc, opts...)
}

func (l *login) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if l.user == "" {
		return open(ctx, desc, cc, method, opts...)
	}
	token, err := l.get(ctx, cc)
	if err != nil {
		return nil, err
	}
	s, err := open(withToken(ctx, token), desc, cc, method, opts...)
	if err != nil {
		return nil, err
	}
	return &signedStream{s, l, token}, nil
}

// signedStream is a stream that was opened with a token. That the server does not
// take it any more shows in its answers, and the next stream signs in again.
type signedStream struct {
	grpc.ClientStream
	login *login
	token string
}

func (s *signedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if refusedToken(err) {
		s.login.drop(s.token)
	}
	return err
}

// get returns the token, signing in if there is none. Several requests may sign
// in at once, so that none waits for a member that does not answer another.
func (l *login) get(ctx context.Context, cc *grpc.ClientConn) (string, error) {
	l.mu.Lock()
	token, ok := l.token, l.signedIn
	l.mu.Unlock()
	if ok {
		return token, nil
	}
	password, err := l.password()
	if err != nil {
		return "", &signInError{l.user, err}
	}
	answer, err := pb.NewAuthClient(cc).Authenticate(ctx, &pb.AuthenticateRequest{Name: l.user, Password: password})
	if err != nil && !errors.Is(rpctypes.Error(err), rpctypes.ErrAuthNotEnabled) {
		return "", &signInError{l.user, err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token, l.signedIn = answer.GetToken(), true
	return l.token, nil
}

// drop forgets the token, unless it has been replaced meanwhile.
func (l *login) drop(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == token {
		l.token, l.signedIn = "", false
	}
}

// authOff reports that signing in showed that authentication is off.
func (l *login) authOff() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signedIn && l.token == ""
}

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, token)
}

// refusedToken reports that the server turned the request away for its token,
// before anything came of it.
func refusedToken(err error) bool {
	err = rpctypes.Error(err)
	return errors.Is(err, rpctypes.ErrInvalidAuthToken) ||
		errors.Is(err, rpctypes.ErrAuthOldRevision) ||
		errors.Is(err, rpctypes.ErrUserEmpty)
}
