package grafana

// annotation marks a time in every panel.
type annotation struct{ title, text, color, expr string }

var annotations = []annotation{
	{"Defragmentation", "by {{instance}}", "orange", of(`sum by (job, instance) (increase(etcd_watchdog_work_total{kind="defragment", outcome="done"}[$__rate_interval]) > 0)`)},
	{"Compaction", "by {{instance}}", "blue", of(`sum by (job, instance) (increase(etcd_watchdog_work_total{kind="compact", outcome="done"}[$__rate_interval]) > 0)`)},
	{"Healed", "by {{instance}}", "green", of("(increase(etcd_watchdog_heals_total[$__rate_interval]) > 0)")},
}

// panels is the dashboard. The thresholds are those of the default configuration.
var panels = []panel{
	{
		kind: "stat", title: "NOSPACE alarms", unit: "short", width: 4, height: 4, steps: steps("green", 1.0, "red"),
		about:   "While one is listed, etcd refuses writes.",
		queries: []query{{`max(` + of(`etcd_watchdog_alarms{alarm="NOSPACE"}`) + `)`, ""}},
	}, {
		kind: "stat", title: "Fullest member", unit: "percentunit", width: 4, height: 4, steps: steps("green", 0.7, "yellow", 0.8, "orange", 0.95, "red"),
		about:   "File size as a share of the quota.",
		queries: []query{{`max(` + of(`etcd_watchdog_member_db_size_bytes / etcd_watchdog_member_quota_bytes`) + `)`, ""}},
	}, {
		kind: "stat", title: "Needs the operator", unit: "short", width: 4, height: 4, steps: steps("green", 1.0, "red"),
		about:   "Conditions that the watchdog cannot solve.",
		queries: []query{{`max(sum by (job, instance) (` + of(`etcd_watchdog_condition{level="err"}`) + `))`, ""}},
	}, {
		kind: "stat", title: "Members that answer", unit: "short", width: 4, height: 4,
		about:   "As seen by the watchdog that reaches the most.",
		queries: []query{{`max(sum by (job, instance) (` + of(`etcd_watchdog_member_reachable`) + `))`, ""}},
	}, {
		kind: "stat", title: "Members with a watchdog", unit: "short", width: 4, height: 4,
		about:   "Members for which a watchdog holds tickets.",
		queries: []query{{`max(sum by (job, instance) (` + of(`etcd_watchdog_member_watched`) + `))`, ""}},
	}, {
		kind: "stat", title: "Oldest good poll", unit: "s", width: 4, height: 4, steps: steps("green", 60.0, "yellow", 300.0, "red"),
		about:   "Time since the watchdog that is furthest behind has reached the member on its host.",
		queries: []query{{`time() - min(` + of(`etcd_watchdog_last_good_poll_timestamp_seconds`) + `)`, ""}},
	}, {
		kind: "timeseries", title: "File, of the quota", unit: "percentunit", width: 12, height: 9, steps: steps("transparent", 0.8, "orange", 0.95, "red"),
		about:   "etcd compares the file with the quota. At 100% it refuses writes. Dashed: thresholds.defragment-at and urgent-at.",
		queries: []query{{ofMembers("max", `etcd_watchdog_member_db_size_bytes / etcd_watchdog_member_quota_bytes`), "{{member_name}}"}},
	}, {
		kind: "timeseries", title: "In use, of the quota", unit: "percentunit", width: 12, height: 9, steps: steps("transparent", 0.6, "orange"),
		about:   "Pages in use. The rest of the file is free pages, which a defragmentation gives back. Dashed: thresholds.compact-at.",
		queries: []query{{ofMembers("max", `etcd_watchdog_member_db_in_use_bytes / etcd_watchdog_member_quota_bytes`), "{{member_name}}"}},
	}, {
		kind: "timeseries", title: "Time to quota", unit: "s", width: 12, height: 8,
		about:   "At the growth of the live data. No line: they do not grow, or not for long enough to tell.",
		queries: []query{{ofMembers("min", `etcd_watchdog_member_time_to_quota_seconds`), "{{member_name}}"}},
	}, {
		kind: "timeseries", title: "Stalls by defragmentation", unit: "s", width: 12, height: 8,
		about:   "Seconds for which a member was blocked, by the watchdog that did the work.",
		queries: []query{{`sum by (instance) (` + of(`increase(etcd_watchdog_work_seconds_total{kind="defragment"}[$__rate_interval])`) + `)`, "{{instance}}"}},
	}, {
		kind: "state-timeline", title: "Conditions", unit: "short", width: 24, height: 8, steps: steps("transparent", 1.0, "orange"),
		about:   "What stands, by member; without a name it is the cluster as a whole. The runbook has an entry for each that needs you.",
		queries: []query{{`max by (condition, member_name) (` + of(`etcd_watchdog_member_condition`) + `)`, "{{condition}} {{member_name}}"}},
	}, {
		kind: "timeseries", title: "Steps", unit: "short", width: 8, height: 8,
		about:   "Steps by kind and outcome.",
		queries: []query{{`sum by (kind, outcome) (` + of(`increase(etcd_watchdog_work_total[$__rate_interval])`) + `)`, "{{kind}} {{outcome}}"}},
	}, {
		kind: "timeseries", title: "Tickets", unit: "short", width: 8, height: 8,
		about:   "Tickets that each watchdog can still take while etcd refuses writes.",
		queries: []query{{`max by (instance) (` + of(`etcd_watchdog_tickets`) + `)`, "{{instance}}"}},
	}, {
		kind: "timeseries", title: "Errors", unit: "short", width: 8, height: 8,
		about: "Reported errors by category, and log entries that were not written.",
		queries: []query{
			{`sum by (category) (` + of(`increase(etcd_watchdog_errors_total[$__rate_interval])`) + `)`, "{{category}}"},
			{`sum by (cause) (` + of(`increase(etcd_watchdog_events_dropped_total[$__rate_interval])`) + `)`, "log entries dropped: {{cause}}"},
		},
	},
}
