package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/doctor"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

// lookAhead is for how long the starts of jobs are told: every window opens
// once in it.
const lookAhead = 7 * 24 * time.Hour

// lookAtJobs reads the timers and the crontabs of this host.
func lookAtJobs(ctx context.Context, now time.Time) doctor.Jobs {
	timers, err := timerJobs(ctx, now)
	jobs, unread := cronJobs(now)
	seen := doctor.Jobs{Seen: append(timers, jobs...)}
	if err := errors.Join(err, unread); err != nil {
		seen.Problem = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return seen
}

func timerJobs(ctx context.Context, now time.Time) ([]doctor.Job, error) {
	blocks, err := systemctl(ctx, "--timestamp=unix", "--property=Id,Unit,NextElapseUSecRealtime,LastTriggerUSec", "--", "*.timer")
	if err != nil {
		return nil, fmt.Errorf("timers: %w", err)
	}
	var jobs []doctor.Job
	for _, p := range blocks {
		if next := stamp(p["NextElapseUSecRealtime"]); p["Id"] != "" && !next.IsZero() {
			jobs = append(jobs, doctor.Job{Name: p["Id"], Text: p["Id"] + " " + p["Unit"], Starts: repeated(next, stamp(p["LastTriggerUSec"]), now)})
		}
	}
	return jobs, nil
}

// repeated returns the next start and, for a timer that was at work a day ago or
// less, those that follow at the same distance.
func repeated(next, last, now time.Time) []time.Time {
	every := next.Sub(last).Round(time.Hour)
	if last.IsZero() || every < time.Hour || every > 25*time.Hour {
		return []time.Time{next}
	}
	var starts []time.Time
	for at := next; at.Before(now.Add(lookAhead)); at = at.Add(every) {
		starts = append(starts, at)
	}
	return starts
}

// stamp reads a time as systemd prints it, @1700000000; zero for none.
func stamp(s string) time.Time {
	seconds, err := strconv.ParseInt(strings.TrimPrefix(s, "@"), 10, 64)
	if err != nil || seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// cronJobs reads the crontabs of the system and of its users. Whoever has no
// cron has none to be read.
func cronJobs(now time.Time) ([]doctor.Job, error) {
	var jobs []doctor.Job
	var unread []error
	for _, tab := range []struct {
		pattern string
		user    bool // the 6th field is a user's name
	}{{"/etc/crontab", true}, {"/etc/cron.d/*", true}, {"/var/spool/cron/crontabs/*", false}, {"/var/spool/cron/*", false}} {
		if _, err := os.ReadDir(filepath.Dir(tab.pattern)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			unread = append(unread, err)
		}
		files, _ := filepath.Glob(tab.pattern) // the patterns are good
		for _, file := range files {
			text, err := durable.ReadNamed(file, maxForeignBytes)
			switch info, _ := os.Stat(file); {
			case err == nil:
				jobs = append(jobs, crontab(file, string(text), tab.user, now)...)
			case info != nil && !info.IsDir():
				unread = append(unread, err)
			}
		}
	}
	return jobs, errors.Join(unread...)
}

// crontab reads the entries of one file.
func crontab(file, text string, user bool, now time.Time) []doctor.Job {
	var jobs []doctor.Job
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		if strings.HasPrefix(line, "#") || len(fields) < 6 || !strings.ContainsAny(line[:1], "0123456789*") {
			continue
		}
		command := fields[5:]
		if user {
			command = command[1:]
		}
		jobs = append(jobs, doctor.Job{
			Name:   fmt.Sprintf("%s, line %d", file, number),
			Text:   filepath.Base(file) + " " + strings.Join(command, " ") + partsOf(command),
			Starts: cronStarts(fields[:5], now),
		})
	}
	return jobs
}

// partsOf returns the names in the directories that a command runs the parts of.
func partsOf(command []string) string {
	var names string
	for _, word := range command {
		if !strings.HasPrefix(word, "/etc/cron.") {
			continue
		}
		entries, _ := os.ReadDir(word) // one that is not there runs nothing
		for _, entry := range entries {
			names += " " + entry.Name()
		}
	}
	return names
}

// cronStarts returns when an entry starts within the time that is looked ahead.
func cronStarts(fields []string, now time.Time) []time.Time {
	var starts []time.Time
	for at := now.Truncate(time.Minute).Add(time.Minute); at.Before(now.Add(lookAhead)); at = at.Add(time.Minute) {
		day, weekday := cronHas(fields[2], at.Day()), cronHas(fields[4], int(at.Weekday())) || at.Weekday() == time.Sunday && cronHas(fields[4], 7)
		fits := day && weekday
		if fields[2] != "*" && fields[4] != "*" { // cron's own rule: either will do
			fits = day || weekday
		}
		if fits && cronHas(fields[0], at.Minute()) && cronHas(fields[1], at.Hour()) && cronHas(fields[3], int(at.Month())) {
			starts = append(starts, at)
		}
	}
	return starts
}

// cronHas reports that a field, such as *, */5, 1-5 or 0,30, holds a number.
// Names of months and days are not read, and hold everything.
func cronHas(field string, n int) bool {
	for part := range strings.SplitSeq(field, ",") {
		span, every, stepped := strings.Cut(part, "/")
		step, err := strconv.Atoi(every)
		if !stepped || err != nil || step < 1 {
			step = 1
		}
		first, last, ranged := strings.Cut(span, "-")
		from, err := strconv.Atoi(first)
		switch {
		case span == "*" && n%step == 0:
			return true
		case span == "*":
			continue
		case err != nil:
			return true
		}
		to, err := strconv.Atoi(last)
		if !ranged || err != nil {
			to = from
		}
		if from <= n && n <= to && (n-from)%step == 0 {
			return true
		}
	}
	return false
}
