package doctor

import "fmt"

func checkFiles(f Facts) []Finding {
	if len(f.Configuration.Faults) > 0 {
		return []Finding{unknown("only the configuration was looked at, and it has faults", "which other files the daemon relies on can't be known", "correct the configuration")}
	}
	var all []Finding
	for _, e := range f.Exposed {
		all = append(all, critical(fmt.Sprintf("every user of this host can %s %s, %s (mode %s)", e.Verb, e.What, e.Path, e.Mode),
			"whoever does has the rights of the watchdog in etcd, which are those of root; the daemon does not start like this", e.Remedy))
	}
	if all == nil {
		all = append(all, fine("only their owners can change the configuration and read key and password file"))
	}
	return all
}
