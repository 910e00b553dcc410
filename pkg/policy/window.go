package policy

import "time"

// Window is a time of the week in which voluntary work may be done, on the
// wall clock of its own time zone.
type Window struct {
	Days     [7]bool // by time.Weekday: the days on which the window opens
	From, To int     // minutes after midnight; To <= From ends on the next day
	Location *time.Location
}

// Open reports that t lies in the window. From belongs to it, To does not.
func (w Window) Open(t time.Time) bool {
	t = t.In(w.Location)
	minute := t.Hour()*60 + t.Minute()
	today, yesterday := w.Days[t.Weekday()], w.Days[(t.Weekday()+6)%7]
	if w.From < w.To {
		return today && w.From <= minute && minute < w.To
	}
	return today && minute >= w.From || yesterday && minute < w.To
}
