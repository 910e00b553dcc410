package scenario

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// The leader's member alone is full. It is worked on when another one leads.
func TestLeaderIsTheFullest(t *testing.T) {
	whole(t)
	s := stage(t, "3.5", 3)
	s.watch(settings{})
	s.write()
	var leader *realetcd.Member
	s.unwatched(func() {
		s.fill()
		var err error
		leader, err = s.Leader(t.Context())
		s.must(err)
		s.compact()
		for _, m := range s.Members() {
			if m != leader {
				_, err := m.Client().Defragment(t.Context(), m.ClientURL)
				s.must(err)
			}
		}
	})
	s.healed()
	s.unclaimed()
	s.end(s.each()) // two of them by hand
	moved := s.dogs.Of("leader_moved")
	if len(moved) != 1 {
		t.Fatalf("%d entries leader_moved, want 1", len(moved))
	}
	all, err := leader.Defragmentations()
	s.must(err)
	if moved[0].Time.After(all[0].Begin) {
		t.Errorf("the leadership moved at %v, after the defragmentation had begun: %v", moved[0].Time, all[0])
	}
}

// compact deletes the history on every member, as a person would.
func (s *scene) compact() {
	s.t.Helper()
	got, err := s.Client(0).Get(s.t.Context(), "none")
	s.must(err)
	for _, m := range s.Members() {
		client := pb.NewKVClient(m.Client().ActiveConnection())
		_, err := client.Compact(s.t.Context(), &pb.CompactionRequest{Revision: got.Header.Revision, Physical: true})
		if m == s.Member(0) {
			s.must(err) // the others say that it is compacted already, when it is
		}
	}
}

// The alarm of a member that was removed since goes on refusing writes, and is
// disarmed like the rest.
func TestAlarmOfARemovedMember(t *testing.T) {
	whole(t)
	s := stage(t, "3.4", 3)
	s.watch(settings{}, 0, 1)
	s.write()
	s.unwatched(func() {
		s.fill()
		gone := s.Member(2)
		s.raise(pb.AlarmType_NOSPACE, gone.ID())
		s.must(s.RemoveMember(t.Context(), gone))
	})
	s.healed()
	s.unclaimed()
	s.end(s.each())
}

// A person defragments a member while the watchdogs heal: none of them begins
// before that has ended.
func TestDefragmentedByHandMeanwhile(t *testing.T) {
	whole(t)
	s := stage(t, "3.6", 3)
	s.watch(settings{etcd: short})
	s.write()
	m := s.Member(1)
	byHand := make(chan error, 1)
	var frozen *realetcd.Member
	s.unwatched(func() {
		s.fillWith(40 * mebibyte)
		go func() {
			_, err := m.Client().Defragment(context.WithoutCancel(t.Context()), m.ClientURL)
			byHand <- err
		}()
		frozen = s.freeze()
	})
	s.polls(4)
	s.alone(frozen)
	s.never("defragmentation_started", "alarm_disarmed")
	s.must(frozen.Resume())
	s.must(<-byHand)
	s.healed()
	s.unclaimed()
	s.end(map[int]int{0: 1, 1: 2, 2: 1}) // by hand before the history was deleted
}

// TLS with client certificates, and authentication on: by the certificate's
// name, by user and password, and with a user that lacks the rights.
func TestCredentials(t *testing.T) {
	whole(t)
	s := stage(t, "3.6", 3, func(c *realetcd.Config) { c.TLS = true })
	s.user("root", "secret", "root")
	s.user("ann", "word")
	_, err := s.Client(0).AuthEnable(t.Context())
	s.must(err)
	as := func(name, password string) map[string]string {
		return map[string]string{"user": name, "password-file": s.file(password)}
	}
	adopting := quick + "maintenance:\n  adopt-after: 2s\n"
	s.add(settings{other: adopting}, 0)
	s.add(settings{etcd: as("root", "secret"), other: adopting}, 1)
	without := s.add(settings{etcd: as("ann", "word"), other: adopting}, 2)[0]
	s.dogs.Start()
	s.until("the watchdogs with rights to hold tickets", func() (bool, string) {
		return len(s.dogs.Of("enrolled")) >= 2, s.dogs.Transcript()
	})
	s.until("the one without to say so", func() (bool, string) {
		said := s.of(without, "rights_missing")
		return len(said) > 0 && strings.Contains(said[0].Line, "grant"), s.dogs.Transcript()
	})
	for _, dog := range s.running() {
		for _, e := range s.of(dog, "poll_failed") {
			if dog != without {
				t.Errorf("%s has its rights: %s", dog.Name, e.Line)
			}
		}
	}
	s.fill()
	s.healed()
	s.safe()
}

// user makes a user with those roles.
func (s *scene) user(name, password string, roles ...string) {
	s.t.Helper()
	_, err := s.Client(0).UserAdd(s.t.Context(), name, password)
	s.must(err)
	for _, role := range roles {
		_, err = s.Client(0).UserGrantRole(s.t.Context(), name, role)
		s.must(err)
	}
}

// file returns the name of a file of that text.
func (s *scene) file(text string) string {
	s.t.Helper()
	name := filepath.Join(s.t.TempDir(), "file")
	s.must(os.WriteFile(name, []byte(text+"\n"), 0o600))
	return name
}
