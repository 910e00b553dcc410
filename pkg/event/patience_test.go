package event

import (
	"testing"
	"time"
)

func TestConditionWithPatienceIsToldOnlyOnceItLasts(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	patience := WaitingForClaim.Row().Patience
	if patience == 0 {
		t.Fatal("waiting for the claim has no patience: every piece of work would be told by all who wait")
	}
	waits := []Event{{Kind: WaitingForClaim}}
	var c Conditions
	for _, step := range []struct {
		at   time.Duration
		with []Event
		want int
	}{
		{0, waits, 0},
		{patience / 2, nil, 0}, // over before it was worth a word: no end either
		{patience, waits, 0},
		{2*patience - 1, waits, 0},
		{2 * patience, waits, 1},
		{2*patience + time.Second, waits, 0},
		{3 * patience, nil, 1},
	} {
		if got := c.Update(now.Add(step.at), step.with); len(got) != step.want {
			t.Errorf("after %s: reported %v, want %d entries", step.at, got, step.want)
		}
	}
}
