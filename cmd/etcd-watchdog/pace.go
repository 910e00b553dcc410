package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// pace holds reading to a number of bytes in a second. A page's share of the
// time begins when it has come, and the page after it comes meanwhile.
type pace struct {
	bytesPerSecond int64           // 0: any
	turn           context.Context // over with the time of the page before; nil: there was none
}

// wait returns when the page before has had its time. Its error is why ctx ended.
func (p *pace) wait(ctx context.Context, bytes int64) error {
	if p.bytesPerSecond == 0 {
		return ctx.Err()
	}
	if p.turn != nil {
		<-p.turn.Done()
	}
	share := time.Duration(float64(bytes) / float64(p.bytesPerSecond) * float64(time.Second))
	turn, cancel := context.WithTimeout(ctx, share)
	context.AfterFunc(turn, cancel)
	p.turn = turn
	return ctx.Err()
}

// progressBar is a line on a terminal that is written over as the work goes on.
// Elsewhere it writes nothing.
type progressBar struct {
	w       io.Writer
	width   int // of the terminal; 0: it is none
	percent int64
	drawn   bool
}

func newProgressBar(w io.Writer) *progressBar {
	t := terminalOf(w)
	if !t.is {
		return &progressBar{}
	}
	return &progressBar{w: w, width: t.width}
}

// show draws the bar, if it is not as it was.
func (b *progressBar) show(done, total int64) {
	percent := min(100, 100*done/max(1, total))
	if b.width == 0 || b.drawn && percent == b.percent {
		return
	}
	b.drawn, b.percent = true, percent
	words := fmt.Sprintf("%3d%%  %s of %s keys", percent, grouped(done), grouped(total))
	cells := min(40, b.width-len(words)-5) // what is left beside the words, and none in the last column
	if cells < 5 {
		fmt.Fprintf(b.w, "\r%.*s", max(0, b.width-1), words)
		return
	}
	full := cells * int(percent) / 100
	fmt.Fprintf(b.w, "\r[%s%s]  %s", strings.Repeat("#", full), strings.Repeat(".", cells-full), words)
}

// clear takes the bar away.
func (b *progressBar) clear() {
	if b.drawn {
		fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", b.width-1))
		b.drawn = false
	}
}
