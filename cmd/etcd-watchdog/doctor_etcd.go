package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/doctor"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

// maxForeignBytes is far above what a configuration or a crontab takes.
const maxForeignBytes = 1 << 20

// lookAtEtcd finds the process that listens on the endpoint's port, and what it
// was started with. etcd itself tells nobody.
func lookAtEtcd(endpoint, dataDir string) doctor.Process {
	process, err := listener(endpoint)
	if err != nil {
		return doctor.Process{Problem: err.Error()}
	}
	p := doctor.Process{ID: process}
	at := filepath.Join("/proc", strconv.Itoa(process))
	command, err := os.ReadFile(filepath.Join(at, "cmdline"))
	if err != nil {
		return doctor.Process{Problem: err.Error()}
	}
	environment, err := os.ReadFile(filepath.Join(at, "environ"))
	if err != nil {
		p.Unseen = "the environment of process " + strconv.Itoa(process) + " can't be read"
	}
	p.Settings = settingsOf(strings.Split(strings.TrimRight(string(command), "\x00"), "\x00")[1:], strings.Split(string(environment), "\x00"))
	if file := p.Settings["config-file"]; file != "" { // then etcd takes nothing else
		text, err := durable.ReadNamed(filepath.Join(at, "root", file), maxForeignBytes) // another user may have written it
		if err != nil {
			return doctor.Process{ID: process, Unseen: "they are in " + file + ", which can't be read"}
		}
		p.Settings, p.Unseen = settingsOfFile(string(text)), ""
	}
	p.Settings["data-dir"] = dataDirOf(at, p.Settings["data-dir"], dataDir)
	return p
}

// dataDirOf returns the data directory that a process has, under the name that
// is configured where both are the same; empty if it can't be told.
func dataDirOf(process, seen, configured string) string {
	if !filepath.IsAbs(seen) {
		return ""
	}
	theirs, err := os.Stat(filepath.Join(process, "root", seen))
	if err != nil {
		return ""
	}
	if ours, err := os.Stat(configured); err == nil && os.SameFile(ours, theirs) {
		return configured
	}
	return seen
}

// listener returns the process that listens on the URL's port on this host.
func listener(endpoint string) (int, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return 0, err
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return 0, fmt.Errorf("%s has no port", endpoint)
	}
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err == nil {
			listening(string(text), port, sockets)
		}
	}
	if len(sockets) == 0 {
		return 0, fmt.Errorf("nothing listens on port %d of this host", port)
	}
	files, err := filepath.Glob("/proc/[0-9]*/fd/*") // those that this user may list
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		if open, err := os.Readlink(file); err == nil && sockets[open] {
			return strconv.Atoi(strings.Split(file, "/")[2])
		}
	}
	return 0, fmt.Errorf("whose port %d is only root can see", port)
}

// listening adds the sockets that listen on a port, as links of open files name
// them, from the kernel's table: of its columns the 2nd is the local address,
// the 4th the state, 0A for listening, and the 10th the inode.
func listening(table string, port int, sockets map[string]bool) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != "0A" || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			continue
		}
		sockets["socket:["+fields[9]+"]"] = true
	}
}

// settingsOf returns etcd's settings by the names of its flags: an argument
// counts more than the environment, ETCD_DATA_DIR for --data-dir.
func settingsOf(args, environment []string) map[string]string {
	settings := map[string]string{}
	for _, e := range environment {
		name, value, _ := strings.Cut(e, "=")
		if name, is := strings.CutPrefix(name, "ETCD_"); is {
			settings[strings.ReplaceAll(strings.ToLower(name), "_", "-")] = value
		}
	}
	for i, arg := range args {
		name := strings.TrimLeft(arg, "-")
		if name == arg {
			continue
		}
		name, value, given := strings.Cut(name, "=")
		if !given {
			value = "true"
			if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				value = args[i+1]
			}
		}
		settings[name] = value
	}
	return settings
}

// settingsOfFile reads the keys on the first level of etcd's configuration file
// that have plain values, as all do that are needed here.
func settingsOfFile(text string) map[string]string {
	setting := regexp.MustCompile(`(?m)^([a-z-]+):[ \t]+["']?([^"'#\n]*[^"'#\s])`)
	settings := map[string]string{}
	for _, found := range setting.FindAllStringSubmatch(text, -1) {
		settings[found[1]] = found[2]
	}
	return settings
}
