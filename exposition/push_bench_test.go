package exposition_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// benchmarkBody is a push of ten families with two series each: 2 kB.
func benchmarkBody() string { return benchmarkBodyOf(10, 2) }

func benchmarkBodyOf(families, series int) string {
	var b strings.Builder
	for i := range families {
		name := fmt.Sprintf("backup_table_%d_rows_total", i)
		fmt.Fprintf(&b, "# HELP %s Rows that the last backup wrote, family %d.\n# TYPE %s gauge\n", name, i, name)
		for j := range series {
			fmt.Fprintf(&b, "%s{database=\"orders\",table=\"t%d\"} %d.5\n", name, j, 1000*i+j)
		}
	}
	return b.String()
}

// BenchmarkParseText compares with expfmt's parser in the same run.
func BenchmarkParseText(b *testing.B) {
	parsers := []struct {
		name  string
		parse func(body string, names exposition.NameScheme) ([]exposition.Family, error)
	}{
		{"expfmt", parseByLibrary},
		{"ours", func(body string, names exposition.NameScheme) ([]exposition.Family, error) {
			return exposition.ParseText(strings.NewReader(body), names)
		}},
	}
	for _, series := range []int{1, 20, 1000, 20_000} {
		body := benchmarkBodyOf(min(series, 10), max(series/10, 1))
		for _, p := range parsers {
			b.Run(fmt.Sprintf("series=%d/%s", series, p.name), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.parse(body, exposition.LegacyNames); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkNormalize(b *testing.B) {
	families, key := parseBody(b, benchmarkBody()), parseKey(b, "job/backup/instance/db1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := exposition.Normalize(key, families, exposition.Rules{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendFamilies(b *testing.B) {
	families := normalized(b, "job/backup", benchmarkBody())
	var stored []byte
	b.ReportAllocs()
	for b.Loop() {
		stored = exposition.AppendFamilies(stored[:0], families)
	}
	b.SetBytes(int64(len(stored)))
}

func BenchmarkDecodeFamilies(b *testing.B) {
	stored := exposition.AppendFamilies(nil, normalized(b, "job/backup", benchmarkBody()))
	b.SetBytes(int64(len(stored)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := exposition.DecodeFamilies(stored); err != nil {
			b.Fatal(err)
		}
	}
}
