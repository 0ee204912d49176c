package exposition_test

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// parseByLibrary is ParseText made of expfmt's parser. Where that panics it
// returns an error.
func parseByLibrary(body string, names exposition.NameScheme) (_ []exposition.Family, err error) {
	defer func() {
		cause := recover()
		if _, bug := cause.(runtime.Error); bug {
			err = errors.New("panic")
		} else if cause != nil {
			panic(cause)
		}
	}()
	validation := model.LegacyValidation
	if names == exposition.UTF8Names {
		validation = model.UTF8Validation
	}
	parser := expfmt.NewTextParser(validation)
	messages, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	return exposition.FamiliesFromProto(slices.Collect(maps.Values(messages)))
}

// requireAsLibrary fails unless ParseText makes of the body what expfmt does.
func requireAsLibrary(t *testing.T, body string, names exposition.NameScheme) ([]exposition.Family, error) {
	t.Helper()
	got, err := exposition.ParseText(strings.NewReader(body), names)
	want, wantErr := parseByLibrary(body, names)
	switch {
	case err != nil && strings.Contains(err.Error(), "must follow its TYPE line") && strings.Count(body, "=") > 64:
		// The exception that ParseText documents.
	case (err == nil) != (wantErr == nil):
		t.Fatalf("%q: got the error %v, expfmt's is %v", body, err, wantErr)
	case err == nil && !slices.EqualFunc(got, want, sameFamily):
		t.Fatalf("%q: got\n%s, expfmt gives\n%s", body, describe(got), describe(want))
	}
	return got, err
}

func sameFamily(a, b exposition.Family) bool {
	return a.Name == b.Name && a.Help == b.Help && a.Unit == b.Unit && a.Type == b.Type &&
		slices.EqualFunc(a.Metrics, b.Metrics, sameMetric)
}

func sameMetric(a, b exposition.Metric) bool {
	return slices.Equal(a.Labels, b.Labels) && same(a.TimestampMs, b.TimestampMs, func(a, b int64) bool { return a == b }) &&
		sameBits(a.Value, b.Value) && same(a.Summary, b.Summary, sameSummary) && same(a.Histogram, b.Histogram, sameHistogram) &&
		a.Exemplar == nil && b.Exemplar == nil && a.Created.Equal(b.Created)
}

