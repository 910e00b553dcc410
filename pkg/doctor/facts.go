package doctor

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Facts is everything that was found out about an installation. What could not
// be found out has a Problem that says why, one clause for people.
type Facts struct {
	At            time.Time
	Configuration Configuration
	Endpoint      Endpoint
	View          cluster.View // of the cluster, with the disk of this host; its Problem: it could not be asked
	Servers       []Server     // where members are asked, each URL once
	Files         []File       // the certificates of our own
	Exposed       []Exposure   // files that every user of this host can read or change
	Rights        Rights
	Etcd          Process // the member's process on this host
	Unit          Unit
	Lock          Lock
	State         State
	Jobs          Jobs
	Tickets       Tickets
}

// Configuration is what holds for the daemon, with the connection of the
// command line.
type Configuration struct {
	File       string
	Exists     bool     // false: there is no file, and the defaults hold
	Faults     []string // all of them; with any, nothing below is meant
	Unreadable bool     // for this user, whatever the daemon may; it is the fault
	Observe    bool     // nothing is ever done, and no ticket written
	Windows    []policy.Window
	DataDir    string // of the member on this host; empty: not set
	User       string // that signs in; empty: none
	SkipVerify bool   // servers' certificates are not verified
	Poll       time.Duration
	TTL        time.Duration // of the tickets' lease
}

// Endpoint is where the member on this host is expected.
type Endpoint struct {
	URL     string
	OnHost  bool   // it leads to an address of this host
	Problem string // why that can't be said
	LeadsTo string // its addresses
}

// Server is one place where a member is asked.
type Server struct {
	Member    cluster.MemberID // 0: not known
	URL       string
	Plain     bool      // without TLS
	Loopback  bool      // cannot be reached, or overheard, from other hosts
	Problem   string    // why there is no certificate to look at
	ExpiresAt time.Time // when the first certificate that the others rest on ends
	Untrusted string    // why the certificate is not trusted, apart from its dates and names
	WrongName string    // why it is not one of that host
}

// File is a file with certificates.
type File struct {
	Key       string // of the configuration: cacert or cert
	Path      string
	Problem   string
	ExpiresAt time.Time // of the certificate that lasts longest
}

// Exposure is a file that the daemon relies on and that is open to everybody.
type Exposure struct {
	What   string // the configuration, or the key that names the file
	Path   string
	Mode   string // in octal
	Verb   string // what everybody can do to it
	Remedy string // a command
}

// Rights is what etcd lets this program's user do.
type Rights struct {
	Missing string // which are missing, with what to do; empty: none, unless there is a Problem
	Problem string
}

// Process is the member's process on this host, as the kernel shows it.
type Process struct {
	Problem  string // why there is none to look at
	ID       int
	Settings map[string]string // by the name of etcd's flag
	// Unseen is where settings may stand that could not be read; empty: all are
	// known, and a setting that is missing has etcd's default.
	Unseen string
}

// Unit is the service as systemd knows it.
type Unit struct {
	Problem      string // why systemd could not be asked
	Name         string
	LoadState    string
	ActiveState  string
	FileState    string // enabled, disabled and so on
	Type         string
	MainProcess  int
	Restarts     int
	Watchdog     time.Duration // 0: systemd does not wait for pings
	WatchdogFits string        // why the interval does not fit the configuration; empty: it does
	TimeoutStop  time.Duration // 0: for ever
}

// Lock is the lock on the runtime directory, which the one daemon of this host
// holds that writes tickets.
type Lock struct {
	Path    string
	Problem string
	Holder  int // process id; 0: nobody holds it
}

// State is what the daemon of this host keeps.
type State struct {
	Directory   string
	Problem     string
	FreeBytes   int64     // of its disk; negative: not known
	PolledAt    time.Time // zero: nothing was ever recorded
	LocalMember cluster.MemberID
	ClusterID   uint64
	Pause       cluster.Pause
}

// Jobs are the timers and cron entries of this host.
type Jobs struct {
	Problem string // what could not be read
	Seen    []Job
}

// Job is something that this host starts by the clock.
type Job struct {
	Name   string      // its unit, or its line of a crontab
	Text   string      // what its names and its command say; not shown, as a command may hold secrets
	Starts []time.Time // within a week from now, as far as they are known
}

// Tickets is what lies below the claim's prefix in etcd.
type Tickets struct {
	Problem string
	Prefix  string
	Books   []Book
	Ignored []string // keys in the form of tickets that are on no lease, or on another one
	Foreign []string // other keys
}

// Book is the tickets of one process for one member.
type Book struct {
	Member         cluster.MemberID
	Host           string // empty: not legible
	ProcessID      int
	Version        string
	Whole          int
	Busy           int
	Future         int           // of a form that this version does not know
	GrantedTTL     time.Duration // of its lease; 0: not known
	RenewedSeconds int64         // since the lease was last renewed
}
