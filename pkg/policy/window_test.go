package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata" // the zones are the same on every machine

	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Whatever the clocks do: a window is open when the wall shows a time in it, as it
// would be in a place where no clock is ever changed.
func TestWindowGoesByTheWall(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, zone := range []string{"Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "America/Havana", "UTC"} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			there := policy.Window{From: r.IntN(24 * 60), To: r.IntN(24 * 60), Location: location}
			for day := range there.Days {
				there.Days[day] = r.IntN(2) == 0
			}
			still := there
			still.Location = time.UTC
			for at, end := begin, begin.AddDate(1, 0, 0); at.Before(end); at = at.Add(17 * time.Minute) {
				l := at.In(location)
				wall := time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), 0, time.UTC)
				if there.Open(at) != still.Open(wall) {
					t.Fatalf("%s: %+v is open at %s: %v", zone, there, l, there.Open(at))
				}
			}
		}
	}
}

func TestWindow(t *testing.T) {
	at := func(hour, minute int) int { return 60*hour + minute }
	days := func(open ...time.Weekday) (d [7]bool) {
		for _, day := range open {
			d[day] = true
		}
		return d
	}
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	night := policy.Window{Days: days(time.Friday), From: at(22, 0), To: at(4, 0), Location: time.UTC}
	early := policy.Window{Days: days(time.Saturday, time.Sunday), From: at(1, 30), To: at(2, 30), Location: amsterdam}
	gone := policy.Window{Days: days(time.Sunday), From: at(2, 0), To: at(3, 0), Location: amsterdam}
	whole := policy.Window{Days: days(time.Monday), From: at(0, 0), To: at(0, 0), Location: time.UTC}
	for _, tt := range []struct {
		name   string
		window policy.Window
		at     string
		open   bool
	}{
		// 2026-03-06 is a Friday.
		{"before it opens", night, "2026-03-06T21:59:59Z", false},
		{"as it opens", night, "2026-03-06T22:00:00Z", true},
		{"after midnight, still Friday's", night, "2026-03-07T03:59:59Z", true},
		{"as it closes", night, "2026-03-07T04:00:00Z", false},
		{"Saturday has none of its own", night, "2026-03-07T22:00:00Z", false},
		{"nor has Friday morning", night, "2026-03-06T03:00:00Z", false},
		{"in its own zone", early, "2026-03-07T00:30:00Z", true},
		{"not in ours", early, "2026-03-07T01:30:00Z", false},
		{"all day", whole, "2026-03-09T00:00:00Z", true},
		{"to midnight", whole, "2026-03-09T23:59:59Z", true},
		{"and not on the next", whole, "2026-03-10T00:00:00Z", false},
		{"and not on the day before", whole, "2026-03-08T23:59:59Z", false},
		// On 2026-03-29 there is no time from 2:00 to 3:00 in Amsterdam.
		{"spring: before the gap", early, "2026-03-29T00:59:59Z", true},
		{"spring: behind it", early, "2026-03-29T01:00:00Z", false},
		{"spring: a window inside the gap", gone, "2026-03-29T01:00:00Z", false},
		{"spring: the week after", gone, "2026-04-05T00:00:00Z", true},
		// On 2026-10-25 there is one twice.
		{"autumn: the first half past one", early, "2026-10-24T23:30:00Z", true},
		{"autumn: the first half past two", early, "2026-10-25T00:30:00Z", false},
		{"autumn: two o'clock once more", early, "2026-10-25T01:00:00Z", true},
		{"autumn: the second half past two", early, "2026-10-25T01:30:00Z", false},
		{"autumn: open for both hours", gone, "2026-10-25T00:00:00Z", true},
		{"autumn: open to the end of the second", gone, "2026-10-25T01:59:59Z", true},
		{"autumn: then closed", gone, "2026-10-25T02:00:00Z", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			when, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.window.Open(when); got != tt.open {
				t.Errorf("open at %s: %v", when.In(tt.window.Location), got)
			}
		})
	}
}
