package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// On a terminal the password is asked for, not shown, and the terminal is left
// as it was.
func TestPasswordIsAskedForOnATerminal(t *testing.T) {
	master, terminal := openTerminal(t)
	before := termios(t, terminal)
	if before.Lflag&unix.ECHO == 0 {
		t.Fatal("the terminal of the test does not echo")
	}
	quiet := make(chan error, 1)
	prompt := writerFunc(func(p []byte) (int, error) {
		if !strings.HasPrefix(string(p), "Password of root") {
			return len(p), nil
		}
		now, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err == nil && now.Lflag&unix.ECHO != 0 {
			err = errors.New("what is typed is shown")
		}
		quiet <- err
		_, err = master.WriteString("pass word\n")
		return len(p), err
	})
	got, err := askPassword("root", terminal, prompt)
	if got != "pass word" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := <-quiet; err != nil {
		t.Error(err)
	}
	if after := termios(t, terminal); after != before {
		t.Errorf("the terminal is left as %+v, was %+v", after, before)
	}
}

func TestPasswordIsNotAskedForElsewhere(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var said bytes.Buffer
	_, err = askPassword("root", file, &said)
	exit := (*exitError)(nil)
	if !errors.As(err, &exit) || exit.status != exitUsage || said.Len() > 0 {
		t.Errorf("got %v and %q, want a usage error and nothing said", err, said.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// openTerminal returns both ends of a terminal.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminal can be made here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return master, terminal
}

func termios(t *testing.T, f *os.File) unix.Termios {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *state
}
