package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace, held by a descriptor.
type namespace struct{ file *os.File }

// newNamespace makes a namespace in which lo is up and nothing else is.
func newNamespace() (*namespace, error) {
	ns := new(namespace)
	err := comingBack(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		var err error
		ns.file, err = currentNamespace()
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := ns.ip("link set lo up"); err != nil {
		return nil, errors.Join(err, ns.close())
	}
	return ns, nil
}

func currentNamespace() (*os.File, error) { return os.Open("/proc/thread-self/ns/net") }

// comingBack runs f on a thread of its own to the caller, and takes the thread
// back to its namespace. If that fails, the thread stays with the goroutine and
// ends with it.
func comingBack(f func() error) error {
	runtime.LockOSThread()
	home, err := currentNamespace()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, fmt.Errorf("come back from a network namespace: %w", back))
	}
	runtime.UnlockOSThread()
	return err
}

// do runs f in the namespace: the sockets that it opens, and the processes that
// it starts, belong there.
func (ns *namespace) do(f func() error) error {
	return comingBack(func() error {
		if err := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}

// ip runs commands of ip in the namespace, one in a line.
func (ns *namespace) ip(commands ...string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := ns.do(cmd.Start); err != nil {
		return fmt.Errorf("ip: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(commands, "; "), err, strings.TrimSpace(out.String()))
	}
	return nil
}

// path is where another process finds the namespace.
func (ns *namespace) path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.file.Fd())
}

func (ns *namespace) close() error { return ns.file.Close() }

// DialIn returns a dialer whose connections are made in the network namespace
// that path leads to, such as one below /run/netns.
func DialIn(path string) func(ctx context.Context, address string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return (&namespace{file: file}).dial(ctx, address)
	}
}
