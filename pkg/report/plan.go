package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Plan is what plan says.
type Plan struct {
	Common
	Decision Decision   `json:"decision"`
	Members  []Prospect `json:"members"`
}

// Decision is what this host's watchdog would do now.
type Decision struct {
	Acts     bool     `json:"acts"`
	Reason   string   `json:"reason"`
	Detail   string   `json:"detail,omitempty"`
	MemberID string   `json:"member_id,omitempty"`
	Steps    []Step   `json:"steps"`
	Urgent   bool     `json:"urgent"`
	Expected *float64 `json:"expected_seconds,omitempty"` // how long the member will be blocked
	Risk     string   `json:"risk,omitempty"`
}

// Step is one effect on the cluster.
type Step struct {
	Step       string `json:"step"` // compact, move-leader, defragment, disarm
	MemberID   string `json:"member_id"`
	ToMemberID string `json:"to_member_id,omitempty"`
	Revision   int64  `json:"revision,omitempty"`
	Alarm      string `json:"alarm,omitempty"`
	Words      string `json:"words"`
}

// Prospect is what is to be expected for one member.
type Prospect struct {
	MemberID string     `json:"member_id"`
	Name     string     `json:"name,omitempty"`
	Due      bool       `json:"due"` // now
	Reason   string     `json:"reason"`
	Detail   string     `json:"detail,omitempty"`
	Steps    []Step     `json:"steps"` // what is done first, now or once the reason has gone
	Earliest *time.Time `json:"earliest,omitempty"`
}

// NewPlan puts the facts into a report.
func NewPlan(f Facts) Plan {
	d := f.Decision
	p := Plan{Common: common(f), Members: []Prospect{}, Decision: Decision{
		Acts: d.Acts(), Reason: string(d.Reason), Detail: d.Detail, MemberID: id(d.Member), Steps: steps(d.Steps), Urgent: d.Urgent, Risk: d.Risk,
	}}
	if d.Expected > 0 {
		seconds := d.Expected.Seconds()
		p.Decision.Expected = &seconds
	}
	for _, e := range policy.Explain(f.Limits, f.View.At, f.View, f.Memory) {
		m, _ := f.View.Member(e.Member)
		r := Prospect{MemberID: e.Member.String(), Name: m.Name, Due: e.Due, Reason: string(e.Reason), Detail: e.Detail, Steps: steps(e.Steps)}
		if !e.Earliest.IsZero() {
			at := e.Earliest.UTC()
			r.Earliest = &at
		}
		p.Members = append(p.Members, r)
	}
	slices.SortFunc(p.Members, func(a, b Prospect) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.MemberID, b.MemberID))
	})
	return p
}

func steps(of []cluster.Step) []Step {
	all := []Step{}
	for _, s := range of {
		step := Step{Step: s.Kind.String(), MemberID: s.Member.String(), ToMemberID: id(s.To), Revision: s.Revision, Words: s.String()}
		if s.Kind == cluster.StepDisarm {
			step.Alarm = s.Alarm.String()
		}
		all = append(all, step)
	}
	return all
}
