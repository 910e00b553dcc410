package state

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/history"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Record is what is kept. A time may lie in the future, if the clock was set
// back since; it is kept as it is.
type Record struct {
	ProgramVersion string    `json:"program_version,omitzero"`
	Host           string    `json:"host,omitzero"`
	ClusterID      ID        `json:"cluster_id,omitzero"` // a record of another cluster is of no use to this one
	LocalMember    ID        `json:"local_member,omitzero"`
	PolledAt       time.Time `json:"polled_at,omitzero"` // zero: nothing was ever recorded
	Decision       Decision  `json:"decision,omitzero"`
	Members        []Member  `json:"members,omitempty"` // each id once

	History history.Log `json:"history,omitzero"` // what was done, for people
}

// Decision is the last decision, as it is reported.
type Decision struct {
	At     time.Time     `json:"at,omitzero"`
	Reason policy.Reason `json:"reason"` // of another program version perhaps, hence one that is not in policy's list
	Detail string        `json:"detail,omitzero"`
	Member ID            `json:"member,omitzero"`
}

// Member is what is kept of one member.
type Member struct {
	ID              ID        `json:"id"`
	Name            string    `json:"name,omitzero"`
	DefragmentedAt  time.Time `json:"defragmented_at,omitzero"` // by us; zero: never
	WonBytes        int64     `json:"won_bytes,omitzero"`
	BytesPerSecond  float64   `json:"bytes_per_second,omitzero"`
	CooldownSeconds float64   `json:"cooldown_seconds,omitzero"`

	Growth forecast.History `json:"growth,omitzero"` // in a form of its own
}

// ID is etcd's id of a member or a cluster. Zero means that it is not known.
type ID uint64

// String returns the id in hexadecimal without a prefix, as etcdctl prints it.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 16) }

// MarshalText writes the id as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads an id as MarshalText writes it.
func (id *ID) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil || n == 0 {
		return fmt.Errorf("%.40q is not an id: want up to 16 hexadecimal digits, not all 0", text)
	}
	*id = ID(n)
	return nil
}

// maxCooldownSeconds is far above any cooldown, and far below what a
// time.Duration can hold.
const maxCooldownSeconds = 1e9

// check refuses what no program has written. Whoever reads a record need not
// ask again.
func (r Record) check() error {
	seen := map[ID]bool{}
	for _, m := range r.Members {
		switch {
		case m.ID == 0:
			return errors.New("a member has no id")
		case seen[m.ID]:
			return fmt.Errorf("member %s is there twice", m.ID)
		case m.WonBytes < 0:
			return fmt.Errorf("member %s has won %d bytes", m.ID, m.WonBytes)
		case !(m.BytesPerSecond >= 0) || math.IsInf(m.BytesPerSecond, 0):
			return fmt.Errorf("member %s was defragmented at %g bytes a second", m.ID, m.BytesPerSecond)
		case !(m.CooldownSeconds >= 0 && m.CooldownSeconds <= maxCooldownSeconds):
			return fmt.Errorf("member %s has a cooldown of %g seconds", m.ID, m.CooldownSeconds)
		}
		seen[m.ID] = true
	}
	return nil
}

// FromMemory returns what is worth keeping of each member that the memory
// knows, by id, with the names of that look.
func FromMemory(mem policy.Memory, v cluster.View) []Member {
	members := make([]Member, 0, len(mem.Members))
	for _, mm := range mem.Members {
		listed, _ := v.Member(mm.ID)
		members = append(members, Member{
			ID:              ID(mm.ID),
			Name:            listed.Name,
			DefragmentedAt:  mm.WorkedAt,
			WonBytes:        mm.WonBytes,
			BytesPerSecond:  mm.BytesPerSecond,
			CooldownSeconds: mm.Cooldown.Seconds(),
			Growth:          mm.Growth,
		})
	}
	return members
}

// ToMemory returns the memory of a process that begins with what an earlier one
// has kept: the reverse of FromMemory.
func ToMemory(kept []Member) policy.Memory {
	var mem policy.Memory
	for _, k := range kept {
		mem.Members = append(mem.Members, policy.MemberMemory{
			ID:             cluster.MemberID(k.ID),
			WorkedAt:       k.DefragmentedAt,
			WonBytes:       k.WonBytes,
			BytesPerSecond: k.BytesPerSecond,
			Cooldown:       time.Duration(math.Round(k.CooldownSeconds * float64(time.Second))),
			Growth:         k.Growth,
		})
	}
	slices.SortFunc(mem.Members, func(a, b policy.MemberMemory) int { return cmp.Compare(a.ID, b.ID) })
	return mem
}
