package rows

import (
	"strings"
	"unicode"
)

// Limits, in bytes, of what the history keeps of a request's own words.
const (
	MaxHeader = 256
	MaxReason = 1000
)

// Clean makes a text fit for a column: valid UTF-8 without control
// characters, cut to the limit. A header must never fail a push.
func Clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}
