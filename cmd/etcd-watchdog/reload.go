package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// source is where the daemon's configuration comes from, at the start and at
// each reload.
type source struct {
	path     string
	named    bool          // on the command line, so that it has to be there
	interval time.Duration // of systemd's watchdog; 0: there is none
	stderr   io.Writer
}

// load returns the configuration, if the daemon can run with it.
func (s source) load() (config.Config, error) {
	c, err := loadConfig(s.path, s.named)
	if err != nil {
		return config.Config{}, err
	}
	if err := c.CheckWatchdog(s.interval); err != nil {
		return config.Config{}, configError(err)
	}
	return c, nil
}

// fixed are the keys that tickets, lease and runtime directory depend on, and so
// only a restart can change.
var fixed = []string{"claim.prefix", "claim.ttl", "claim.tickets", "maintenance.mode"}

// prepare makes all of another generation that can fail, while the loop goes on
// under the one that is in force. nil: there is something wrong with the
// configuration, which has been reported, and nothing changes.
func (p *program) prepare(from source) *generation {
	p.notifier.Reloading()
	next, err := p.regenerate(from)
	if err == nil {
		p.line.note("a reloaded configuration waits for the work in flight")
		return &next
	}
	faults := strings.Split(err.Error(), "\n")
	p.recorder.Record(event.Event{Kind: event.ReloadFailed, Error: strings.Join(faults, "; ")})
	notice := "the configuration was not reloaded and the earlier one is in force: " + faults[0]
	if n := len(faults) - 1; n > 0 {
		notice += fmt.Sprintf(" (and %d more)", n)
	}
	p.line.note(notice)
	p.ready()
	return nil
}

func (p *program) regenerate(from source) (generation, error) {
	c, err := from.load()
	if err != nil {
		return generation{}, err
	}
	refused := config.Changed(p.config, c)
	refused = slices.DeleteFunc(refused, func(key string) bool { return !slices.Contains(fixed, key) })
	if len(refused) > 0 {
		return generation{}, fmt.Errorf("%s: %s: only a restart can change this: restart the watchdog (a claim that is held is resumed), or put the earlier value back",
			from.path, strings.Join(refused, ", "))
	}
	recorder := p.recorder
	if c.Log != p.config.Log {
		if recorder, err = newLogger(c.Log, from.stderr); err != nil {
			return generation{}, err
		}
	}
	next, err := p.generate(c, recorder)
	if err != nil && recorder != p.recorder {
		closeLogger(recorder)
	}
	return next, err
}

// handOver puts the next generation in force. The loop of the earlier one has
// ended between two ticks; what it remembers, holds and has told goes on.
func (p *program) handOver(next generation) {
	before := p.generation
	next.dog.Succeed(before.dog)
	next.dog.Keep = before.dog.Keep
	p.use(next)
	p.obeyPause()
	detail := "no key has changed"
	if changed := config.Changed(before.config, next.config); len(changed) > 0 {
		detail = "changed: " + strings.Join(changed, ", ")
	}
	if warning := p.lookAtDisk(next.config.Disk.DataDir); warning != "" && before.config.Disk != next.config.Disk {
		detail += "; " + warning
	}
	p.recorder.Record(event.Event{Kind: event.Reloaded, Endpoint: next.config.Etcd.Endpoint, Detail: detail})
	p.line.note("")
	_ = before.cluster.Close() // nobody waits for its answers any more
	if before.recorder != next.recorder {
		closeLogger(before.recorder)
	}
	p.ready()
}
