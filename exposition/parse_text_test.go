package exposition_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// The bodies and what Pushgateway 1.11 makes of them.
func TestParseText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		want       string // stored JSON
	}{
		{"an empty body", "", `{}`},
		{"a body with comments only", "# hi\n\n#\n#x\n", `{}`},
		{"a family without samples is none", "# TYPE m gauge\n# HELP m x\n", `{}`},
		{"a sample without TYPE is untyped", "m 1\n", `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{"TYPE in any case", "# TYPE m GaUgE\nm 1\n", `{"m":{"type":"gauge","metrics":[{"labels":{},"value":"1"}]}}`},
		{"HELP after samples", "m 1\n# HELP m a\\nb\\\\c\\\"\n", `{"m":{"type":"untyped","help":"a\nb\\c\"","metrics":[{"labels":{},"value":"1"}]}}`},
		{"a comma after the last label", "m{b=\"x\",a=\"y\",} 1\n", `{"m":{"type":"untyped","metrics":[{"labels":{"a":"y","b":"x"},"value":"1"}]}}`},
		{"the name inside the braces", "{\"m\",\"a\"=\"b\"} 1\n", `{"m":{"type":"untyped","metrics":[{"labels":{"a":"b"},"value":"1"}]}}`},
		{"blanks where they may be", "\t m { a = \"b\" , } \t 1\n  ", `{"m":{"type":"untyped","metrics":[{"labels":{"a":"b"},"value":"1"}]}}`},
		{"escapes in a value", "m{a=\"\\\\\\\"\\n\"} 1\n", `{"m":{"type":"untyped","metrics":[{"labels":{"a":"\\\"\n"},"value":"1"}]}}`},
		{"interleaved families", "m{a=\"1\"} 1\nn 2\nm 3\n", `{"m":{"type":"untyped","metrics":[{"labels":{"a":"1"},"value":"1"},{"labels":{},"value":"3"}]},"n":{"type":"untyped","metrics":[{"labels":{},"value":"2"}]}}`},
		{"numbers of all forms", "m{i=\"1\"} inf\nm{i=\"2\"} -Infinity\nm{i=\"3\"} NAN\nm{i=\"4\"} -0\nm{i=\"5\"} 1E6\nm{i=\"6\"} .5\nm{i=\"7\"} +5.\nm{i=\"8\"} 1e-400\n",
			`{"m":{"type":"untyped","metrics":[{"labels":{"i":"1"},"value":"+Inf"},{"labels":{"i":"2"},"value":"-Inf"},{"labels":{"i":"3"},"value":"NaN"},{"labels":{"i":"4"},"value":"-0"},` +
				`{"labels":{"i":"5"},"value":"1e+06"},{"labels":{"i":"6"},"value":"0.5"},{"labels":{"i":"7"},"value":"5"},{"labels":{"i":"8"},"value":"0"}]}}`},
		{"a timestamp", "m 1 -5\n", `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1","timestamp_ms":"-5"}]}}`},
		{"buckets in the order of the push, without +Inf", "# TYPE h histogram\nh_bucket{le=\"2\"} 2\nh_bucket{le=\"1\"} 1\nh_count 3\n",
			`{"h":{"type":"histogram","metrics":[{"labels":{},"count":"3","sum":"0","buckets":[["2","2"],["1","1"]]}]}}`},
		{"fractional counts make a float histogram", "# TYPE h histogram\nh_bucket{le=\"1\"} 0.5\nh_bucket{le=\"2\"} 1\nh_count 1\nh_sum 9\n",
			`{"h":{"type":"histogram","metrics":[{"labels":{},"float":true,"count":"1","sum":"9","buckets":[["1","0.5"],["2","1"]]}]}}`},
		{"a count that is not a number", "# TYPE h histogram\nh_count NaN\n",
			`{"h":{"type":"histogram","metrics":[{"labels":{},"float":true,"count":"NaN","sum":"0","buckets":[]}]}}`},
		{"gauge histograms in both spellings", "# TYPE g gauge_histogram\ng_count 1\n# TYPE h gaugehistogram\nh_count 1\n",
			`{"g":{"type":"gauge_histogram","metrics":[{"labels":{},"count":"1","sum":"0","buckets":[]}]},"h":{"type":"gauge_histogram","metrics":[{"labels":{},"count":"1","sum":"0","buckets":[]}]}}`},
		{"a summary", "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.9\"} NaN\ns_sum 3\ns_count 2\n",
			`{"s":{"type":"summary","metrics":[{"labels":{},"count":"2","sum":"3","quantiles":[["0.5","1"],["0.9","NaN"]]}]}}`},
		{"the end marker of OpenMetrics is a comment", "m 1\n# EOF\n", `{"m":{"type":"untyped","metrics":[{"labels":{},"value":"1"}]}}`},
		{"the last sum counts", "# TYPE s summary\ns_sum 3\ns_sum 4\n", `{"s":{"type":"summary","metrics":[{"labels":{},"count":"0","sum":"4","quantiles":[]}]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			families, err := exposition.ParseText(strings.NewReader(c.body), exposition.LegacyNames)
			if err != nil {
				t.Fatal(err)
			}
			requireStored(t, families, c.want)
		})
	}
}

func TestParseTextRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		want       string // in the error
	}{
		{"a space after the value", "m 1 \n", "line 1"},
		{"a carriage return", "n 1\nm 1\r\n", "LF"},
		{"a carriage return in TYPE", "# TYPE m gauge\r\nm 1\n", "LF"},
		{"a carriage return in an empty line", "\r\nm 1\n", "LF"},
		{"a byte order mark", "\ufeffm 1\n", "byte order mark"},
		{"hex", "m 0x10\n", `"0x10"`},
		{"a float in hex", "m 0x1p4\n", `"0x1p4"`},
		{"an underscore in a number", "m 1_000\n", `"1_000"`},
		{"an overflow", "m 1e400\n", `"1e400"`},
		{"a sign before NaN", "m +nan\n", `"+nan"`},
		{"no value", "m\n", "line 1"},
		{"an unknown escape in a value", `m{a="\x41"} 1` + "\n", "line 1"},
		{"an unknown escape in HELP", "m 1\n# HELP m \\x\n", "line 2"},
		{"an escaped line end", "m{a=\"x\\\n\"} 1\n", "line 1"},
		{"a duplicate label name", `m{a="1",a="1"} 1` + "\n", "duplicate label"},
		{"the type unknown", "# TYPE m unknown\nm 1\n", "unknown metric type"},
		{"the type info", "# TYPE m info\nm 1\n", "unknown metric type"},
		{"a second TYPE", "# TYPE m gauge\n# TYPE m gauge\nm 1\n", "line 2"},
		{"a second HELP", "# HELP m a\n# HELP m a\nm 1\n", "line 2"},
		{"TYPE after samples", "m 1\n# TYPE m gauge\n", "line 2"},
		{"no newline at the end", "n 1\nm 1", "--data-binary"},
		{"no newline after a comment", "m 1\n# x", "--data-binary"},
		{"a UTF-8 name", "{\"m.n\"} 1\n", "--push.enable-utf8-names"},
		{"a UTF-8 label name", "m{\"a.b\"=\"c\"} 1\n", "--push.enable-utf8-names"},
		{"newlines that curl removed", "m 1n 2", "--data-binary"},
		{"an exemplar", "# TYPE m counter\nm 1 # {a=\"b\"} 1\n", "line 2"},
		{"the name as a label", `m{__name__="x"} 1` + "\n", "reserved"},
		{"invalid UTF-8 in a label value", "m{a=\"\xff\"} 1\n", "invalid label value"},
		{"a UTF-8 name without UTF-8 names", `{"m.x"} 1` + "\n", "invalid metric name"},
		{"braces without a name", "{} 1\n", "invalid metric name"},
		{"a negative count", "# TYPE h histogram\nh_count -1\n", "negative count"},
		{"what makes the library panic", "# TYPE s summary\n# TYPE g gauge\n{\"s\",a=\"b\"} 1\n", "TYPE line"},
		{"labels of an earlier line in great number", "# TYPE s summary\ns{" + manyLabels(100) + "} 1\ng 1\n{\"s\"} 1\n", "TYPE line"},
		{"a blank after the timestamp", "m 1 2 \n", "after timestamp"},
		{"a name within the braces after another", "{\"m\",\"n\"} 1\n", "multiple metric names"},
		{"a name within the braces after one before", "m{\"n\"} 1\n", "expected '='"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := exposition.ParseText(strings.NewReader(c.body), exposition.LegacyNames)
			requireRefusal(t, err, exposition.ErrMalformed)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
		})
	}
}

// The whole text where it matters most, that is for what pushers do most often.
func TestParseTextSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want string }{
		{"m 1", "line 1: unexpected end of input stream: the last line does not end with a newline; add one, and with curl use --data-binary, since --data removes newlines"},
		{"m 1n 2", `line 1: expected float as value, got "1n": the body has no newline; with curl use --data-binary, since --data removes newlines`},
		{"n 1\nm 1\r\n", `line 2: expected float as value, got "1\r": use LF as the line end, not CR LF`},
		{"\ufeffm 1\n", `line 1: invalid metric name "\ufeffm": remove the byte order mark at the start of the body`},
		{"m 1 \n", "line 1: expected integer as timestamp, got nothing: remove the blanks at the end of the line"},
		{"{\"m.n\"} 1\n", `line 1: invalid metric name "m.n": UTF-8 names need --push.enable-utf8-names, other names consist of letters, digits, _ and :`},
		{"{a=\"b\"} 1\n", `line 1: invalid metric name "": a name is missing here`},
		{"m{a=\"b\",a=\"c\"} 1\n", `line 1: duplicate label names: "a" is given twice`},
		{"# TYPE m info\n", `line 1: unknown metric type "info": use counter, gauge, histogram, summary or untyped`},
		{"m{a=\"b} 1\n", `line 1: no closing quote after "b} 1"`},
	} {
		_, err := exposition.ParseText(strings.NewReader(c.body), exposition.LegacyNames)
		if want := "text format parsing error in " + c.want; err == nil || err.Error() != want {
			t.Errorf("%q: got\n%v, want\n%s", c.body, err, want)
		}
	}
}

func TestParseTextOfHugeTokensGivesAShortError(t *testing.T) {
	t.Parallel()
	_, err := exposition.ParseText(strings.NewReader("m "+strings.Repeat("\xe2\x82\xac", 1<<20)+"\n"), exposition.LegacyNames)
	requireRefusal(t, err, exposition.ErrMalformed)
}

func TestParseTextCountsLabelsOnly(t *testing.T) {
	t.Parallel()
	signs := strings.Repeat("=\\\"", 1000)
	body := "# " + signs + "\nm{a=\"" + signs + "\"} 1\n#" + strings.Repeat("=", 1000) + "\n"
	if _, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames); err != nil {
		t.Error(err)
	}
}

// What a body takes in memory grows with its size, and no faster.
func TestParseTextTakesLittleMemory(t *testing.T) {
	// Not parallel: it counts allocations.
	const most = 100 // bytes for each byte of the body, garbage included
	numbered := func(line string) string {
		var b strings.Builder
		for i := range 50_000 {
			b.WriteString(strings.ReplaceAll(line, "#", fmt.Sprint(i)))
		}
		return b.String()
	}
	for _, c := range []struct{ name, body string }{
		{"blanks", numbered(" \n")},
		{"short samples", numbered("m 1\n")},
		{"a family in each line", numbered("m# 1\n")},
		{"two families in turn", numbered("m 1\nn 1\n")},
		{"many families in turn", strings.Repeat(numbered("m# 1\n")[:6890], 70)},
		{"many labels", "m{" + numbered("a#=\"\",") + "} 1\n"},
		{"many labels in the wrong order", "m{" + numbered("a#=\"\",") + "A=\"\"} 1\n"},
		{"buckets", "# TYPE h histogram\n" + numbered("h{le=\"1\"}1\n")},
		{"histograms", "# TYPE h histogram\n" + numbered("h{a=\"#\",le=\"1\"}1\n")},
		{"summaries", "# TYPE s summary\n" + numbered("s{a=\"#\",quantile=\"1\"}1\n")},
		{"an identity that lines inherit", "# TYPE s summary\ns{" + manyLabels(60) + "} 1\n" + numbered("g 1\n{\"s\"} 1\n")},
		{"timestamps", numbered("m 1 1\n")},
		{"escapes", "m{" + numbered("a#=\"\\n\",") + "} 1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := exposition.ParseText(strings.NewReader(c.body), exposition.LegacyNames); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > most*uint64(len(c.body)) {
				t.Errorf("%d bytes allocated for a body of %d", allocated, len(c.body))
			}
		})
	}
}

func TestParseTextTakesManyLabels(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"m{" + manyLabels(100_000) + "} 1\n", strings.Repeat("m{"+manyLabels(200)+"} 1\n", 1000)} {
		if _, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames); err != nil {
			t.Error(err)
		}
	}
}

func manyLabels(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "label_%d=\"some value\",", i)
	}
	return b.String()
}

// The parser is used again: nothing of what it returned may change by that.
func TestParseTextReturnsWhatIsTheCallers(t *testing.T) {
	t.Parallel()
	const body = "# TYPE h histogram\n# HELP h a\\nb\nh_bucket{a=\"b\\n\",le=\"1\"} 1 5\n{\"g\",a=\"x\"} 1\n"
	families, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	before := describe(families)
	for range 100 {
		other := strings.NewReplacer("a", "c", "b\\", "zz\\", "1", "7").Replace(body)
		if _, err := exposition.ParseText(strings.NewReader(other), exposition.LegacyNames); err != nil && !errors.Is(err, exposition.ErrMalformed) {
			t.Fatal(err)
		}
	}
	if after := describe(families); after != before {
		t.Errorf("got\n%s, was\n%s", after, before)
	}
}

func TestParseTextReturnsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection is gone")
	for _, body := range []string{"", "m 1\n", "m 1", "# HELP", `m{a="`} {
		_, err := exposition.ParseText(io.MultiReader(strings.NewReader(body), iotest.ErrReader(broken)), exposition.LegacyNames)
		if !errors.Is(err, broken) || errors.Is(err, exposition.ErrMalformed) {
			t.Errorf("%q: got %v", body, err)
		}
	}
}

func TestParseTextWithUTF8Names(t *testing.T) {
	t.Parallel()
	body := "# TYPE \"my.h\" histogram\n# HELP \"my.h\" x\n{\"my.h_bucket\",\"a.b\"=\"1\",le=\"+Inf\"} 1\n{\"my.h_count\",\"a.b\"=\"1\"} 1\n"
	families, err := exposition.ParseText(strings.NewReader(body), exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	requireStored(t, families, `{"my.h":{"type":"histogram","help":"x","metrics":[{"labels":{"a.b":"1"},"count":"1","sum":"0","buckets":[["+Inf","1"]]}]}}`)
}

func TestShapesOfUTF8LabelNames(t *testing.T) {
	t.Parallel()
	a, err := exposition.NewGroupingKey(map[string]string{"job": "j", "xÿy": "1"}, exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	b, err := exposition.NewGroupingKey(map[string]string{"job": "j", "x": "1", "y": "1"}, exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	if a.Shape() == b.Shape() {
		t.Errorf("%v and %v have one shape", a, b)
	}
}
