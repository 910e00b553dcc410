package wire

import (
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Rule is what is done to which calls.
type Rule struct {
	Match  Match
	Action Action
}

// Match says which calls a rule is for. An empty field matches any.
type Match struct {
	Member string
	Caller string
	Method string
	Kind   Kind
	Nth    int // of those that match, over all members, from 1; 0: each
}

// Action is what is done to a call, in the order of the fields. The zero Action
// lets it pass.
type Action struct {
	Before  func(Call)    // when the call has come, before anything of its message reaches the member
	Delay   time.Duration //
	Hold    bool          // until Armed.Release
	Request Request
	After   func(Call) // when the member has begun to answer, before the client learns it
	Reply   Reply
}

// Request says what becomes of a call's message.
type Request int

// What becomes of a message.
const (
	Forward Request = iota // also if its client has gone meanwhile
	Drop                   // lost: the client waits until its deadline
	Refuse                 // lost: the client is told Unavailable
)

// Reply says what becomes of the answer.
type Reply int

// What becomes of an answer.
const (
	Pass    Reply = iota
	Swallow       // lost: the client waits until its deadline
	Sever         // lost, and the client's connection with it
)

// SlowStatus is the rule of a member that takes that much longer to answer Status,
// and is as fast as ever with everything else.
func SlowStatus(member string, delay time.Duration) Rule {
	return Rule{
		Match:  Match{Member: member, Method: pb.Maintenance_Status_FullMethodName},
		Action: Action{Delay: delay},
	}
}

// Rules are what the proxies of a cluster go by. The first rule that matches a
// call is applied to it, and no other. The zero value has none.
type Rules struct {
	mu    sync.Mutex
	armed []*Armed
}

// Armed is a rule in force, and what it has met.
type Armed struct {
	rules *Rules
	rule  Rule

	// The first three are guarded by rules.mu.
	matched  int
	calls    []Call
	landed   int
	hit      chan struct{} // closed at the first call
	released chan struct{}
	release  sync.Once
}

// Add puts a rule in force, after those that are.
func (r *Rules) Add(rule Rule) *Armed {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := &Armed{rules: r, rule: rule, hit: make(chan struct{}), released: make(chan struct{})}
	r.armed = append(r.armed, a)
	return a
}

// match returns the rule for a call; nil: none.
func (r *Rules) match(call Call) *Armed {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.armed {
		if !a.rule.Match.fits(call) {
			continue
		}
		a.matched++
		if nth := a.rule.Match.Nth; nth != 0 && nth != a.matched {
			continue
		}
		if a.calls = append(a.calls, call); len(a.calls) == 1 {
			close(a.hit)
		}
		return a
	}
	return nil
}

func (m Match) fits(call Call) bool {
	return (m.Member == "" || m.Member == call.Member) &&
		(m.Caller == "" || m.Caller == call.Caller) &&
		(m.Method == "" || m.Method == call.Method) &&
		(m.Kind == "" || m.Kind == call.Kind)
}

// Hit is closed when the rule is first applied to a call.
func (a *Armed) Hit() <-chan struct{} { return a.hit }

// Calls returns the calls that the rule was applied to, in their order.
func (a *Armed) Calls() []Call {
	a.rules.mu.Lock()
	defer a.rules.mu.Unlock()
	return slices.Clone(a.calls)
}

// Landed returns how many of the calls have been sent on to the member.
func (a *Armed) Landed() int {
	a.rules.mu.Lock()
	defer a.rules.mu.Unlock()
	return a.landed
}

func (a *Armed) land() {
	a.rules.mu.Lock()
	defer a.rules.mu.Unlock()
	a.landed++
}

// Release lets go what the rule holds, and holds nothing more.
func (a *Armed) Release() { a.release.Do(func() { close(a.released) }) }

// Remove takes the rule out of force and lets go what it holds.
func (a *Armed) Remove() {
	a.rules.mu.Lock()
	a.rules.armed = slices.DeleteFunc(a.rules.armed, func(b *Armed) bool { return a == b })
	a.rules.mu.Unlock()
	a.Release()
}