func same[T any](a, b *T, equal func(a, b T) bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return equal(*a, *b)
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func sameSummary(a, b exposition.SummaryValue) bool {
	return a.Count == b.Count && sameBits(a.Sum, b.Sum) && slices.EqualFunc(a.Quantiles, b.Quantiles, func(a, b exposition.Quantile) bool {
		return sameBits(a.Quantile, b.Quantile) && sameBits(a.Value, b.Value)
	})
}

func sameHistogram(a, b exposition.HistogramValue) bool {
	return a.Float == b.Float && a.Count == b.Count && sameBits(a.CountFloat, b.CountFloat) && sameBits(a.Sum, b.Sum) &&
		a.Native == b.Native && len(a.Exemplars)+len(b.Exemplars) == 0 &&
		slices.EqualFunc(a.Buckets, b.Buckets, func(a, b exposition.Bucket) bool {
			return sameBits(a.UpperBound, b.UpperBound) && a.Count == b.Count && sameBits(a.CountFloat, b.CountFloat) && a.Exemplar == b.Exemplar
		})
}

// textGenerator makes bodies of few names, so that their lines have to do with
// each other.
type textGenerator struct {
	*rand.Rand
	b   []byte
	odd int // how many percent of the pieces are unusual ones, which most often are errors
}

func newTextGenerator(seed uint64) *textGenerator {
	return &textGenerator{Rand: rand.New(rand.NewPCG(seed, 0))}
}

// pieces are what a place of a line may hold.
type pieces struct{ usual, odd []string }

var (
	textNames = pieces{
		[]string{"s", "s", "s_count", "s_sum", "h", "h_bucket", "h_bucket", "h_count", "h_sum", "g", "g", "t", "t_count", "m", "a:b", "s_bucket", "g_sum", "h_bucket_count"},
		[]string{`"s"`, `"h_sum"`, `"x.y"`, `s"t"`, `"ü"`, `"a\nb"`, `"a\\b\""`, `"a\x"`, `""`, `"`, "1m", "", "s-", "\xff", `"s""t"`, `"a` + "\xff" + `"`, `_"_"`, "_count"},
	}
	textInsideNames = pieces{
		[]string{`"s"`, `"s_count"`, `"s_sum"`, `"h"`, `"h_bucket"`, `"h_count"`, `"g"`, `"t"`, "s", "m", `"a:b"`},
		[]string{`"x.y"`, "a:b", `"ü"`, `""`, `"`, `"h_\x"`, "", "1"},
	}
	textLabels = pieces{
		[]string{"a", "b", "c", "d", "ab", "job"},
		[]string{`"a"`, `"x.y"`, `a"b"`, "__name__", "1", "", "a:b", "__a", `""`, "le", "quantile"},
	}
	textValues = pieces{
		[]string{"", "1", "x", "y", `\\`, `\"`, `\n`, "ü", "}", "a b", "{a=,#"},
		[]string{`\x`, "\xff", "\x00", `\`, `"`},
	}
	textBounds = pieces{
		[]string{"0.5", "0.9", "1", "2", "+Inf", "NaN", "-0", "0"},
		[]string{"", "x", "0x1p4", "1_0", "1e400", `0\\`, "1\xff"},
	}
	textNumbers = pieces{
		[]string{
			"0", "1", "2", "3", "-0", "0.5", "1e30", "1e19", "18446744073709551615", "18446744073709551616", "9223372036854775808", "9007199254740993", "1e-400",
			"NaN", "nan", "Inf", "+Inf", "infinity", ".5", "5.", "+5", "1e5", "1E+5", "0.1e1", "00012", "4503599627370496.5",
			"12345678901234567890123456789012345678901234567890", "0.1234567890123456789012345678901234567890",
		},
		[]string{"-1", "-Inf", "-iNf", "-0.5", "+nan", "-NaN", "1e400", "0x10", "0x1p4", "0X1P-2", "1_000", "0x_1p1", "1e", ".", "", "--5", "1\r", "٣"},
	}
	textTimes  = pieces{[]string{"0", "1", "-5", "+5", "1700000000000", "9223372036854775807"}, []string{"9223372036854775808", "1.5", "1_0", "", "x", "1 ", "1 x"}}
	textTypes  = pieces{[]string{"summary", "histogram", "gauge", "counter", "untyped", "gauge_histogram", "gaugehistogram", "HistoGram", "ſummary", "hıstogram", "gau\\ge"}, []string{"unknown", "", "gauge ", "gauge\r", "summary x"}}
	textHelps  = pieces{[]string{"", "x", `a\nb`, `a\\b`, `a\"b`, "ü\xff", "a  b ", "x\r", "# TYPE s gauge"}, []string{`\x`, `\`}}
	textBlanks = pieces{[]string{""}, []string{" ", "\t", "  ", " \t "}}
	textSpaces = pieces{[]string{" "}, []string{"", "\t", "  ", " \t "}}
	textOthers = pieces{[]string{"", "x", "help s x", "EOF", "HELP", "TYPEs x"}, []string{"TYPE"}}
)

func (g *textGenerator) chance(percent int) bool { return g.IntN(100) < percent }

func (g *textGenerator) add(s string) { g.b = append(g.b, s...) }

func (g *textGenerator) any(p pieces) {
	from := p.usual
	if g.chance(g.odd) {
		from = p.odd
	}
	g.add(from[g.IntN(len(from))])
}

func (g *textGenerator) label() {
	bound := g.chance(40)
	if bound {
		g.add([]string{"le", "quantile", "le", "quantile", `"le"`}[g.IntN(5)])
	} else {
		g.any(textLabels)
	}
	g.any(textBlanks)
	g.add("=")
	g.any(textBlanks)
	g.add(`"`)
	if bound {
		g.any(textBounds)
	} else {
		g.any(textValues)
	}
	g.add(`"`)
}

func (g *textGenerator) labels(nameInside bool) {
	g.add("{")
	parts, name := g.IntN(3), -1
	if nameInside {
		parts++
		name = g.IntN(parts) * g.IntN(2)
	}
	for i := range parts {
		g.any(textBlanks)
		if i == name {
			g.any(textInsideNames)
		} else {
			g.label()
		}
		g.any(textBlanks)
		if i+1 < parts || g.chance(20) {
			g.add(",")
		}
	}
	g.any(textBlanks)
	g.add("}")
}

func (g *textGenerator) sample() {
	g.any(textBlanks)
	switch g.IntN(10) {
	case 0, 1:
		g.labels(true)
	case 2, 3, 4:
		g.any(textNames)
	default:
		g.any(textNames)
		g.any(textBlanks)
		g.labels(false)
	}
	g.any(textSpaces)
	g.any(textNumbers)
	if g.chance(8) {
		g.any(textSpaces)
		g.any(textTimes)
	}
}

func (g *textGenerator) comment(keyword string, about pieces) {
	g.add("#")
	g.any(textSpaces)
	g.add(keyword)
	g.any(textSpaces)
	g.any(textNames)
	g.any(textSpaces)
	g.any(about)
}

func (g *textGenerator) line() {
	switch g.IntN(20) {
	case 0:
		g.any(textBlanks)
	case 1:
		g.comment("HELP", textHelps)
	case 2:
		g.comment("TYPE", textTypes)
	case 3:
		g.add("# ")
		g.any(textOthers)
	default:
		g.sample()
	}
}

// body makes a body, now and then with a byte that does not belong there.
func (g *textGenerator) body() string {
	g.b, g.odd = g.b[:0], []int{0, 0, 1, 3, 20, 50}[g.IntN(6)]
	for _, typ := range []string{"# TYPE s summary\n", "# TYPE h histogram\n", "# TYPE t summary\n", "# TYPE m gauge_histogram\n"} {
		if g.chance(50) {
			g.add(typ)
		}
	}
	for range g.IntN(12) {
		if g.chance(g.odd) {
			g.soup()
		} else {
			g.line()
		}
		g.add("\n")
	}
	if g.chance(g.odd) && len(g.b) > 0 {
		g.b = g.b[:len(g.b)-1]
	}
	if g.chance(20) && len(g.b) > 0 {
		g.mutate(g.IntN(len(g.b)))
	}
	return string(g.b)
}

// soup adds what could be anything.
func (g *textGenerator) soup() {
	const letters = "sht_:{}{}\"\"\"\"==,,  \t\\\\n019.+-#\r\x00\xc3\xbc"
	g.add([]string{"", "", "s", "{", "s{", "# TYPE ", "# HELP ", "s{a=\"", "{\"s\"", "h "}[g.IntN(10)])
	for range g.IntN(16) {
		g.b = append(g.b, letters[g.IntN(len(letters))])
	}
}

func (g *textGenerator) mutate(i int) {
	const bytes = "\"\\\n{}=, #_\r\x00\xff"
	c := bytes[g.IntN(len(bytes))]
	switch g.IntN(4) {
	case 0:
		g.b[i] = byte(g.IntN(256))
	case 1:
		g.b[i] = c
	case 2:
		g.b = slices.Delete(g.b, i, i+1)
	case 3:
		g.b = slices.Insert(g.b, i, c)
	}
}

func TestParseTextDoesAsTheLibrary(t *testing.T) {
	t.Parallel()
	g := newTextGenerator(1)
	for range 20_000 {
		requireAsLibrary(t, g.body(), scheme(g.chance(50)))
	}
}

func textSeeds() []string {
	seeds := []string{
		"m 1\n", "m 1", "# TYPE m gauge\nm{a=\"b\"} +Inf 5\n", "m 1\r\n", "\ufeffm 1\n", "m{a=\"1\",a=\"1\"} 1\n",
		"# TYPE s summary\n# TYPE g gauge\n{\"s\",a=\"b\"} 1\n", "m{a=\"x\\\n\"} 1\n", "{\"m.x\",\"a.b\"=\"c\"} NaN\n",
		"# TYPE h histogram\nh_bucket{le=\"1\"} 0.5\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
		"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n", "# HELP m \xff\nm 1\n", "m{a=\"\x00\"} 1\n", "m{__a=\"\"} 1\nm{instance=\"\"} -0\n",
		"# TYPE s summary\n# TYPE t summary\n{\"s\",a=\"b\"} 1\nt{a=\"b\"} 2\n", "# TYPE s summary\ns{a=\"1\",quantile=\"0.5\"} 1\ng 1\n{\"s\",b=\"2\"} 5\n",
		"# TYPE h histogram\nh_count 1\nh_count 0.5\nh_count 3\nh_bucket{le=\"1\"} 1e30\n", "# TYPE gau\\ge gau\\ge\n", "m\"x\"{a\"b\"=\"c\"}5 6\n",
	}
	g := newTextGenerator(2)
	for range 100 {
		seeds = append(seeds, g.body())
	}
	return seeds
}

// FuzzTextAgainstLibrary holds the parser against expfmt's.
func FuzzTextAgainstLibrary(f *testing.F) {
	for _, seed := range textSeeds() {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, body string, utf8 bool) {
		requireAsLibrary(t, body, scheme(utf8))
	})
}

// FuzzParseText holds what the parser accepts against the rest of a push's way.
func FuzzParseText(f *testing.F) {
	for _, seed := range textSeeds() {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, body string, utf8 bool) {
		families, err := exposition.ParseText(strings.NewReader(body), scheme(utf8))
		if err != nil {
			requireRefusal(t, err, exposition.ErrMalformed)
			return
		}
		requireNormalizes(t, families, scheme(utf8))
	})
}
