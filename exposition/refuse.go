package exposition

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

// maxExcerpt bounds, in bytes, how much of a hostile body an error repeats.
const maxExcerpt = 400

func malformed(format string, args ...any) error {
	return &refusal{ErrMalformed, oneLine(fmt.Sprintf(format, args...))}
}

func inconsistent(format string, args ...any) error {
	return &refusal{ErrInconsistent, oneLine(fmt.Sprintf(format, args...))}
}

// oneLine makes a text fit for an error: without control characters.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}

// excerpt cuts a text that is too long to be repeated in an error.
func excerpt(text string) string {
	if len(text) <= maxExcerpt {
		return text
	}
	cut := maxExcerpt
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// seriesText returns a series, or a metric, in the notation of the text
// format, cut where it gets too long.
func seriesText(name string, labels []Label) string {
	var b []byte
	legacy := model.LegacyValidation.IsValidMetricName(name)
	if legacy {
		b = append(b, name...)
	}
	b = append(b, '{')
	if !legacy {
		b = strconv.AppendQuote(b, name)
	}
	for i, l := range labels {
		if i > 0 || !legacy {
			b = append(b, ',')
		}
		if len(b) > maxExcerpt {
			break
		}
		b = appendNameText(b, l.Name)
		b = append(b, '=')
		b = strconv.AppendQuote(b, l.Value)
	}
	return excerpt(string(append(b, '}')))
}

func appendNameText(b []byte, name string) []byte {
	if model.LegacyValidation.IsValidLabelName(name) {
		return append(b, name...)
	}
	return strconv.AppendQuote(b, name)
}
