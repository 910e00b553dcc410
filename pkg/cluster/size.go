package cluster

import "fmt"

// FormatBytes writes a size for people, in IEC units with three significant
// digits at most: 512 B, 64 KiB, 1.5 GiB.
func FormatBytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, i, sign := float64(n), 0, ""
	if n < 0 {
		f, sign = -f, "-"
	}
	for f >= 1023.5 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	switch {
	case i == 0 || f >= 99.95 || f == float64(int64(f)):
		return fmt.Sprintf("%s%.0f %s", sign, f, units[i])
	case f >= 9.995:
		return fmt.Sprintf("%s%.1f %s", sign, f, units[i])
	default:
		return fmt.Sprintf("%s%.2f %s", sign, f, units[i])
	}
}
