package claim_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// traceOptions have a life that no pause of a trace uses up.
func traceOptions() claim.Options {
	return claim.Options{Prefix: "/trace", TTL: time.Hour, Tickets: 2}
}

// traceInMemory is a trace on the model.
func traceInMemory(t *testing.T, players, moves int, seed uint64, f fault) (events []claim.Event) {
	synctest.Test(t, func(t *testing.T) {
		kv := etcdtest.NewKV()
		w := world{T: t, ctx: t.Context(), store: kv, leases: kv, noSpace: kv.SetNoSpace, opts: traceOptions()}
		events = newStage(t, w, players, seed, f).play(moves)
	})
	return events
}

// Whatever real books do, and whatever happens to them, the explorer knows it: so
// what it proves holds for them.
func TestTracesAreTheExplorersMoves(t *testing.T) {
	made := map[string]int{}
	for seed := range uint64(120) {
		players := 2 + int(seed%2)
		moves, err := claim.Replay(traceOptions(), players, traceInMemory(t, players, 150, seed, fault{}))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for move, n := range moves {
			made[move] += n
		}
	}
	t.Log(made)
	for _, move := range claim.EveryMove {
		if made[move] == 0 {
			t.Errorf("no trace has: %s", move)
		}
	}
}

// A book, or who works under it, that breaks a rule is found by its first move
// that the explorer does not know.
func TestTracesOfBrokenBooks(t *testing.T) {
	isTake := func(txn *claim.Txn) bool { return txn.UnchangedSince != 0 }
	isGiveBack := func(txn *claim.Txn) bool { return !isTake(txn) && len(txn.Delete) == 2 }
	for _, tt := range []struct {
		rule  string
		fault fault
	}{
		{"2: puts are not guarded", fault{txn: func(txn *claim.Txn) {
			if len(txn.Put) > 0 {
				txn.Created = nil
			}
		}}},
		{"2: a ticket is put by halves", fault{txn: func(txn *claim.Txn) {
			if len(txn.Put) > 0 {
				txn.Put = txn.Put[1:]
			}
		}}},
		{"3: a take does not see puts", fault{txn: func(txn *claim.Txn) { txn.UnchangedSince = 0 }}},
		{"3: a take does not see takes", fault{txn: func(txn *claim.Txn) {
			for key := range txn.Created {
				if isTake(txn) && key != txn.Delete[0] {
					delete(txn.Created, key)
				}
			}
		}}},
		{"6: giving back is not fenced", fault{txn: func(txn *claim.Txn) {
			if isGiveBack(txn) {
				txn.Created = nil
			}
		}}},
		{"6: giving back leaves the begin", fault{txn: func(txn *claim.Txn) {
			if isGiveBack(txn) {
				txn.Delete = txn.Delete[1:]
			}
		}}},
		{"5: a doubt is ended before it is settled", fault{hasty: true}},
		{"fence: steps after the deadline", fault{ignoreDeadline: true}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			for seed := range uint64(200) {
				if _, err := claim.Replay(traceOptions(), 2, traceInMemory(t, 2, 150, seed, tt.fault)); err != nil {
					t.Logf("seed %d: %.200v", seed, err)
					return
				}
			}
			t.Error("nothing is found")
		})
	}
}

// The same as in memory on real servers of every line.
func TestTracesOnRealServers(t *testing.T) {
	eachLine(t, func(t *testing.T, line realetcd.Line) {
		t.Parallel() // most of it is pauses
		servers := start(t, line, 1, 0)
		store := claim.NewEtcdStore(serversOf(servers))
		for seed := range uint64(4) {
			opts := traceOptions()
			opts.Prefix = fmt.Sprintf("/trace-%d", seed)
			w := world{
				T: t, ctx: t.Context(), store: store, leases: store, opts: opts,
				noSpace: func(on bool) { raiseNoSpace(t, servers.Client(0), on) },
			}
			if _, err := claim.Replay(opts, 2, newStage(t, w, 2, seed, fault{}).play(120)); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	})
}
