package watchdog

import (
	"testing"
	"testing/synctest"
	"time"
)

// A job's id is never that of another piece of work, neither of the same process
// nor of the one before it.
func TestJobsAreUnique(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]bool{}
		for range 3 { // processes
			w := &Watchdog{}
			for range 3 {
				job := w.nextJob()
				if seen[job] {
					t.Errorf("job %s stands for two pieces of work", job)
				}
				seen[job] = true
				if w.job() != job {
					t.Errorf("within job %s the id is %s", job, w.job())
				}
			}
			time.Sleep(time.Second) // a restart takes time
		}
	})
}
