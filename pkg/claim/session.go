package claim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

// The session's files in the runtime directory. The lock is a file of its own,
// since the other one is replaced whenever it is written. Who holds it can be
// seen from outside.
const (
	sessionFile = "lease.json"
	SessionLock = "lease.lock"
)

// sessionVersion is the version of the session file's JSON.
const sessionVersion = 1

// maxSessionBytes is far above what a session takes.
const maxSessionBytes = 64 << 10

// Session is what makes a lease the business of one process at a time, and of
// the next one after it (rule 1). Close it when the process ends.
type Session struct {
	dir       *durable.Dir // nil: nothing is kept
	lock      *os.File
	machineID string
	bootID    string
	lease     LeaseID
	aside     string // see SetAside
}

type sessionRecord struct {
	Version   int     `json:"version"`
	MachineID string  `json:"machine_id"`
	BootID    string  `json:"boot_id"`
	Lease     LeaseID `json:"lease"`
}

// NewEphemeralSession returns a session that no later process resumes: for a
// run that ends for good, or beside a process that keeps the session's files.
func NewEphemeralSession() *Session { return &Session{} }

// OpenSession takes the session of that directory for this process, until
// Close or the process's end. ErrSessionInUse if another process has it. With
// an empty dir it is as NewEphemeralSession.
//
// The lease found there is resumed only if machine and boot are the ones that
// it was kept under. Then the process that used it is certain to be dead,
// since it held the lock. A directory that came from another machine, or from
// the disk of a clone of this one, proves nothing of the kind: its lease may be
// in use elsewhere. After a reboot of this machine resuming would be right, but
// it cannot be told from a clone; little is lost, because most reboots last
// longer than a lease. A file that cannot be understood is treated alike.
func OpenSession(dir, machineID, bootID string) (*Session, error) {
	if dir == "" {
		return NewEphemeralSession(), nil
	}
	d, err := durable.OpenDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the session: %w", err)
	}
	s := &Session{dir: d, machineID: machineID, bootID: bootID}
	if err := s.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the session in %s: %w", dir, err), s.Close())
	}
	return s, nil
}

// begin locks, reads, and writes what it read, so that a directory that cannot
// be written to is found out now and not when the first lease is to be kept.
func (s *Session) begin() error {
	lock, err := s.dir.Lock(SessionLock)
	if errors.Is(err, durable.ErrLocked) {
		return ErrSessionInUse
	}
	if err != nil {
		return err
	}
	s.lock = lock
	lease, err := s.read()
	if err != nil {
		return err
	}
	if err := s.dir.Sweep(sessionFile); err != nil {
		return err
	}
	return s.save(lease)
}

// read returns the lease to resume; 0: none. What is no session file is set aside.
func (s *Session) read() (LeaseID, error) {
	text, err := s.dir.Read(sessionFile, maxSessionBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var r sessionRecord
	switch {
	case err == nil:
		err = json.Unmarshal(text, &r)
	case !errors.Is(err, durable.ErrBad):
		return 0, err
	}
	if err != nil {
		return 0, s.setAside(err)
	}
	same := s.machineID != "" && s.machineID == r.MachineID && s.bootID != "" && s.bootID == r.BootID
	if !same || r.Version != sessionVersion {
		return 0, nil
	}
	return r.Lease, nil
}

func (s *Session) setAside(why error) error {
	kept, err := s.dir.SetAside(sessionFile)
	if err != nil {
		return fmt.Errorf("%w; it could not be moved aside: %w", why, err)
	}
	s.aside = fmt.Sprintf("the lease of an earlier process is not resumed, since %s could not be understood (%v); it is kept as %s: delete it, unless you want to look at it",
		s.dir.Path(sessionFile), why, kept)
	return nil
}

// SetAside says that OpenSession found a file that it could not understand, and
// where that is kept; empty: there was none.
func (s *Session) SetAside() string { return s.aside }

// save keeps the lease for the next process. It returns after the file has been
// replaced; a crash leaves the old one or the new one.
func (s *Session) save(lease LeaseID) error {
	s.lease = lease
	if s.dir == nil {
		return nil
	}
	r := sessionRecord{Version: sessionVersion, MachineID: s.machineID, BootID: s.bootID, Lease: lease}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep the lease: %w", err)
	}
	if err := s.dir.Replace(sessionFile, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep the lease in %s: %w", s.dir.Path(sessionFile), err)
	}
	return nil
}

// Close lets another process have the session. The lease lives on for its TTL.
func (s *Session) Close() error {
	var errs []error
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if s.dir != nil {
		errs = append(errs, s.dir.Close())
	}
	s.lock, s.dir = nil, nil
	return errors.Join(errs...)
}
