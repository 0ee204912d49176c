package exposition

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON from a string. The strings that it returns are parts of
// that string wherever nothing is escaped. The first error sticks and moves
// the scanner to the end, so that callers need to look for it only once.
type scanner struct {
	data []byte
	text string // data, copied
	pos  int
	err  error
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("stored JSON, byte %d: %s", s.pos, fmt.Sprintf(format, args...))
	}
	s.pos = len(s.text)
}

// peek returns the next byte that is no space, or 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case ' ', '\n', '\t', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) expect(c byte) {
	if s.peek() != c {
		s.fail("expected %q", c)
		return
	}
	s.pos++
}

// open reads the opening of an object or array, and reports whether there is
// a first member.
func (s *scanner) open(opening, closing byte) bool {
	s.expect(opening)
	if s.peek() == closing {
		s.pos++
		return false
	}
	return s.err == nil
}

// more reads what follows a member, and reports whether another one does.
func (s *scanner) more(closing byte) bool {
	switch s.peek() {
	case ',':
		s.pos++
	case closing:
		s.pos++
		return false
	default:
		s.fail("expected ',' or %q", closing)
	}
	return s.err == nil
}

func (s *scanner) key() string {
	key := s.string()
	s.expect(':')
	return key
}

func (s *scanner) string() string {
	s.expect('"')
	for i := s.pos; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			value := s.text[s.pos:i]
			s.pos = i + 1
			return value
		case c == '\\':
			return s.escapedString(i)
		case c < ' ':
			s.pos = i
			s.fail("control character in a string")
			return ""
		}
	}
	s.fail("unfinished string")
	return ""
}

// escapedString reads the rest of a string whose first escape is at i.
func (s *scanner) escapedString(i int) string {
	var b strings.Builder
	b.WriteString(s.text[s.pos:i])
	s.pos = i
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return b.String()
		case c == '\\':
			b.WriteRune(s.escape())
		case c < ' ':
			s.fail("control character in a string")
		default:
			b.WriteByte(c)
			s.pos++
		}
	}
	s.fail("unfinished string")
	return ""
}

var escapes = [256]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (s *scanner) escape() rune {
	rest := s.text[s.pos+1:]
	if rest == "" || rest[0] != 'u' {
		if rest == "" || escapes[rest[0]] == 0 {
			s.fail("unknown escape")
			return 0
		}
		s.pos += 2
		return escapes[rest[0]]
	}
	r := s.codeUnit()
	if utf16.IsSurrogate(r) && strings.HasPrefix(s.text[s.pos:], `\u`) {
		r = utf16.DecodeRune(r, s.codeUnit())
	} else if utf16.IsSurrogate(r) {
		r = utf8.RuneError
	}
	if r == 0 || r == utf8.RuneError {
		s.fail("escaped character that cannot be exposed")
	}
	return r
}

// codeUnit reads an escape of the form \u1234.
func (s *scanner) codeUnit() rune {
	if len(s.text) < s.pos+6 {
		s.fail("unfinished escape")
		return 0
	}
	unit, err := strconv.ParseUint(s.text[s.pos+2:s.pos+6], 16, 16)
	if err != nil {
		s.fail("unknown escape")
		return 0
	}
	s.pos += 6
	return rune(unit)
}

func (s *scanner) float() float64 { return s.parseFloat(s.string()) }

func (s *scanner) parseFloat(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.fail("expected a float in a string, got %q", excerpt(text))
	}
	return v
}

func (s *scanner) parseUint(text string) uint64 {
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.fail("expected a count in a string, got %q", excerpt(text))
	}
	return v
}

// integer reads a JSON number that is an integer of the given size.
func (s *scanner) integer(bits int) int64 {
	s.peek()
	start := s.pos
	for s.pos < len(s.text) && (s.text[s.pos] == '-' || s.text[s.pos]-'0' <= 9) {
		s.pos++
	}
	text := s.text[start:s.pos]
	digits := strings.TrimPrefix(text, "-")
	v, err := strconv.ParseInt(text, 10, bits)
	if err != nil || len(digits) > 1 && digits[0] == '0' {
		s.fail("expected an integer of %d bits, got %q", bits, excerpt(text))
	}
	return v
}

func (s *scanner) bool() bool {
	s.peek()
	rest := s.text[s.pos:]
	switch {
	case strings.HasPrefix(rest, "true"):
		s.pos += len("true")
		return true
	case strings.HasPrefix(rest, "false"):
		s.pos += len("false")
		return false
	}
	s.fail("expected true or false")
	return false
}

// time reads what storeTime writes.
func (s *scanner) time() time.Time {
	text := s.string()
	unsigned, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(unsigned, ".")
	seconds, err := strconv.ParseUint(whole, 10, 64)
	if err != nil || seconds > (1<<63)/uint64(time.Second) || len(fraction) > 9 {
		s.fail("expected Unix seconds in a string, got %q", excerpt(text))
		return time.Time{}
	}
	var ns uint64
	if fraction != "" {
		ns = s.parseUint(fraction + "000000000"[len(fraction):])
	}
	ns += seconds * 1e9
	if negative {
		ns = -ns
	}
	if int64(ns) < 0 != (negative && ns != 0) {
		s.fail("time out of range: %q", excerpt(text))
	}
	return time.Unix(0, int64(ns)).UTC()
}

// skip moves over a value that nobody reads.
func (s *scanner) skip() {
	start := s.pass()
	// pass has only counted brackets.
	if s.err == nil && !json.Valid(s.data[start:s.pos]) {
		s.fail("invalid JSON: %q", excerpt(s.text[start:s.pos]))
	}
}

// pass moves over a value that is read later, and returns where it starts.
func (s *scanner) pass() int {
	s.peek()
	start, depth := s.pos, 0
	for s.err == nil {
		switch s.peek() {
		case '"':
			s.skipString()
		case '{', '[':
			depth++
			s.pos++
		case '}', ']':
			depth--
			s.pos++
		case ',', ':':
			s.pos++
		default:
			s.skipLiteral()
		}
		if depth <= 0 {
			break
		}
	}
	return start
}

func (s *scanner) skipString() {
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '"':
			s.pos++
			return
		case '\\':
			s.pos++
		}
	}
	s.fail("unfinished string")
}

// skipLiteral moves over a number or true, false or null.
func (s *scanner) skipLiteral() {
	length := strings.IndexAny(s.text[s.pos:], "\"{}[],: \n\t\r")
	if length < 0 {
		s.fail("unfinished value")
		return
	}
	s.pos += length
}
