package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// The picture, in pixels.
const (
	pictureWidth = 900
	left         = 70
	right        = 20
	chartHeight  = 190
	chartGap     = 64
)

var colors = []string{"#1f77b4", "#d97706", "#15803d"}

// chart is one panel of the picture.
type chart struct {
	title string
	expr  string
	top   float64 // of the axis
	lines map[string]float64
	label func(float64) string
}

// draw draws the main panels from the answers of Prometheus.
func (s *show) draw(path string) error {
	begin, end := s.full.Add(-40*time.Second), s.ended
	percent := func(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) }
	charts := []chart{
		{"File, of the quota", `max by (member_name) (etcd_watchdog_member_db_size_bytes / etcd_watchdog_member_quota_bytes)`, 1.1, map[string]float64{"defragment-at": 0.8, "urgent-at": 0.95}, percent},
		{"In use, of the quota", `max by (member_name) (etcd_watchdog_member_db_in_use_bytes / etcd_watchdog_member_quota_bytes)`, 1.1, map[string]float64{"compact-at": 0.6}, percent},
		{"Alarms listed (NOSPACE)", `max(etcd_watchdog_alarms{alarm="NOSPACE"})`, 3.3, nil, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
		{"Tickets left", `max by (instance) (etcd_watchdog_tickets)`, 18, nil, func(v float64) string { return fmt.Sprintf("%.0f", v) }},
	}
	var b strings.Builder
	height := len(charts)*(chartHeight+chartGap) + 10
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", pictureWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", pictureWidth, height)
	work, err := s.server.query("etcd_watchdog_work_started_timestamp_seconds", begin, end)
	if err != nil {
		return err
	}
	for i, c := range charts {
		found, err := s.server.query(c.expr, begin, end)
		if err != nil {
			return err
		}
		c.draw(&b, i*(chartHeight+chartGap)+30, begin, end, found, work)
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func (c chart) draw(b *strings.Builder, top int, begin, end time.Time, found, work []series) {
	x := func(at time.Time) float64 {
		return left + float64(pictureWidth-left-right)*float64(at.Sub(begin))/float64(end.Sub(begin))
	}
	y := func(v float64) float64 { return float64(top) + chartHeight*(1-v/c.top) }
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left, top-8, c.title)
	for _, w := range work { // defragmentations, by member
		from, to := x(w.points[0].at), x(w.points[len(w.points)-1].at.Add(scrapeEvery))
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#fde68a"><title>defragmentation of %s</title></rect>`+"\n", from, top, to-from, chartHeight, w.labels["member_name"])
	}
	for i := range 4 {
		v := c.top * float64(i) / 3.3
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, pictureWidth-right, y(v), y(v), left-6, y(v)+4, c.label(v))
	}
	for name, v := range c.lines {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#b91c1c" stroke-dasharray="6 4"/><text x="%d" y="%.1f" fill="#b91c1c" text-anchor="end">%s</text>`+"\n",
			left, pictureWidth-right, y(v), y(v), pictureWidth-right, y(v)-4, name)
	}
	for at := begin; at.Before(end); at = at.Add(10 * time.Second) {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%ds</text>`+"\n", x(at), top+chartHeight+16, int(at.Sub(begin).Seconds()))
	}
	slices.SortFunc(found, func(a, b series) int { return strings.Compare(name(a), name(b)) })
	for i, one := range found {
		color := colors[i%len(colors)]
		for _, run := range runs(one.points) {
			var points []string
			for _, p := range run {
				points = append(points, fmt.Sprintf("%.1f,%.1f", x(p.at), y(p.value)))
			}
			fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>`+"\n", color, strings.Join(points, " "))
		}
		if n := name(one); n != "" {
			fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", left+100*i, top+chartHeight+32, color, n)
		}
	}
}

// name is what tells the lines of a chart apart. Ports differ from run to run.
func name(s series) string { return s.labels["member_name"] }

// runs splits points where nothing was scraped.
func runs(all []point) [][]point {
	var split [][]point
	for i, p := range all {
		if i == 0 || p.at.Sub(all[i-1].at) > 2*scrapeEvery {
			split = append(split, nil)
		}
		split[len(split)-1] = append(split[len(split)-1], p)
	}
	return split
}
