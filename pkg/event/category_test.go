package event_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// Each event that reports a failed operation has a category of the closed list.
func TestEveryErrorHasACategory(t *testing.T) {
	for _, row := range event.Table() {
		category, is := event.Event{Kind: row.Kind}.ErrorCategory()
		failure := strings.HasSuffix(row.Name, "_failed") || strings.HasSuffix(row.Name, "_missing") || row.Kind == event.ClaimLost
		if is != failure {
			t.Errorf("%s: is an error: %v, want %v", row.Name, is, failure)
		}
		if is && !slices.Contains(event.Categories(), category) {
			t.Errorf("%s: category %q is not in the list", row.Name, category)
		}
	}
	for source, want := range map[string]event.Category{"release": event.CategoryClaim, "state": event.CategoryState, "?": event.CategoryOther, "": event.CategoryOther} {
		if got, _ := (event.Event{Kind: event.PollFailed, Source: source}).ErrorCategory(); got != want {
			t.Errorf("source %q: category %q, want %q", source, got, want)
		}
	}
}
