package claim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
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

// Session is what makes a lease the business of one process at a time, and of
// the next one after it (rule 1). Close it when the process ends.
type Session struct {
	dir       string // empty: nothing is kept
	lock      *os.File
	machineID string
	bootID    string
	lease     LeaseID
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
	lock, err := os.OpenFile(filepath.Join(dir, SessionLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the session: %w", err)
	}
	s := &Session{dir: dir, lock: lock, machineID: machineID, bootID: bootID}
	if err := s.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the session in %s: %w", dir, err), lock.Close())
	}
	return s, nil
}

// begin locks, reads, and writes what it read, so that a directory that cannot
// be written to is found out now and not when the first lease is to be kept.
func (s *Session) begin() error {
	err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrSessionInUse
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", SessionLock, err)
	}
	lease, err := s.read()
	if err != nil {
		return err
	}
	return s.save(lease)
}

func (s *Session) read() (LeaseID, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, sessionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var r sessionRecord
	if json.Unmarshal(text, &r) != nil || r.Version != sessionVersion {
		return 0, nil
	}
	same := s.machineID != "" && s.machineID == r.MachineID && s.bootID != "" && s.bootID == r.BootID
	if !same {
		return 0, nil
	}
	return r.Lease, nil
}

// save keeps the lease for the next process. It returns after the file has been
// replaced; a crash leaves the old one or the new one.
func (s *Session) save(lease LeaseID) error {
	s.lease = lease
	if s.dir == "" {
		return nil
	}
	r := sessionRecord{Version: sessionVersion, MachineID: s.machineID, BootID: s.bootID, Lease: lease}
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep the lease: %w", err)
	}
	path := filepath.Join(s.dir, sessionFile)
	if err := replace(path, append(text, '\n')); err != nil {
		return fmt.Errorf("keep the lease in %s: %w", path, err)
	}
	return nil
}

// replace writes a file of mode 0600 anew. The name in between is always the
// same, which the session's lock allows, so that a crash leaves no litter.
func replace(path string, text []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Close lets another process have the session. The lease lives on for its TTL.
func (s *Session) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}
