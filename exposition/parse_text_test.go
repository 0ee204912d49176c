package exposition_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

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
		{"too many labels in a sample", "n 1\nm{" + manyLabels(2000) + "} 1\n", "too many labels"},
		{"too many labels in many samples", strings.Repeat("m{"+manyLabels(200)+"} 1\n", 500), "too many labels"},
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

func TestParseTextAllowsManyLabels(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"m{" + manyLabels(1400) + "} 1\n", strings.Repeat("m{"+manyLabels(50)+"} 1\n", 1000)} {
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

// FuzzParseText holds the parser against expfmt's, and what it accepts against
// the rest of a push's way.
func FuzzParseText(f *testing.F) {
	for _, seed := range []string{
		"m 1\n", "m 1", "# TYPE m gauge\nm{a=\"b\"} +Inf 5\n", "m 1\r\n", "\ufeffm 1\n", "m{a=\"1\",a=\"1\"} 1\n",
		"# TYPE s summary\n# TYPE g gauge\n{\"s\",a=\"b\"} 1\n", "m{a=\"x\\\n\"} 1\n", "{\"m.x\",\"a.b\"=\"c\"} NaN\n",
		"# TYPE h histogram\nh_bucket{le=\"1\"} 0.5\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
		"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n", "# HELP m \xff\nm 1\n", "m{a=\"\x00\"} 1\n", "m{__a=\"\"} 1\nm{instance=\"\"} -0\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, body string, utf8 bool) {
		families, err := exposition.ParseText(strings.NewReader(body), scheme(utf8))
		if library := expfmtError(body, utf8); (err == nil) != (library == nil) && strings.Count(body, "=") <= 1400 {
			t.Fatalf("got %v, expfmt says %v", err, library)
		}
		if err != nil {
			requireRefusal(t, err, exposition.ErrMalformed)
			return
		}
		requireNormalizes(t, families, scheme(utf8))
	})
}

func expfmtError(body string, utf8 bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("panic")
		}
	}()
	validation := model.LegacyValidation
	if utf8 {
		validation = model.UTF8Validation
	}
	parser := expfmt.NewTextParser(validation)
	_, err = parser.TextToMetricFamilies(strings.NewReader(body))
	return err
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
