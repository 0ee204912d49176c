package e2e

import (
	"bytes"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
)

// jobJ is how the group that the cases below push to is exposed.
const jobJ = "\ngroup{instance=\"\",job=\"j\"} pushed"

// TestTextContract protects the text format as pushers write it.
func TestTextContract(t *testing.T) {
	var cases []contractCase
	for _, c := range []struct{ name, body, want, comments string }{
		{"the type may be in any case", "# TYPE m COUNTER\nm 1\n# TYPE n GauGe\nn 2\n", "m{instance=\"\",job=\"j\"} 1\nn{instance=\"\",job=\"j\"} 2", "# TYPE m counter\n# TYPE n gauge"},
		{"without a type a metric is untyped", "m 1\n", "m{instance=\"\",job=\"j\"} 1", "# TYPE m untyped"},
		{"help may follow the samples", "m 1\n# HELP m some help\n", "m{instance=\"\",job=\"j\"} 1", "# HELP m some help\n# TYPE m untyped"},
		{"comments and blank lines are skipped", "\n# a comment\n   \nm 1\n#\n\n", "m{instance=\"\",job=\"j\"} 1", ""},
		{"labels may end with a comma", "m{a=\"b\",} 1\nn{} 2\n", "m{a=\"b\",instance=\"\",job=\"j\"} 1\nn{instance=\"\",job=\"j\"} 2", ""},
		{"the name may stand in the braces", "{\"m\",\"a\"=\"b\"} 1\n", "m{a=\"b\",instance=\"\",job=\"j\"} 1", ""},
		{"blanks may surround anything but the end", "  m  { a = \"b\" , c = \"d\" }\t 1\n", "m{a=\"b\",c=\"d\",instance=\"\",job=\"j\"} 1", ""},
		{"values are numbers of Go", "a inf\nb -Inf\nc Infinity\nd nan\ne 1e3\nf -0\ng .5\nh +1\ni 1e-400\nj 123456789\n",
			`a{instance="",job="j"} +Inf
			b{instance="",job="j"} -Inf
			c{instance="",job="j"} +Inf
			d{instance="",job="j"} NaN
			e{instance="",job="j"} 1000
			f{instance="",job="j"} 0
			g{instance="",job="j"} 0.5
			h{instance="",job="j"} 1
			i{instance="",job="j"} 0
			j{instance="",job="j"} 1.23456789e+08`, ""},
		{"families may be interleaved", "m{a=\"1\"} 1\nn{a=\"1\"} 2\nm{a=\"2\"} 3\nn{a=\"2\"} 4\n",
			`m{a="1",instance="",job="j"} 1
			m{a="2",instance="",job="j"} 3
			n{a="1",instance="",job="j"} 2
			n{a="2",instance="",job="j"} 4`, ""},
		{"escapes of the format are kept", "# HELP m a \\\\ b \\n c\nm{a=\"x\\\\y\\\"z\\n\"} 1\n", `m{a="x\\y\"z\n",instance="",job="j"} 1`, "# HELP m a \\\\ b \\n c\n# TYPE m untyped"},
		{"a histogram without an infinite bucket gets one", "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 3\nh_count 5\n",
			`h_bucket{instance="",job="j",le="1"} 2
			h_bucket{instance="",job="j",le="+Inf"} 5
			h_sum{instance="",job="j"} 3
			h_count{instance="",job="j"} 5`, "# TYPE h histogram"},
		{"buckets stay in the order in which they were sent", "# TYPE h histogram\nh_bucket{le=\"5\"} 5\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 7\nh_bucket{le=\"2\"} 3\nh_sum 3\nh_count 7\n",
			`h_bucket{instance="",job="j",le="5"} 5
			h_bucket{instance="",job="j",le="1"} 2
			h_bucket{instance="",job="j",le="+Inf"} 7
			h_bucket{instance="",job="j",le="2"} 3
			h_sum{instance="",job="j"} 3
			h_count{instance="",job="j"} 7`, ""},
		{"a missing sum or count is zero", "# TYPE h histogram\nh_bucket{le=\"1\"} 2\n# TYPE s summary\ns{quantile=\"0.5\"} 2\n",
			`h_bucket{instance="",job="j",le="1"} 2
			h_bucket{instance="",job="j",le="+Inf"} 0
			h_sum{instance="",job="j"} 0
			h_count{instance="",job="j"} 0
			s{instance="",job="j",quantile="0.5"} 2
			s_sum{instance="",job="j"} 0
			s_count{instance="",job="j"} 0`, ""},
		{"counts may be fractions", "# TYPE h histogram\nh_bucket{le=\"1\"} 1.5\nh_bucket{le=\"+Inf\"} 2.5\nh_sum 3\nh_count 2.5\n",
			`h_bucket{instance="",job="j",le="1"} 1.5
			h_bucket{instance="",job="j",le="+Inf"} 2.5
			h_sum{instance="",job="j"} 3
			h_count{instance="",job="j"} 2.5`, ""},
	} {
		cases = append(cases, contractCase{
			name: c.name, steps: []step{put("/metrics/job/j", c.body)}, want: c.want + jobJ, comments: c.comments,
		})
	}
	runContract(t, cases)
}

