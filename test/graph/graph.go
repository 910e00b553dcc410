// Package graph is what the explorers of small worlds have in common.
package graph

import "slices"

// Unreached returns a node from which no path leads to a live one, the first by
// number; -1 if there is none. An edge goes from its first node to its second; one
// whose first node is negative does not count.
func Unreached(nodes int, edges [][2]int32, live func(node int32) bool) int32 {
	starts := make([]int32, nodes+1)
	for _, edge := range edges {
		starts[edge[1]+1]++
	}
	for i := range nodes {
		starts[i+1] += starts[i]
	}
	sources, fill := make([]int32, len(edges)), slices.Clone(starts)
	for _, edge := range edges {
		sources[fill[edge[1]]] = edge[0]
		fill[edge[1]]++
	}
	var todo []int32
	reached := make([]bool, nodes)
	for i := range int32(nodes) {
		if live(i) {
			todo, reached[i] = append(todo, i), true
		}
	}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, source := range sources[starts[at]:starts[at+1]] {
			if source >= 0 && !reached[source] {
				todo, reached[source] = append(todo, source), true
			}
		}
	}
	return int32(slices.Index(reached, false))
}
