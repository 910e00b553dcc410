package doctor

import (
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// nameOf says who a member is: its name and id, or the id alone.
func nameOf(m cluster.Member) string {
	if m.Name == "" {
		return "member " + m.ID.String()
	}
	return fmt.Sprintf("member %s (%s)", m.Name, m.ID)
}

// counted writes 1 day, 2 days.
func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// roughly writes a time in the unit that fits it, rounded down.
func roughly(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return counted(int(d/(24*time.Hour)), "day")
	case d >= 2*time.Hour:
		return counted(int(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return counted(int(d/time.Minute), "minute")
	default:
		return counted(int(d/time.Second), "second")
	}
}
