package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	return s.checked(c)
}

// again returns the configuration as it is now. A file that is empty or gone is
// most likely just being written: at the start it means the defaults, here it
// would silently drop every value that holds.
func (s source) again(inForce config.Config) (config.Config, error) {
	c, err := config.Reload(s.path)
	if errors.Is(err, config.ErrEmpty) || errors.Is(err, fs.ErrNotExist) && !s.named {
		if len(config.Changed(inForce, config.Default())) > 0 {
			return config.Config{}, configError(fmt.Errorf("%w; to have the defaults, write a comment into it and reload, or restart the watchdog", err))
		}
		c, err = config.Default(), nil // nothing is lost
	}
	if err != nil {
		return config.Config{}, configError(err)
	}
	return s.checked(c)
}

func (s source) checked(c config.Config) (config.Config, error) {
	if err := c.CheckWatchdog(s.interval); err != nil {
		return config.Config{}, configError(err)
	}
	if err := refuseExposed(s.path, c); err != nil {
		return config.Config{}, configError(err)
	}
	return c, nil
}

// fixed are the keys that tickets, lease, runtime directory and listener depend
// on, and so only a restart can change.
var fixed = []string{"claim.prefix", "claim.ttl", "claim.tickets", "maintenance.mode", "metrics.listen", "metrics.web-config", "metrics.textfile"}

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
	c, err := from.again(p.config)
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
		if recorder, err = newLogger(c.Log, from.stderr, p.host.watch.lost()); err != nil {
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
	p.use(next)
	detail := "no key has changed"
	if changed := config.Changed(before.config, next.config); len(changed) > 0 {
		detail = "changed: " + strings.Join(changed, ", ")
	}
	if warning := unseen(next.config.Disk.DataDir); warning != "" && before.config.Disk != next.config.Disk {
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
