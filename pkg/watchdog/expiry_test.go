package watchdog_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event/eventtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// A certificate is reported 30 days before its end, 7 days before, and when it has
// ended; and when it was renewed. In between, and on a calm day, nothing is.
func TestCertificatesAreReportedAheadOfTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		start := time.Now()
		members := start.Add(40 * day)
		look := func(context.Context, time.Time) []watchdog.Certificate {
			return []watchdog.Certificate{
				{What: "etcd.cert, /c.pem,", Ends: start.Add(20*day + time.Hour)},
				{What: "etcd.cacert, /ca.pem,", Ends: start.Add(400 * day)},
				{Member: 0xa, Name: "m0", What: "the certificate at https://a:2379", Ends: members},
			}
		}
		memory := &eventtest.Memory{}
		ctx, stop := context.WithCancel(t.Context())
		var x watchdog.Expiry
		ended := make(chan struct{})
		run := func() { x.Run(ctx, look, memory); close(ended) }
		go run()
		heard := 0
		told := func() []string {
			synctest.Wait()
			var all []string
			for _, e := range memory.Events()[heard:] {
				all = append(all, e.Kind.Row().Message(e))
			}
			heard += len(all)
			return all
		}
		expect := func(when string, want ...string) {
			t.Helper()
			got := told()
			if len(got) != len(want) {
				t.Errorf("%s: told %q, want %d entries", when, got, len(want))
				return
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("%s: told %q, want %q", when, got[i], want[i])
				}
			}
		}
		at := func(d time.Duration) { time.Sleep(time.Until(start.Add(d))) }
		at(2 * time.Hour)
		expect("at the start", "A certificate of this watchdog expires in 20 d: etcd.cert, /c.pem, expires on ")
		at(9 * day)
		expect("a day before the next", nil...)
		at(11 * day)
		expect("30 days before", "The certificate of member m0 (a) expires in ")
		at(15 * day)
		expect("7 days before", "A certificate of this watchdog expires in ")

		// A reload takes the conditions along.
		stop()
		<-ended
		ctx, stop = context.WithCancel(t.Context())
		ended = make(chan struct{})
		go run()
		at(15*day + 3*time.Hour)
		expect("after a reload", nil...)

		at(21 * day)
		expect("at the end", "A certificate of this watchdog has expired: etcd.cert, /c.pem, expired on ")
		members = start.Add(400 * day)
		at(22 * day)
		expect("renewed", "Condition certificate_expiring of member m0 (a) has ended")
		stop()
		<-ended
	})
	if k, ok := event.ConditionNamed("certificate_expiring"); !ok || !k.Row().Graded {
		t.Error("no graded condition")
	}
}
