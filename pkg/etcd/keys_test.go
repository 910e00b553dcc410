package etcd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
)

// stock is what a fake member answers reads of keys from, as etcd does.
type stock struct {
	keys     []*mvccpb.KeyValue // in order
	revision int64
	fail     func(*pb.RangeRequest) error // nil: it never does

	requests int
	counted  int64 // keys that were walked over to answer
	strict   int   // linearizable requests
	largest  int64 // the most keys that were asked for at once
}

func newStock(names []string) *stock {
	slices.Sort(names)
	s := &stock{revision: 7}
	for _, n := range names {
		s.keys = append(s.keys, &mvccpb.KeyValue{Key: []byte(n), Value: []byte("value"), Version: 2})
	}
	return s
}

func (s *stock) serve(r *pb.RangeRequest) (*pb.RangeResponse, error) {
	s.requests++
	s.largest = max(s.largest, r.Limit)
	if !r.Serializable {
		s.strict++
	}
	if s.fail != nil {
		if err := s.fail(r); err != nil {
			return nil, err
		}
	}
	at := func(key []byte) int {
		i, _ := slices.BinarySearchFunc(s.keys, key, func(kv *mvccpb.KeyValue, key []byte) int { return bytes.Compare(kv.Key, key) })
		return i
	}
	from, to := at(r.Key), len(s.keys)
	if !bytes.Equal(r.RangeEnd, []byte{0}) {
		to = max(from, at(r.RangeEnd))
	}
	s.counted += int64(to - from)
	page := s.keys[from:min(to, from+int(r.Limit))]
	return &pb.RangeResponse{
		Header: &pb.ResponseHeader{ClusterId: clusterID, MemberId: 1, Revision: s.revision},
		Kvs:    page, Count: int64(to - from), More: len(page) < to-from,
	}, nil
}

// startStocked runs a fake member with keys.
func startStocked(t *testing.T, names []string) (*fakeMember, *stock) {
	s := newStock(names)
	f := startFake(t, 1)
	f.set(func() { f.keys = s.serve })
	return f, s
}

// readNames reads everything below the prefix.
func readNames(t *testing.T, c *etcd.Cluster, prefix string) ([]string, etcd.KeyReading, error) {
	t.Helper()
	var names []string
	reading, err := c.ReadKeys(t.Context(), prefix, func(page etcd.KeyPage) error {
		for _, k := range page.Keys {
			names = append(names, string(k.Key))
		}
		return nil
	})
	return names, reading, err
}

func series(n int, name func(i int) string) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = name(i)
	}
	return names
}

// TestEveryLayoutIsReadOnceAndCheaply: without windows, reading this many keys
// in pages of a thousand would walk over fifty times as many.
func TestEveryLayoutIsReadOnceAndCheaply(t *testing.T) {
	const n = 100_000
	random := rand.New(rand.NewPCG(1, 2))
	for name, names := range map[string][]string{
		"decimals":      series(n, func(i int) string { return fmt.Sprintf("/registry/pods/default/pod-%08d", i) }),
		"plain numbers": series(n, func(i int) string { return fmt.Sprint("job/", i) }),
		"random bytes": series(n, func(i int) string {
			return fmt.Sprintf("%c%c%c%d", byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), i)
		}),
		"namespaces":         series(n, func(i int) string { return fmt.Sprintf("/registry/secrets/tenant-%04x/secret-%d", i%5000, i) }),
		"one large, many":    series(n, func(i int) string { return fmt.Sprintf("/a%d/%06d", max(0, i-n/2), i) }),
		"the highest byte":   series(n, func(i int) string { return fmt.Sprintf("\xff\xff%06d", i) }),
		"a key in another":   series(300, func(i int) string { return strings.Repeat("a", i+1) }),
		"nothing":            nil,
		"long, with a tail":  series(n, func(i int) string { return fmt.Sprintf("%s%x", strings.Repeat("long/", 40), random.Uint64()) }),
		"a few far from all": append(series(n, func(i int) string { return fmt.Sprintf("m/%07d", i) }), "a", "z", "\xff"),
	} {
		t.Run(name, func(t *testing.T) {
			f, s := startStocked(t, names)
			got, reading, err := readNames(t, open(t, f.url), "")
			if err != nil || !slices.Equal(got, names) {
				t.Fatalf("%d keys read, %v; want the %d that there are, in order", len(got), err, len(names))
			}
			if s.strict != 0 || reading.Revisions > 1 {
				t.Errorf("%d linearizable reads, %d revisions; want none, and one revision", s.strict, reading.Revisions)
			}
			if total := int64(len(names)); s.counted > 16*total+1000 || s.requests > 40+8*len(names)/1000 {
				t.Errorf("%d requests walked over %d keys to read %d", s.requests, s.counted, total)
			}
			t.Logf("%d requests, %d keys walked over", s.requests, s.counted)
		})
	}
}

