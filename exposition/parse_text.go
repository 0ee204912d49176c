package exposition

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// ParseText reads a body in the text format 0.0.4. The families are sorted by
// name, their labels too; [Normalize] is what checks them. It returns an
// ErrMalformed, with the line, for what is not in the format, and the errors
// of r wrapped. What it accepts is what expfmt's parser accepts, but for samples
// with very many labels: see freeComparisons.
func ParseText(r io.Reader, scheme NameScheme) ([]Family, error) {
	guard := newTextGuard(r)
	messages, err := parseText(guard, scheme)
	if err != nil {
		return nil, guard.explain(err, scheme)
	}
	return FamiliesFromProto(slices.Collect(maps.Values(messages)))
}

func parseText(r io.Reader, scheme NameScheme) (_ map[string]*dto.MetricFamily, err error) {
	// The library panics on a summary or histogram that is named inside the
	// braces while its TYPE line is not the last one before it.
	defer func() {
		cause := recover()
		if _, bug := cause.(runtime.Error); bug {
			err = malformed("text format parsing error: a summary or histogram with its name inside the braces must follow its TYPE line directly")
		} else if cause != nil {
			panic(cause)
		}
	}()
	parser := expfmt.NewTextParser(scheme.validation())
	return parser.TextToMetricFamilies(r)
}

func (s NameScheme) validation() model.ValidationScheme {
	if s == UTF8Names {
		return model.UTF8Validation
	}
	return model.LegacyValidation
}

// explain turns an error of the parser into one that says what to do.
func (g *textGuard) explain(err error, scheme NameScheme) error {
	var syntax expfmt.ParseError
	switch {
	case errors.Is(err, ErrMalformed):
		return err
	case !errors.As(err, &syntax):
		return fmt.Errorf("read body: %w", err)
	}
	return malformed("%s%s", excerpt(err.Error()), g.advice(syntax, scheme))
}

func (g *textGuard) advice(syntax expfmt.ParseError, scheme NameScheme) string {
	switch {
	case g.carriageReturn:
		return ": use LF as the line end, not CR LF"
	case g.byteOrderMark():
		return ": remove the byte order mark at the start of the body"
	case strings.Contains(syntax.Msg, "unexpected end of input"):
		return ": the last line does not end with a newline; add one, and with curl use --data-binary, since --data removes newlines"
	case g.newlines == 0:
		return ": the body has no newline; with curl use --data-binary, since --data removes newlines"
	case scheme == LegacyNames && (strings.Contains(syntax.Msg, "invalid metric name") || strings.Contains(syntax.Msg, "invalid label name")):
		return ": UTF-8 names need --push.enable-utf8-names, other names consist of letters, digits, _ and :"
	}
	return ""
}
