package query

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// The times that both databases and RFC 3339 know.
var (
	firstTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
)

// ParseTime reads a time, in RFC 3339 or as Unix seconds with or without a
// fraction, to the microsecond.
func ParseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if seconds, floatErr := strconv.ParseFloat(text, 64); floatErr == nil {
		whole, fraction := math.Modf(seconds)
		if math.Abs(whole) > 1e12 || math.IsNaN(seconds) {
			return time.Time{}, badTime(text)
		}
		t, err = time.Unix(int64(whole), int64(math.Round(fraction*1e6))*1000), nil
	}
	if err != nil || t.Before(firstTime) || t.After(lastTime) {
		return time.Time{}, badTime(text)
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

func badTime(text string) error {
	return fmt.Errorf("%s is no time: use RFC 3339, like 2026-01-31T12:00:00Z, or Unix seconds", text)
}

// FormatTime returns the time in the form in which the API shows it: RFC 3339
// in UTC with microseconds.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