// TestMalformedContract protects the gateway from what is no text format, and
// pushers from half a push.
func TestMalformedContract(t *testing.T) {
	var cases []contractCase
	for _, c := range []struct{ name, body, text string }{
		{"a type after the samples", "m 1\n# TYPE m gauge\n", "second TYPE line for metric name \"m\", or TYPE reported after samples"},
		{"a blank after the value", "m 1 \n", "line 1"},
		{"a carriage return", "m 1\r\n", "line 1"},
		{"a carriage return after a type", "# TYPE m gauge\r\nm 1\r\n", "line 1"},
		{"a byte order mark", "\ufeffm 1\n", "line 1"},
		{"a hexadecimal value", "m 0x10\n", "line 1"},
		{"underscores in a value", "m 1_000\n", "line 1"},
		{"a value that is too large", "m 1e400\n", "line 1"},
		{"another escape", "m{a=\"\\x41\"} 1\n", "line 1"},
		{"a label given twice", "m{a=\"1\",a=\"2\"} 1\n", "line 1"},
		{"the type unknown", "# TYPE m unknown\nm 1\n", "line 1"},
		{"the type info", "# TYPE m info\nm 1\n", "line 1"},
		{"a second type", "n 1\n# TYPE m gauge\n# TYPE m gauge\nm 1\n", "line 3"},
		{"a second help", "# HELP m a\n# HELP m a\nm 1\n", "line 2"},
		{"no newline at the end", "n 1\nm 1", "--data-binary"},
		{"no value", "n 1\nm\n", "line 2"},
		{"an open quote", "m{a=\"b 1\n", "line 1"},
		{"a name that starts with a digit", "1m 1\n", "line 1"},
		{"a name that is UTF-8", "{\"m.n\"} 1\n", "--push.enable-utf8-names"},
		{"a label name that is UTF-8", "m{\"a.b\"=\"c\"} 1\n", "--push.enable-utf8-names"},
		{"OpenMetrics", "# TYPE m counter\nm_total 1\n# EOF\nm 1 # {a=\"b\"} 1\n", "line 4"},
	} {
		cases = append(cases, contractCase{
			name: c.name + " is refused",
			steps: []step{
				put("/metrics/job/j", c.body).refused(c.text),
				post("/metrics/job/k", c.body).refused(c.text),
			},
		})
	}
	runContract(t, cases)
}

// TestCompressionContract protects the encodings of bodies.
func TestCompressionContract(t *testing.T) {
	const encoding = "Content-Encoding"
	runContract(t, []contractCase{
		{
			name: "gzip in any case",
			steps: []step{
				put("/metrics/job/j", gzipped("m 1\n")).with(encoding, "gzip"),
				post("/metrics/job/j", gzipped("n 2\n")).with(encoding, "GZip"),
			},
			want: "m{instance=\"\",job=\"j\"} 1\nn{instance=\"\",job=\"j\"} 2" + jobJ,
		},
		{
			name:  "gzip of several members",
			steps: []step{put("/metrics/job/j", gzipped("m 1\nn")+gzipped(" 2\n")).with(encoding, "gzip")},
			want:  "m{instance=\"\",job=\"j\"} 1\nn{instance=\"\",job=\"j\"} 2" + jobJ,
		},
		{
			name:  "gzip of nothing is an empty body",
			steps: []step{put("/metrics/job/j", gzipped("")).with(encoding, "gzip")},
			want:  jobJ,
		},
		{
			name:  "framed snappy in any case",
			steps: []step{put("/metrics/job/j", framed("m 1\n")).with(encoding, "snappy"), post("/metrics/job/j", framed("n 2\n")).with(encoding, "SNAPPY")},
			want:  "m{instance=\"\",job=\"j\"} 1\nn{instance=\"\",job=\"j\"} 2" + jobJ,
		},
		{
			name:  "unknown encodings are read as they are",
			steps: []step{put("/metrics/job/j", sample).with(encoding, "identity"), post("/metrics/job/j", "n 2\n").with(encoding, "br")},
			want:  "m{instance=\"\",job=\"j\"} 1\nn{instance=\"\",job=\"j\"} 2" + jobJ,
		},
		{
			name: "bodies that are not what they say are refused",
			steps: []step{
				put("/metrics/job/j", "").with(encoding, "gzip").refused("gzip"),
				put("/metrics/job/j", sample).with(encoding, "gzip").refused("gzip"),
				put("/metrics/job/j", gzipped(sample)[:20]).with(encoding, "gzip").refused("gzip"),
				put("/metrics/job/j", gzipped(sample)+"rest").with(encoding, "gzip").refused("gzip"),
				put("/metrics/job/j", string(snappy.Encode(nil, []byte(sample)))).with(encoding, "snappy").refused("snappy"),
				put("/metrics/job/j", gzipped(sample)).refused(""),
			},
		},
		{
			name:  "a NUL is refused",
			steps: []step{put("/metrics/job/j", "m{a=\"x\x00y\"} 1\n").refused("NUL"), put("/metrics/job/a%00b", sample).refused("NUL"), put("/metrics/job/j", "# HELP m \x00\nm 1\n").refused("NUL")},
			want:  `group{instance="",job="j"} failed`,
		},
		{
			name:  "other content types are read as text",
			steps: []step{put("/metrics/job/j", sample).with("Content-Type", "application/json"), post("/metrics/job/j", "n 2\n").with("Content-Type", "application/vnd.google.protobuf")},
			want:  "m{instance=\"\",job=\"j\"} 1\nn{instance=\"\",job=\"j\"} 2" + jobJ,
		},
		{
			name:  "a large body",
			steps: []step{put("/metrics/job/j", "# HELP m "+strings.Repeat("x", 5<<20)+"\nm 1\n"), put("/metrics/job/j", gzipped("# "+strings.Repeat("x", 5<<20)+"\nm 1\n")).with(encoding, "gzip")},
			want:  "m{instance=\"\",job=\"j\"} 1" + jobJ,
		},
	})
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func framed(text string) string {
	var b bytes.Buffer
	w := snappy.NewBufferedWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}
