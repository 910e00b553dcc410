// Package grafana makes the dashboard that is delivered beside it as JSON.
package grafana

import (
	"encoding/json"
	"fmt"
	"strings"
)

// JSON returns the dashboard as Grafana imports it.
func JSON() ([]byte, error) {
	text, err := json.MarshalIndent(dashboard(), "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// Expressions returns every query of the dashboard with its variables replaced,
// by the title of its panel or annotation.
func Expressions(cluster string) map[string][]string {
	replace := strings.NewReplacer("$cluster", cluster, "$__rate_interval", "1m", "$__interval", "15s")
	all := map[string][]string{}
	for _, p := range panels {
		for _, q := range p.queries {
			all[p.title] = append(all[p.title], replace.Replace(q.expr))
		}
	}
	for _, a := range annotations {
		all[a.title] = append(all[a.title], replace.Replace(a.expr))
	}
	return all
}

// query is one expression of a panel.
type query struct{ expr, legend string }

// panel is one panel, of the table in panels.go.
type panel struct {
	kind    string // of Grafana
	title   string
	about   string
	unit    string
	width   int // of 24
	height  int
	steps   []step
	queries []query
}

// step is where a color begins. The first has no value.
type step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

type object = map[string]any

var source = object{"type": "prometheus", "uid": "${datasource}"}

func dashboard() object {
	return object{
		"uid": "etcd-watchdog", "title": "etcd-watchdog", "tags": []string{"etcd"},
		"description":   "Written by \"go test ./deploy/grafana -update\"; do not edit.",
		"schemaVersion": 39, "version": 1, "editable": true, "refresh": "30s", "timezone": "browser",
		"time":        object{"from": "now-6h", "to": "now"},
		"annotations": object{"list": annotationList()},
		"templating":  object{"list": variables()},
		"panels":      panelList(),
	}
}

func variables() []object {
	return []object{
		{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
		{
			"name": "cluster", "label": "Cluster", "type": "query", "datasource": source, "refresh": 2, "sort": 1,
			"query": object{"query": "label_values(etcd_watchdog_cluster_info, cluster_id)", "refId": "cluster"},
		},
	}
}

func annotationList() []object {
	var list []object
	for _, a := range annotations {
		list = append(list, object{
			"name": a.title, "enable": true, "datasource": source, "iconColor": a.color, "expr": a.expr, "step": "15s",
			"titleFormat": a.title, "textFormat": a.text, "useValueForTime": false,
		})
	}
	return list
}

// panelList lays the panels out, from left to right and from top to bottom.
func panelList() []object {
	var list []object
	x, y, height := 0, 0, 0
	for i, p := range panels {
		if x+p.width > 24 {
			x, y, height = 0, y+height, 0
		}
		o := p.object(i + 1)
		o["gridPos"] = object{"x": x, "y": y, "w": p.width, "h": p.height}
		list = append(list, o)
		x, height = x+p.width, max(height, p.height)
	}
	return list
}

func (p panel) object(id int) object {
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "datasource": source, "expr": q.expr, "legendFormat": q.legend,
			"instant": p.kind == "stat", "range": p.kind != "stat",
		})
	}
	defaults := object{"unit": p.unit, "min": 0}
	if len(p.steps) > 0 {
		defaults["thresholds"] = object{"mode": "absolute", "steps": p.steps}
		defaults["color"] = object{"mode": "thresholds"}
	}
	options := object{}
	switch p.kind {
	case "timeseries":
		options["legend"] = object{"displayMode": "list", "placement": "bottom", "showLegend": true}
		options["tooltip"] = object{"mode": "multi"}
		defaults["color"] = object{"mode": "palette-classic"}
		defaults["custom"] = object{"lineWidth": 2, "fillOpacity": 0, "thresholdsStyle": object{"mode": style(p.steps)}}
	case "stat":
		options["reduceOptions"] = object{"calcs": []string{"lastNotNull"}}
		options["colorMode"] = "value"
	case "state-timeline":
		options["showValue"] = "never"
		options["mergeValues"] = true
	}
	return object{
		"id": id, "type": p.kind, "title": p.title, "description": p.about, "datasource": source, "targets": targets,
		"fieldConfig": object{"defaults": defaults, "overrides": []object{}}, "options": options,
	}
}

func style(steps []step) string {
	if len(steps) > 0 {
		return "dashed"
	}
	return "off"
}

// steps makes color steps of "green", 0.7, "orange" and so on.
func steps(first string, more ...any) []step {
	all := []step{{Color: first}}
	for i := 0; i < len(more); i += 2 {
		value, ok := more[i].(float64)
		if !ok {
			panic(fmt.Sprintf("steps: %v is no number", more[i]))
		}
		all = append(all, step{more[i+1].(string), &value})
	}
	return all
}

// of narrows a vector to the cluster that is chosen.
func of(vector string) string {
	return vector + ` * on (job, instance) group_left () etcd_watchdog_cluster_info{cluster_id="$cluster"}`
}

// ofMembers is a series of the members of the cluster. Every watchdog shows all
// of them, so one value of each member is taken.
func ofMembers(function, series string) string {
	return function + ` by (member_name) (` + of(series) + `)`
}
