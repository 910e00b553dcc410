// Package scenario lets real watchdogs heal real clusters: the main job and
// the bad days around it. It holds tests only.
package scenario
