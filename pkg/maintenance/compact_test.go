package maintenance_test

import (
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// What a compaction has freed may show a moment later. That is waited for, once,
// where more history would be given up for nothing.
func TestWhatACompactionFreedShowsLate(t *testing.T) {
	for name, tt := range map[string]struct {
		written int64
		routine bool
		late    int // looks that do not show it
		looks   int // that are taken
	}{
		"at once":                    {300 * mib, true, 0, 1},
		"late":                       {300 * mib, true, 1, 2},
		"not for a while":            {300 * mib, true, 9, 2},
		"late, and there is no time": {400 * mib, true, 1, 1},
		"late, and not routine":      {300 * mib, false, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			overwrite := func(c *etcdtest.Cluster) (err error) {
				for n := int64(0); n < tt.written && err == nil; n += mib {
					err = c.Overwrite(t.Context(), 1, mib)
				}
				return err
			}
			playAfter(t, overwrite, func(s *scene) {
				s.routine, s.late = tt.routine, tt.late
				o := s.run(s.compactAndDefragment(2)[0])
				looks := 0
				for _, d := range s.did {
					if d.what == "look" {
						looks++
					}
				}
				if looks != tt.looks || o.Err != nil {
					s.Errorf("%d looks, want %d; %v", looks, tt.looks, o.Err)
				}
				m, _ := o.View.Member(2)
				if shows := m.InUseBytes < tt.written; shows != (tt.late < tt.looks) {
					s.Errorf("%d bytes in use at the end", m.InUseBytes)
				}
				if tt.routine && s.one(event.RoutineCompaction).InUseBytes != m.InUseBytes {
					s.Error("what is reported is something else")
				}
			})
		})
	}
}
