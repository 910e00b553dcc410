package main

import (
	"slices"
	"testing"
)

func TestVariablesWithoutEffectAreNamed(t *testing.T) {
	environment := []string{"PATH=/bin", "ETCDCTL_API=3", "ETCDCTL_CACERT=/ca.pem", "ETCDCTL_TOKEN=hunter2", "ETCDCTL_HEX=true", "ETCDCTL_DEBUG="}
	if got, want := unsupported(environment), []string{"ETCDCTL_HEX", "ETCDCTL_TOKEN"}; !slices.Equal(got, want) {
		t.Errorf("of a command: %q, want %q", got, want)
	}
	if got := unsupported([]string{"ETCDCTL_API=2"}); !slices.Equal(got, []string{"ETCDCTL_API"}) {
		t.Errorf("the API that is gone: %q", got)
	}
	const want = "ETCDCTL_API, ETCDCTL_CACERT, ETCDCTL_HEX, ETCDCTL_TOKEN: no effect, since the daemon takes its configuration file alone"
	if got := ignoredByDaemon(environment); got != want {
		t.Errorf("of the daemon: %q, want %q", got, want)
	}
	if got := ignoredByDaemon([]string{"PATH=/bin"}); got != "" {
		t.Errorf("of none: %q", got)
	}
}
