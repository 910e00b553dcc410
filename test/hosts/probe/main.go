//go:build linux

// Command probe stands in for the program in its unit and tries what the unit's
// sandbox has to refuse. It prints a line for each attempt, and ends with the
// status that systemd does not restart. Arguments are ignored: the unit gives
// those of the program.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// attempt is one thing to try; nil means that it worked.
type attempt struct {
	what string
	try  func() error
}

func main() {
	// Outside of a sandbox, what it tries would work, on the machine itself.
	if os.Getenv("INVOCATION_ID") == "" || os.Getenv("PROBE_OTHER_ADDRESS") == "" || os.Geteuid() == 0 {
		fmt.Println("the probe is for a host of the lab, where a unit runs it as its own user")
		os.Exit(1)
	}
	for _, a := range attempts() {
		if err := a.try(); err != nil {
			fmt.Printf("refused: %s: %v\n", a.what, err)
		} else {
			fmt.Printf("possible: %s\n", a.what)
		}
	}
	os.Exit(64)
}

func attempts() []attempt {
	return []attempt{
		{"keep state", func() error { return write(os.Getenv("STATE_DIRECTORY")) }},
		{"keep the lease", func() error { return write(os.Getenv("RUNTIME_DIRECTORY")) }},
		{"read the configuration", func() error { _, err := os.ReadFile("/etc/etcd-watchdog/etcd-watchdog.yaml"); return err }},
		{"read the boot id", func() error { _, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); return err }},
		{"reach the member on this host", func() error { return connect("127.0.0.1:2379") }},

		{"write its own configuration", func() error { return write("/etc/etcd-watchdog") }},
		{"write into /usr", func() error { return write("/usr/bin") }},
		{"write into etcd's data", func() error { return write("/var/lib/etcd/default") }},
		{"write into /run", func() error { return write("/run") }},
		{"read the passwords", func() error { _, err := os.ReadFile("/etc/shadow"); return err }},
		{"look into /root", func() error { _, err := os.ReadDir("/root"); return err }},
		{"see other processes", func() error { _, err := os.ReadFile("/proc/1/cmdline"); return err }},
		{"run another program", func() error { return exec.Command("/bin/true").Run() }},
		{"mount", func() error { return unix.Mount("none", os.Getenv("STATE_DIRECTORY"), "tmpfs", 0, "") }},
		{"trace a process", func() error { return unix.PtraceAttach(os.Getppid()) }},
		{"become root", func() error { return unix.Setresuid(0, 0, 0) }},
		{"make a namespace", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }},
		{"set the clock", setClock},
		{"map memory to write and run", mapWritableCode},
		{"open a raw socket", func() error { return socket(unix.AF_INET, unix.SOCK_RAW) }},
		{"open a netlink socket", func() error { return socket(unix.AF_NETLINK, unix.SOCK_RAW) }},
		{"open a packet socket", func() error { return socket(unix.AF_PACKET, unix.SOCK_RAW) }},
		{"reboot", func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) }},
		{"reach another address", func() error { return connect(os.Getenv("PROBE_OTHER_ADDRESS")) }},
	}
}

func write(dir string) error {
	file := filepath.Join(dir, "probe")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	return os.Remove(file)
}

func connect(address string) error {
	conn, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

func socket(family, kind int) error {
	fd, err := unix.Socket(family, kind, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// setClock sets it to what it is, lest anything change.
func setClock() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return err
	}
	return unix.ClockSettime(unix.CLOCK_REALTIME, &now)
}

func mapWritableCode() error {
	memory, err := unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	return unix.Munmap(memory)
}
