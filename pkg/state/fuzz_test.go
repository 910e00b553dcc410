package state

import (
	"bytes"
	"testing"
)

// Whatever stands in the file, there is an error, or a record that can be
// written and is the same when it is read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"host":"h","cluster_id":"a","polled_at":"2026-03-29T13:00:00+02:00","decision":{"reason":"x","member":"b"}}`))
	f.Add([]byte(`{"version":1,"members":[{"id":"b","won_bytes":1,"bytes_per_second":0.5,"cooldown_seconds":1e9,"growth":null},` +
		`{"id":"c","growth":{"last_unix_milliseconds":1800000,"last_size_bytes":9,"last_in_use_bytes":8,"speed_bytes_per_second":2.5,` +
		`"open_slice":{"start_unix_seconds":1800,"low_in_use_bytes":8,"high_in_use_bytes":8,"peak_in_use_bytes":8,"size_bytes":9}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := parse(text)
		if err != nil || len(text) > maxBytes/8 { // escapes and defaults make it longer
			return
		}
		ToMemory(first.Members)
		written, err := encode(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := parse(written)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := encode(second); err != nil || !bytes.Equal(again, written) {
			t.Errorf("got  %s, %v\nwant %s", again, err, written)
		}
	})
}
