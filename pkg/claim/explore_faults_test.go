package claim

import "slices"

// answered makes the moves of a watchdog that waits: its request happens and
// it learns so, or it learns nothing.
func (e *explorer) answered(w *world, i int) {
	d := w.watchdogs[i]
	next := w.clone()
	said := next.apply(d.pending)
	next.watchdogs[i].pending = nil
	e.learn(next, i, said)
	e.step("is answered", next)

	// A lost request that happened is one that happens late, next.
	if len(w.late) < e.late && !w.never(d.pending) {
		e.fault("gets no answer, and the request may still happen", w, func(next *world) {
			next.late = append(next.late, *d.pending)
			e.unanswered(next, i)
		})
		return
	}
	e.fault("gets no answer, and the request is gone", w, func(next *world) { e.unanswered(next, i) })
}

func (e *explorer) learn(next *world, i int, said answer) {
	n := &next.watchdogs[i]
	switch n.phase {
	case putting:
		n.phase, n.fresh = idle, n.fresh && said != done
		if said == leaseGone {
			n.lease, n.valid = 0, false
		}
	case taking:
		n.phase = idle // the ticket stays in mind: it was attempted
		switch {
		case said == done && (n.valid || e.broken.ignoreDeadline):
			n.phase = held
		case said == done:
			n.ticket = ticket{} // held and lost at once
		}
	case giving:
		n.phase, n.ticket = idle, ticket{}
	}
}

func (e *explorer) unanswered(next *world, i int) {
	n := &next.watchdogs[i]
	n.pending = nil
	switch n.phase {
	case putting:
		n.phase = idle
	case taking:
		n.phase = idle
		if e.broken.giveBackUnread {
			n.phase, n.pending = giving, e.names.request(e.giveBackTxn(n.ticket))
		}
	case giving:
		if e.broken.holdOn {
			n.phase = held
		}
		if e.broken.giveBackUnread {
			n.phase, n.ticket = idle, ticket{}
		}
	}
}

// suffer makes what happens to one watchdog, and to its work.
func (e *explorer) suffer(w *world, i int) {
	d := w.watchdogs[i]
	if d.up {
		e.crash(w, i)
	} else {
		e.fault("starts", w, func(next *world) {
			n := &next.watchdogs[i]
			n.up, n.valid = true, false
			if e.broken.resumeNever {
				n.lease = 0
			}
		})
	}
	if d.up && d.valid {
		e.fault("stalls until its deadline has passed", w, func(next *world) {
			n := &next.watchdogs[i]
			n.valid = false
			if (n.phase == held || n.phase == working) && !e.broken.ignoreDeadline {
				n.phase, n.ticket = idle, ticket{}
			}
		})
	}
	after := map[work][]work{onItsWay: {running, none}, running: {none}}
	for _, state := range after[w.work[i]] {
		next := w.clone()
		next.work[i] = state
		e.step("has its work go on", next)
	}
}

func (e *explorer) crash(w *world, i int) {
	d := w.watchdogs[i]
	ends := func(next *world) {
		// One that hangs is gone as well, but for its keepalives.
		hangs := e.broken.keepAliveAlways && d.valid
		next.watchdogs[i] = watchdog{lease: d.lease, fresh: d.fresh, valid: hangs}
	}
	e.fault("crashes", w, ends)
	if d.pending != nil && len(w.late) < e.late && !w.never(d.pending) {
		e.fault("crashes, and its request may still happen", w, func(next *world) {
			next.late = append(next.late, *d.pending)
			ends(next)
		})
	}
}

// surroundings makes the moves of the network and of the store.
func (e *explorer) surroundings(w *world) {
	for j := range w.late {
		next := w.clone()
		next.late = slices.Delete(next.late, j, j+1)
		e.step("a late request is dropped", next)
		next = next.clone()
		if next.apply(&w.late[j]) == done {
			e.step("a late request happens", next)
		}
	}
	for _, id := range w.leases {
		if e.mayExpire(w, id) {
			next := w.clone()
			next.expire(id)
			// While its watchdog runs, it can renew: this need not happen.
			e.emit("a lease expires", next, !w.watchdogs[leaseOwner(id)].up)
		}
	}
	e.fault("NOSPACE comes or goes", w, func(next *world) { next.noSpace = !w.noSpace })
}

// mayExpire reports that a lease can end: nobody renews it, and each of its
// owner's requests to a member has arrived or got lost, which takes less than a
// TTL.
func (e *explorer) mayExpire(w *world, id LeaseID) bool {
	renewed := func(d watchdog) bool { return d.lease == id && d.valid }
	return !e.broken.expireNever && w.work[leaseOwner(id)] != onItsWay && !slices.ContainsFunc(w.watchdogs, renewed)
}
