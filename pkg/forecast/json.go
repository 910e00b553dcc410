package forecast

import (
	"encoding/json"
	"fmt"
	"math"
)

// stored is a History as JSON.
type stored struct {
	LastAt    int64   `json:"last_unix_milliseconds"`
	LastSize  int64   `json:"last_size_bytes"`
	LastInUse int64   `json:"last_in_use_bytes"`
	Speed     float64 `json:"speed_bytes_per_second"`
	Open      slice   `json:"open_slice"`
	Narrow    []slice `json:"ten_minute_slices"`
	Hours     []slice `json:"one_hour_slices"`
	SixHours  []slice `json:"six_hour_slices"`
}

// MarshalJSON writes the history as an object. null stands for the zero one.
func (h History) MarshalJSON() ([]byte, error) {
	if h.last.At == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(stored{h.last.At, h.last.Size, h.last.InUse, h.speed, h.open, h.past[0], h.past[1], h.past[2]})
}

// UnmarshalJSON reads what MarshalJSON wrote. An object that no Add could have
// made, such as one of another version with other slices, is read as the zero
// history: a trend is an optimisation, and learnt anew within hours. An error
// means that it is no such object at all.
func (h *History) UnmarshalJSON(data []byte) error {
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("read the growth of a member: %w", err)
	}
	read := History{moment{s.LastAt, s.LastSize, s.LastInUse}, s.Speed, s.Open, [3][]slice{s.Narrow, s.Hours, s.SixHours}}
	for i, kept := range read.past {
		if len(kept) == 0 {
			read.past[i] = nil
		}
	}
	if !read.sound() {
		read = History{}
	}
	*h = read
	return nil
}

// sound reports that everything that the calculations rely on holds.
func (h History) sound() bool {
	if !h.last.valid() || h.speed < 0 || math.IsInf(h.speed, 0) || math.IsNaN(h.speed) {
		return false
	}
	if !h.open.sound(narrow) || h.open.Start != align(h.last.At/1000, narrow) {
		return false
	}
	for width, kept := range h.past {
		for i, s := range kept {
			if !s.sound(width) || s.Start >= h.open.Start || i > 0 && s.Start <= kept[i-1].Start {
				return false
			}
		}
		if n := len(kept); n > 0 && kept[0].Start < oldest(kept[n-1].Start, width) {
			return false
		}
	}
	return true
}

func (s slice) sound(width int) bool {
	return s.Start >= 0 && s.Start == align(s.Start, width) &&
		s.Low > 0 && s.Low <= s.High && s.High <= s.Peak && s.Size > 0 &&
		(width != narrow || s.Low == s.High)
}
