package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
)

// callerOf returns the name of the process that has the other end of a
// connection from that address; "" if it is none of them. The kernel tells
// which socket has the address, in the network namespace of each process, and
// the process's descriptors tell whether the socket is its own.
func callerOf(remote net.Addr, processes map[string]int) string {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return ""
	}
	for name, pid := range processes {
		if inode := socketOf(pid, tcp); inode != "" && holds(pid, inode) {
			return name
		}
	}
	return ""
}

// socketOf returns the inode of the socket that is bound to that address in the
// network namespace of the process; "" if there is none.
func socketOf(pid int, local *net.TCPAddr) string {
	want := procAddress(local)
	for _, table := range []string{"tcp", "tcp6"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue // has ended
		}
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			// sl local_address rem_address st queues timer retransmits uid timeout inode
			f := strings.Fields(lines.Text())
			if len(f) > 9 && f[9] != "0" && strings.HasSuffix(f[1], want) {
				return f[9]
			}
		}
	}
	return ""
}

// procAddress writes an IPv4 address as /proc/net/tcp does, which is also how
// the mapped one ends in /proc/net/tcp6.
func procAddress(a *net.TCPAddr) string {
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(a.IP.To4()), a.Port)
}

// holds reports that the process has the socket open.
func holds(pid int, inode string) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if target, err := os.Readlink(dir + e.Name()); err == nil && target == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}
