package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// ErrMissingRights is wrapped by the error of CheckRights that says what the
// user lacks. Its other errors say that nothing was found out.
var ErrMissingRights = errors.New("missing rights in etcd")

const rootRole = "root"

// CheckRights finds out whether etcd will let this process do its work: with
// authentication on, that takes a user with the role root. It asks for the
// user's own entry, which changes nothing but needs a quorum and is a raft
// proposal: for the start, not for each poll.
func (c *Cluster) CheckRights(ctx context.Context) error {
	k, err := c.conn(c.opts.Endpoint)
	if err != nil {
		return fmt.Errorf("check the rights: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	// Without a user of our own, one that the client certificate names may be in
	// force; only with the role root may it read the entry of root.
	name := c.opts.User
	if name == "" {
		name = "root"
	}
	user, err := pb.NewAuthClient(k.client.ActiveConnection()).UserGet(ctx, &pb.AuthUserGetRequest{Name: name})
	signIn := (*signInError)(nil)
	switch {
	case c.login.authOff():
		return nil
	case errors.Is(rpctypes.Error(err), rpctypes.ErrUserNotFound):
		return nil // an entry may be looked for: authentication is off, or we are root
	case errors.Is(rpctypes.Error(err), rpctypes.ErrUserEmpty):
		return fmt.Errorf("%w: authentication is on and no user is configured: set user and password-file, with a user that has the role root", ErrMissingRights)
	case err != nil && isPermissionDenied(err):
		return fmt.Errorf("%w: the user that the client certificate names does not have the role root: grant it (etcdctl user grant-role USER root)", ErrMissingRights)
	case errors.As(err, &signIn) && errors.Is(rpctypes.Error(signIn.err), rpctypes.ErrAuthFailed):
		return fmt.Errorf("%w: %s", ErrMissingRights, problem(err, c.opts.Endpoint, c.opts.RequestTimeout))
	case err != nil:
		return fmt.Errorf("check the rights: %s", problem(err, c.opts.Endpoint, c.opts.RequestTimeout))
	case c.opts.User != "" && !slices.Contains(user.Roles, rootRole):
		return fmt.Errorf("%w: user %q does not have the role root, which defragmentation, compaction and disarming need: grant it (etcdctl user grant-role %s root)", ErrMissingRights, c.opts.User, c.opts.User)
	default:
		return nil
	}
}
