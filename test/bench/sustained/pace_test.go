package main

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPace writes 100 bytes at a time at 1000 bytes a second, is held up for
// a while, and goes on.
func TestPace(t *testing.T) {
	for _, test := range []struct {
		name   string
		heldUp time.Duration
		want   int // writes within the two seconds after it
	}{
		{"not held up", 0, 20},
		{"a short stall is made up for", 500 * time.Millisecond, 25},
		{"a long one is made up for by a second's worth", time.Minute, 30},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPace(1000)
				for range 10 {
					if err := p.wait(t.Context(), 100); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(100*time.Millisecond + test.heldUp) // of the bubble's clock: the tenth write's own time, and the stall
				end := time.Now().Add(2 * time.Second)
				n := 0
				for ; n <= test.want; n++ { // without end, if nothing waited
					if err := p.wait(t.Context(), 100); err != nil {
						t.Fatal(err)
					}
					if !time.Now().Before(end) {
						break
					}
				}
				if n != test.want {
					t.Errorf("%d writes in two seconds, want %d", n, test.want)
				}
			})
		})
	}
}
