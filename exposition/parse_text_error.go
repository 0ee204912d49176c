package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// syntaxError is what is wrong with a line, and what to do about it.
type syntaxError struct{ text, advice string }

func (e *syntaxError) Error() string { return e.text + e.advice }

func syntax(format string, args ...any) error {
	return &syntaxError{text: fmt.Sprintf(format, args...)}
}

var (
	errUnended = &syntaxError{
		text:   "unexpected end of input stream",
		advice: ": the last line does not end with a newline; add one, and with curl use --data-binary, since --data removes newlines",
	}
	// errMisplaced is a bug of expfmt's parser that cannot be imitated: it
	// tells a summary or histogram with its name inside the braces from others
	// by labels of earlier lines, of any number, and panics if there are none.
	errMisplaced = &syntaxError{text: "a summary or histogram with its name inside the braces must follow its TYPE line directly"}
)

// invalidName is a metric or label name that the scheme does not allow.
func (p *textParser) invalidName(of string, name []byte) error {
	err := &syntaxError{text: fmt.Sprintf("invalid %s name %s", of, quoted(name))}
	switch {
	case len(name) == 0:
		err.advice = ": a name is missing here"
	case p.scheme == LegacyNames:
		err.advice = ": UTF-8 names need --push.enable-utf8-names, other names consist of letters, digits, _ and :"
	default:
		err.advice = ": it must be UTF-8, and in quotes unless it consists of letters, digits, _ and :"
	}
	return err
}

// explain turns an error into one that names its line and says what to do. The
// body has as many newlines.
func (p *textParser) explain(err error, newlines int) error {
	e := &syntaxError{text: err.Error()}
	errors.As(err, &e)
	advice := e.advice
	switch {
	case bytes.HasSuffix(p.line, []byte("\r")):
		advice = ": use LF as the line end, not CR LF"
	case p.number == 1 && bytes.HasPrefix(p.line, []byte("\ufeff")):
		advice = ": remove the byte order mark at the start of the body"
	case newlines == 0 && e != errUnended:
		advice = ": the body has no newline; with curl use --data-binary, since --data removes newlines"
	}
	return malformed("text format parsing error in line %d: %s%s", p.number, e.text, advice)
}

// quoted returns a token as it is shown in an error.
func quoted(token []byte) string {
	return strconv.Quote(excerpt(string(token[:min(len(token), maxExcerpt+utf8.UTFMax)])))
}
