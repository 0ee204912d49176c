package sqlite

import "time"

// A time is stored in UTC with microseconds, in a form that SQLite's functions
// take, that compares with what they return, and that sorts.
const timeFormat = "2006-01-02 15:04:05.000000"

func formatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// parseTime reads what formatTime returned, or SQLite's datetime(): there the
// fraction is missing.
func parseTime(s string) (time.Time, error) { return time.Parse(time.DateTime, s) }

// notBefore is the time of a change to something that was last changed at
// last: the clock's, but never earlier, unless last lies so far ahead that a
// clock must have been wrong.
func notBefore(last, now time.Time) time.Time {
	if last.After(now) && last.Before(now.Add(time.Minute)) {
		return last
	}
	return now
}
