package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// askPassword asks for the password of a user on a terminal and does not show
// it. The terminal is left as it was, also when a signal ends the asking.
func askPassword(user string, from *os.File, to io.Writer) (string, error) {
	terminal := int(from.Fd())
	was, err := unix.IoctlGetTermios(terminal, unix.TCGETS)
	if err != nil {
		return "", usageError(fmt.Errorf("--user: the password of %q is missing, and there is no terminal to ask for it: give it with --user name:password, --password or ETCDCTL_PASSWORD", user))
	}
	silent := *was
	silent.Lflag &^= unix.ECHO
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(stop)
	if err := unix.IoctlSetTermios(terminal, unix.TCSETS, &silent); err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	defer func() {
		// Nothing is left to be done about a terminal that does not obey.
		_ = unix.IoctlSetTermios(terminal, unix.TCSETS, was)
		fmt.Fprintln(to)
	}()
	fmt.Fprintf(to, "Password of %s: ", event.Escape(user))
	type answer struct {
		line string
		err  error
	}
	given := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(from).ReadString('\n')
		given <- answer{line, err}
	}()
	select {
	case <-stop:
		return "", errors.New("stopped before the password was given")
	case a := <-given:
		if a.err != nil {
			return "", withHint(fmt.Errorf("no password was given: %w", a.err), "Give it with --user name:password, --password or ETCDCTL_PASSWORD.")
		}
		return strings.TrimRight(a.line, "\r\n"), nil
	}
}
