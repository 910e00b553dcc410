package metrics

import (
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// maxLabel bounds a label that a server may choose, in bytes.
const maxLabel = 64

// label makes a text of a server fit for a label.
func label(s string) string {
	s = event.Escape(s)
	if len(s) > maxLabel {
		s = strings.ToValidUTF8(s[:maxLabel], "")
	}
	return s
}

// reasonLabel keeps what is no name of a reason out of the labels.
func reasonLabel(r policy.Reason) string {
	if len(r) > maxLabel || strings.Trim(string(r), "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "other"
	}
	if r == "" {
		return "none"
	}
	return string(r)
}

func id(m cluster.MemberID) string {
	if m == 0 {
		return ""
	}
	return m.String()
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
