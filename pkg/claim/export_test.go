package claim

import "time"

// SetBootClock replaces CLOCK_BOOTTIME.
func (b *Book) SetBootClock(clock func() time.Duration) { b.life.boot = clock }
