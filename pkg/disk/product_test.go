package disk

import (
	"math"
	"testing"
)

func TestProductDoesNotOverflow(t *testing.T) {
	for _, c := range []struct {
		blocks     uint64
		blockBytes int64
		want       int64
	}{
		{0, 4096, 0},
		{3, 4096, 12288},
		{math.MaxInt64, 1, math.MaxInt64},
		{math.MaxInt64/4096 + 1, 4096, math.MaxInt64},
		{math.MaxUint64, 4096, math.MaxInt64},
		{7, 0, 0},
	} {
		if got := product(c.blocks, c.blockBytes); got != c.want {
			t.Errorf("product(%d, %d) is %d, want %d", c.blocks, c.blockBytes, got, c.want)
		}
	}
}
