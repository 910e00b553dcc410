package claim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Whatever others have put below the prefix, in whatever key and with whatever
// value, what is read of it is sound, and what is asked for because of it touches
// tickets only: those of one's own lease, or, to compare, those that can be named.
func FuzzKeysOfOthers(f *testing.F) {
	const l, lease = layout("/c/"), LeaseID(0xabc)
	own := l.path(ticketName{1, lease, 0})
	f.Add(own+"/begin\n"+own+"/end", `{"v":1,"host":"h","process":1,"version":"x"}`, uint16(0))
	f.Add(own+"/end", "", uint16(0))
	f.Add(own+"/begin", `{"v":2,"host":["h"]}`, uint16(0))
	f.Add("/c/2/0000000000000001/00/begin\n/c/2/0000000000000001/00/end\n/c/2/0000000000000001/01/end", "null", uint16(0x5a5a))
	f.Add("/c/\xff\xfe/\x00/end\n/c/2/1/0/begin\n/c/2/ffffffffffffffff/00/end\n/c/0/0000000000000001/00/end\n/c", "\x1b[2J", uint16(3))
	f.Add("/c/2/0000000000000001/65536/end\n/c/2/0000000000000001/-1/end\n/c/2/0000000000000001/+1/end\n/d/", "{", uint16(1))
	f.Fuzz(func(t *testing.T, keys, value string, revisions uint16) {
		listing := Listing{Revision: 100}
		names := strings.Split(keys, "\n")
		slices.Sort(names) // as etcd returns them, each once
		for i, key := range slices.Compact(names) {
			created := 1 + int64(revisions>>(i%13))&7
			kv := KeyValue{Key: key, Value: value, CreateRevision: created, ModRevision: created}
			if name, _, ok := l.parse(key); ok && revisions%7 != 3 { // now and then it is a copy
				kv.Lease = name.lease
			}
			listing.Keys = append(listing.Keys, kv)
		}
		r := l.read(listing, nil)
		checkRoll(t, l, listing, r)
		r.claims(lease, ticket{})
		txns := append(l.enrolTxns(r, 1, lease, 3, "me"), l.clearJunkTxns(r, lease)...)
		if take, mine, err := l.takeTxn(r, lease); err == nil {
			if !mine.whole() || mine.lease != lease {
				t.Errorf("takes %+v", mine)
			}
			txns = append(txns, take)
		}
		for _, doubtful := range r.doubtful(lease, ticket{}) {
			txns = append(txns, l.giveBackTxn(doubtful))
		}
		for _, txn := range txns {
			for _, key := range txn.Delete {
				checkOwn(t, l, key, lease)
			}
			for _, kv := range txn.Put {
				checkOwn(t, l, kv.Key, lease)
			}
		}
	})
}

// checkRoll checks that each ticket stands for keys that are there, in the order
// in which tickets are taken, and says of its owner nothing that hurts a terminal
// more than the value did.
func checkRoll(t *testing.T, l layout, listing Listing, r roll) {
	t.Helper()
	there := map[string]int64{}
	for _, kv := range listing.Keys {
		there[kv.Key] = kv.CreateRevision
	}
	counted := 0
	for _, p := range r.pages {
		last := -1
		for _, tk := range p.tickets {
			if tk.begin != there[l.begin(tk.ticketName)] || tk.end != there[l.end(tk.ticketName)] {
				t.Errorf("ticket %+v, and the keys are %v", tk, there)
			}
			if tk.number <= last || tk.member != p.member || tk.lease != p.lease {
				t.Errorf("ticket %+v after number %d on the page of %v, %x", tk, last, p.member, p.lease)
			}
			last = tk.number
			for _, revision := range []int64{tk.begin, tk.end} {
				if revision != 0 {
					counted++
				}
			}
		}
	}
	for _, kv := range listing.Keys {
		key := kv.Key
		if name, half, ok := l.parse(key); ok {
			if kv.Lease == name.lease {
				counted--
			} else if !slices.Contains(r.ignored, key) {
				t.Errorf("%q is not on its lease, and not ignored", key)
			}
			if l.path(name)+"/"+half != key {
				t.Errorf("%q is read as %+v", key, name)
			}
		}
	}
	if counted != 0 {
		t.Errorf("%d keys more in the roll than there are: %+v", counted, fmt.Sprint(r))
	}
}

// checkOwn checks that a key that is to be put or deleted is one of a ticket of
// that lease.
func checkOwn(t *testing.T, l layout, key string, lease LeaseID) {
	t.Helper()
	if name, _, ok := l.parse(key); !ok || name.lease != lease {
		t.Errorf("touches %q", key)
	}
}
