package config

import "strings"

// nearest returns what somebody who wrote an unknown key may have meant, as a
// hint that follows "expected"; empty if nothing is near.
func nearest(section, name string) string {
	name = squeeze(name)
	if name == "password" {
		return "etcd.password-file: the password stands in a file of its own, never in this one"
	}
	best, bestDistance := "", 2+len(name)/4 // farther is no likeness
	for _, known := range candidates(section) {
		d := distance(name, squeeze(known.name()))
		if section != known.section() {
			d++ // the same name in the right section comes first
		}
		if d < bestDistance {
			best, bestDistance = known.path, d
		}
	}
	if best == "" {
		return ""
	}
	return "perhaps " + strings.Trim(best, ".")
}

// candidates returns all keys, and on the top level the sections too.
func candidates(section string) []key {
	if section != "" {
		return keys
	}
	var rows []key
	for _, s := range sections() {
		rows = append(rows, key{path: "." + s})
	}
	return append(rows, keys...)
}

// squeeze makes poll_interval, pollInterval and poll-interval alike.
func squeeze(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", " ", "").Replace(shorten(name)))
}

// distance is how many letters have to be put in, taken out or replaced to
// make b of a. A beginning that leaves out the rest counts as one.
func distance(a, b string) int {
	if len(a) >= 4 && strings.HasPrefix(b, a) {
		return min(1, len(b)-len(a))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
