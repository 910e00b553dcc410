package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// The next look comes sooner, the sooner the quota could be reached. Each script
// ends in a look.
func TestPollDistance(t *testing.T) {
	const calm, closest = 10 * time.Second, 500 * time.Millisecond
	const burst = "watch 1; limit assumed-speed 32;"
	const small = "watch 1; members 3 100/100 of 256; look;"
	for _, tt := range []struct {
		name, script string
		want         time.Duration
	}{
		{"nothing grows", "watch 1; members 3 100/100 of 2048; look", calm},
		{"nothing grows, and the quota is near", "watch 1; members 3 2000/2000 of 2048; compacted; look; wait 1h; look; compacted; look", calm},
		{"slowly", "watch 1; members 3 100/100 of 2048; look; wait 10s; member 2 110/110; look", calm},
		{"an eighth of the time that is left", small + "wait 1s; member 1 116/116; look", 1093750 * time.Microsecond}, // 140 MiB at 16 MiB a second
		{"whichever member grows", small + "wait 1s; member 3 116/116; look", 1093750 * time.Microsecond},
		{"faster, and closer", small + "wait 1s; member 1 132/132; look", closest}, // 124 MiB at 32
		{"never below the least", small + "wait 100ms; member 1 140/140; look", closest},
		{"a file that grows without its pages in use", small + "wait 1s; member 1 116/100; look", 1218750 * time.Microsecond},          // 156 MiB at 16
		{"a burst out of nothing leaves time for a look halfway", burst + "members 3 100/60 of 256; look", 3062500 * time.Microsecond}, // 196 MiB at 32
		{"of the fullest member", burst + "members 3 100/60 of 256; member 2 220/150; look", 1656250 * time.Microsecond},
		{"and one little room more closely", burst + "members 3 45/20 of 64; look", 687500 * time.Microsecond},
		{"where there is much room it is calm", burst + "members 3 1400/1400 of 2048; limit observe true; look", calm},
		{"and without an end", burst + "members 3 100/60 of none; look", calm},
		{"by an assumed quota nobody can tell", "watch 1; members 3 100/100 of 256 assumed; look; wait 1s; members 3 140/140; look", calm},
		{"without a quota there is no end", "watch 1; members 3 100/100 of none; look; wait 1s; members 3 140/140; look", calm},
		{"a learner is none of our business", "watch 1; members 3 100/100 of 256; member 4 learner 100/100 of 256; look; wait 1s; member 4 140/140; look", calm},
		{"a minute later half as fast", small + "wait 1s; member 1 116/116; look; wait 1m; look", 2187500 * time.Microsecond},
		{"ten minutes later it is forgotten", small + "wait 1s; member 1 116/116; look; wait 10m; look", calm},
		{"under NOSPACE every moment counts", "watch 1; members 3 100/100 of 2048; alarm 1; look", closest},
		{"under CORRUPT nothing can be done", "watch 1; members 3 100/100 of 2048; alarm 1; alarm 2 corrupt; look", calm},
		{"a doubt is settled soon", "watch 1; members 3 100/100 of 2048; doubt 1 2; look", closest},
		{"work is looked after", "watch 1; members 3 1300/1300 of 2048; look", closest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t)
			s.run(tt.script)
			if got := s.watchdogs[0].decision.Next.Round(time.Microsecond); got != tt.want {
				t.Errorf("%s: the next look is in %s, want %s", brief(s.watchdogs[0].decision), got, tt.want)
			}
		})
	}
}

// At whatever speed a member grows from look to look: as long as the least
// distance allows it, the next look comes before the quota can be reached.
func TestLooksComeBeforeTheQuota(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		s := newStage(t)
		quota, speed := 256<<r.IntN(6), int64(1+r.IntN(40))*mib
		s.run(fmt.Sprintf("watch 1; members 3 50/50 of %d; limit observe true", quota))
		w := s.watchdogs[0]
		s.look(w)
		// The first look after it began is a calm one away.
		next := time.Duration(r.Int64N(int64(w.decision.Next)))
		for {
			left := w.memory.Of(1).Growth.Speed() > 0
			s.write(0, int64(float64(speed)*next.Seconds()))
			s.pass(next)
			full := s.actors[0].SizeBytes >= s.actors[0].Quota.Bytes
			if full && left && next > s.limits.MinPollInterval {
				t.Fatalf("quota %d MiB, %d MiB a second: full after %s without a look", quota, speed/mib, next)
			}
			if full {
				break
			}
			next = s.look(w).Next
		}
	}
}

// That the quota comes into sight is said a day before, once, by the member's
// own watchdog; growth that is given back is none.
func TestQuotaInSight(t *testing.T) {
	inSight := func(w *watchdog, member string) (string, bool) {
		for _, c := range w.decision.Standing {
			if c.Reason == policy.QuotaInSight && c.Member.String() == member {
				return c.Detail, true
			}
		}
		return "", false
	}
	s := newStage(t)
	s.run("watch 1 2 3; members 3 300/300 of 1000; limit observe true")
	var began time.Duration
	for hour := 1; hour <= 60; hour++ {
		for range 6 {
			s.run("wait 10m; look")
			for i, w := range s.watchdogs {
				id := fmt.Sprint(i + 1)
				detail, seen := inSight(w, id)
				if seen && began == 0 {
					began = s.now.Sub(begin)
					if !strings.Contains(detail, "in about 24h") && !strings.Contains(detail, "in about 23h") {
						t.Errorf("told is %q", detail)
					}
				}
				if _, others := inSight(w, fmt.Sprint(i%3+2)); others && i < 2 {
					t.Fatalf("watchdog %s tells of another one's member", id)
				}
			}
		}
		s.write(0, 10*mib)
	}
	// 700 MiB at 10 MiB an hour are 70 hours.
	if began < 45*time.Hour || began > 49*time.Hour {
		t.Errorf("the quota comes into sight after %s, want 46 h", began)
	}

	// Before history was compacted once it may be the first tooth of a sawtooth;
	// what has grown on for two slices after that is growth.
	s = newStage(t)
	s.run("watch 1; members 3 200/200 of 1000")
	for hour := 1; hour <= 21; hour++ {
		s.write(0, 20*mib)
		for range 6 {
			s.run("wait 10m; look")
			if _, seen := inSight(s.watchdogs[0], "1"); seen {
				t.Fatalf("told after %s, in the first tooth: %s", s.now.Sub(begin), s.summary())
			}
		}
	}
	s.run("compacted; wait 10m; look")
	if _, seen := inSight(s.watchdogs[0], "1"); seen {
		t.Error("told before the floors show what a compaction has left")
	}
	s.run("wait 10m; look")
	if _, seen := inSight(s.watchdogs[0], "1"); !seen {
		t.Errorf("live data have grown for a day, and it is not told: %s", s.summary())
	}

	s = newStage(t)
	s.run("watch 1; members 3 300/300 of 1000 each 1024; limit observe true; load rate 0.05; load auto 1h")
	for range 6 * 100 {
		s.run("wait 10m; look")
		if _, seen := inSight(s.watchdogs[0], "1"); seen {
			t.Fatalf("a sawtooth is taken for growth after %s: %s", s.now.Sub(begin), s.summary())
		}
	}
	if size := s.actors[0].SizeBytes; size < 500*mib || size > 900*mib {
		t.Errorf("this sawtooth shows nothing: %s", s.summary())
	}
}
