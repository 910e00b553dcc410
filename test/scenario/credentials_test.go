package scenario

import (
	"os"
	"path/filepath"
	"strings"
)

// enableAuth makes a user, with the role root or with a role that may do
// nothing but read and write keys.
func (s *scene) enableAuth(name, password string, root bool) {
	s.t.Helper()
	ctx, client := s.t.Context(), s.Client(0)
	_, err := client.UserAdd(ctx, name, password)
	s.must(err)
	if root {
		_, err = client.UserGrantRole(ctx, name, "root")
		s.must(err)
	}
}

// file returns the name of a file of that text.
func (s *scene) file(text string) string {
	s.t.Helper()
	name := filepath.Join(s.t.TempDir(), "password")
	s.must(os.WriteFile(name, []byte(text+"\n"), 0o600))
	return name
}

func contains(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