func TestOnlyThePrefixIsRead(t *testing.T) {
	f, _ := startStocked(t, []string{"a", "b", "b/1", "b/2", "b0", "b\xff", "b\xff\xff", "c"})
	c := open(t, f.url)
	for prefix, want := range map[string]string{
		"b": "b b/1 b/2 b0 b\xff b\xff\xff", "b/": "b/1 b/2", "b\xff": "b\xff b\xff\xff", "c": "c", "d": "",
	} {
		if got, _, err := readNames(t, c, prefix); err != nil || strings.Join(got, " ") != want {
			t.Errorf("below %q: %q, %v; want %q", prefix, got, err, want)
		}
	}
}

// TestPagesStaySmall: values of very different sizes, up to the largest that
// etcd accepts.
func TestPagesStaySmall(t *testing.T) {
	names := series(3000, func(i int) string { return fmt.Sprintf("k%04d", i) })
	f, s := startStocked(t, names)
	huge := make([]byte, 1536<<10)
	for i, kv := range s.keys {
		switch {
		case i >= 2000 && i < 2010:
			kv.Value = huge
		case i == 2500:
			kv.Value = make([]byte, 6<<20) // etcd was told to accept more
		}
	}
	var keys int
	var bytes, largest int64
	_, err := open(t, f.url).ReadKeys(t.Context(), "", func(page etcd.KeyPage) error {
		keys += len(page.Keys)
		bytes += page.Bytes
		if len(page.Keys) > 1 {
			largest = max(largest, page.Bytes)
		}
		if page.TotalKeys != int64(len(names)) {
			t.Errorf("%d keys announced", page.TotalKeys)
		}
		return nil
	})
	if want := int64(10*len(huge) + 6<<20 + 5*(3000-11) + 5*3000); err != nil || keys != 3000 || bytes != want {
		t.Errorf("%d keys of %d bytes, %v; want 3000 of %d", keys, bytes, err, want)
	}
	if largest > 4<<20 || s.largest > 1000 {
		t.Errorf("a page of %d bytes, or %d keys asked for at once", largest, s.largest)
	}
}

func TestCompactedWhileReading(t *testing.T) {
	names := series(5000, func(i int) string { return fmt.Sprintf("k%04d", i) })
	f, s := startStocked(t, names)
	s.fail = func(r *pb.RangeRequest) error {
		if s.requests == 5 {
			s.revision = 90
		}
		if r.Revision != 0 && r.Revision < s.revision {
			return rpctypes.ErrGRPCCompacted
		}
		return nil
	}
	got, reading, err := readNames(t, open(t, f.url), "")
	if err != nil || !slices.Equal(got, names) {
		t.Fatalf("%d keys, %v", len(got), err)
	}
	if reading.Revisions != 2 || reading.Revision != 90 {
		t.Errorf("%+v, want the second revision to be 90", reading)
	}
}

func TestReadingGoesOnAtAnotherMember(t *testing.T) {
	names := series(5000, func(i int) string { return fmt.Sprintf("k%04d", i) })
	first, broken := startStocked(t, names)
	second := startFake(t, 2)
	whole := newStock(names)
	members := []*pb.Member{{ID: 1, Name: "first", ClientURLs: []string{first.url}}, {ID: 2, Name: "second", ClientURLs: []string{second.url}}}
	first.set(func() { first.list, first.status.Leader = members, 2 })
	second.set(func() { second.list, second.keys = members, whole.serve })
	broken.fail = func(*pb.RangeRequest) error {
		if broken.requests > 3 {
			return status.Error(codes.Unavailable, "gone")
		}
		return nil
	}
	got, reading, err := readNames(t, open(t, first.url), "")
	if err != nil || !slices.Equal(got, names) {
		t.Fatalf("%d keys, %v", len(got), err)
	}
	if reading.Member.ID != cluster.MemberID(2) || !reading.Leads || broken.requests != 4 || reading.Revisions != 1 {
		t.Errorf("%+v after %d requests to the follower; want the leader to be read from once that one fails, at the same revision", reading, broken.requests)
	}
}

func TestReadingThatCannotBe(t *testing.T) {
	f, s := startStocked(t, []string{"a"})
	c := open(t, f.url)
	s.fail = func(*pb.RangeRequest) error { return rpctypes.ErrGRPCPermissionDenied }
	if _, _, err := readNames(t, c, ""); err == nil || !strings.Contains(err.Error(), "grant-permission") {
		t.Errorf("without the right: %v", err)
	}
	s.fail = nil
	enough := errors.New("enough")
	if _, err := c.ReadKeys(t.Context(), "", func(etcd.KeyPage) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("an error of the taker: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	if _, err := c.ReadKeys(ended, "", func(etcd.KeyPage) error { end(); return ended.Err() }); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: %v", err)
	}
	if _, _, err := readNames(t, open(t, "http://127.0.0.1:1"), ""); err == nil || !strings.Contains(err.Error(), "is etcd running there?") {
		t.Errorf("nobody there: %v", err)
	}
}
