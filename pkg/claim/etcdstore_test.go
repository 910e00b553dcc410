package claim

import (
	"errors"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// What a person can mend comes with the way to mend it.
func TestWhoHasNoUserIsToldToSetOne(t *testing.T) {
	err := mapped(rpctypes.ErrUserEmpty)
	if !errors.Is(err, rpctypes.ErrUserEmpty) || !strings.Contains(err.Error(), "set user and password-file") {
		t.Errorf("%v: it does not say what to do", err)
	}
}
