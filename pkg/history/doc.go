// Package history keeps what a watchdog has done, and which conditions stood, in
// a form that outlives the process.
//
// What holds:
//
//  1. It is bounded: the newest 200 pieces of work and the newest 200
//     conditions, none older than 90 days.
//  2. A condition that ended while no process ran is closed at the first poll
//     of the next one, and marked: nobody saw its end.
//  3. It decides nothing. A history that is lost costs nothing but the history.
package history

import (
	"slices"
	"time"
)

const (
	// maxEntries bounds each of the two lists.
	maxEntries = 200
	// maxAge is how long an entry is kept.
	maxAge = 90 * 24 * time.Hour
	// maxText bounds a text of a server, in bytes.
	maxText = 300
)

// Log is the history of one host. The zero Log is empty.
type Log struct {
	Work       []Work      `json:"work,omitempty"`       // in the order of their ends
	Conditions []Condition `json:"conditions,omitempty"` // in the order of their beginnings
}

// Work is one step on a member, or the sum of compactions alone in an hour.
type Work struct {
	EndedAt     time.Time `json:"ended_at"`
	Kind        string    `json:"kind"`    // compact, move_leader, defragment, disarm
	Outcome     string    `json:"outcome"` // done, failed, unknown
	Reason      string    `json:"reason,omitzero"`
	Job         string    `json:"job,omitzero"` // ties the steps of one piece of work together, and to the journal
	MemberID    string    `json:"member_id,omitzero"`
	MemberName  string    `json:"member_name,omitzero"`
	Count       int       `json:"count,omitzero"`        // of a sum: how many compactions
	BeforeBytes int64     `json:"before_bytes,omitzero"` // defragment: the file; compact: pages in use
	AfterBytes  int64     `json:"after_bytes,omitzero"`
	FreedBytes  int64     `json:"freed_bytes,omitzero"`
	Seconds     float64   `json:"seconds"`
	Error       string    `json:"error,omitzero"`
}

// Condition is a state that stood from its beginning to its end.
type Condition struct {
	Condition  string    `json:"condition"`
	Level      string    `json:"level"`
	MemberID   string    `json:"member_id,omitzero"` // empty: the cluster as a whole
	MemberName string    `json:"member_name,omitzero"`
	Detail     string    `json:"detail,omitzero"` // when it began
	BeganAt    time.Time `json:"began_at"`
	EndedAt    time.Time `json:"ended_at,omitzero"`   // zero: it stands
	EndUnseen  bool      `json:"end_unseen,omitzero"` // it ended while no watchdog ran here; ended_at is when that was found out
}

// stands reports that the condition has not ended.
func (c Condition) stands() bool { return c.EndedAt.IsZero() }

// Since returns the part of the log from that time on: work that ended after
// it, and conditions that stood after it.
func (l Log) Since(t time.Time) Log {
	return Log{
		Work:       slices.DeleteFunc(slices.Clone(l.Work), func(w Work) bool { return w.EndedAt.Before(t) }),
		Conditions: slices.DeleteFunc(slices.Clone(l.Conditions), func(c Condition) bool { return !c.stands() && c.EndedAt.Before(t) }),
	}
}

// bounded returns the log within its bounds. What stands goes last.
func (l Log) bounded(now time.Time) Log {
	l = l.Since(now.Add(-maxAge))
	l.Work = l.Work[max(0, len(l.Work)-maxEntries):]
	for len(l.Conditions) > maxEntries {
		oldest := max(0, slices.IndexFunc(l.Conditions, func(c Condition) bool { return !c.stands() }))
		l.Conditions = slices.Delete(l.Conditions, oldest, oldest+1)
	}
	return l
}
