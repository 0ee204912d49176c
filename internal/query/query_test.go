package query_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/query"
)

func TestSelect(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"job": "backup", "instance": "db1"}
	families := []string{"backup_rows", "backup_seconds"}
	tests := []struct {
		selectors string // separated by spaces
		want      bool
	}{
		{``, true},
		{`backup_rows`, true},
		{`rows`, false},
		{`{__name__=~"backup_.*"}`, true},
		{`{__name__=~"backup_.*",__name__!="backup_rows"}`, true},
		{`{__name__!~"backup_.*"}`, false},
		{`{"backup_rows"}`, true},
		{`{job="backup"}`, true},
		{`{job="back"}`, false},
		{`{job=~"back"}`, false},
		{`{job=~"back.*",instance!="db2"}`, true},
		{`backup_rows{instance="db2"}`, false},
		{`{zone=""}`, true},
		{`{zone!=""}`, false},
		{`{zone=~".*"}`, true},
		{`rows {job="backup"}`, true},
		{`rows {job="other"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.selectors, func(t *testing.T) {
			t.Parallel()
			s, err := query.ParseSelectors(strings.Fields(tt.selectors))
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Select(func(name string) string { return labels[name] }, slices.Values(families)); got != tt.want {
				t.Errorf("selected: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSelectorsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `a{b}`, `{a="b"} `[:4], `{a=~"("}`, "a + b", "a[5m]", "a{}\n{}", strings.Repeat("a", 5000), `{a=~"((a{100}){10}){10}b{1000}c{1000}"}`, "a\xff"} {
		_, err := query.ParseSelectors([]string{text})
		if err == nil {
			t.Errorf("%.20q is a selector", text)
			continue
		}
		if strings.Contains(strings.ReplaceAll(err.Error(), text, ""), "\n") || !strings.HasPrefix(err.Error(), "match[]") {
			t.Errorf("%.20q: the error is %q", text, err)
		}
	}
}

func TestJobOfSelectors(t *testing.T) {
	t.Parallel()
	for selectors, want := range map[string]string{
		``:                            "",
		`{job="a"}`:                   "a",
		`m{job="a",x="y"} n{job="a"}`: "a",
		`{job="a"} {job="b"}`:         "",
		`{job="a"} m`:                 "",
		`{job=~"a"}`:                  "",
	} {
		s, err := query.ParseSelectors(strings.Fields(selectors))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Job(); got != want || ok != (want != "") {
			t.Errorf("%s: the job is %q, %v, want %q", selectors, got, ok, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-01-31T12:00:00Z":           "2026-01-31T12:00:00.000000Z",
		"2026-01-31T12:00:00.1234567Z":   "2026-01-31T12:00:00.123456Z",
		"2026-01-31T12:00:00.5+01:30":    "2026-01-31T10:30:00.500000Z",
		"1700000000":                     "2023-11-14T22:13:20.000000Z",
		"1700000000.123457":              "2023-11-14T22:13:20.123457Z",
		"1.7e9":                          "2023-11-14T22:13:20.000000Z",
		"-0.5":                           "1969-12-31T23:59:59.500000Z",
		"0":                              "1970-01-01T00:00:00.000000Z",
		"":                               "",
		"now":                            "",
		"NaN":                            "",
		"+Inf":                           "",
		"1e30":                           "",
		"-1e12":                          "",
		"2026-01-31":                     "",
		"2026-13-31T12:00:00Z":           "",
		"9999-12-31T23:59:59.9999999Z":   "",
		"0001-01-01T00:00:00+01:00":      "",
		"2026-01-31T12:00:00Z; DROP 'x'": "",
	} {
		got, err := query.ParseTime(text)
		if (err == nil) != (want != "") || err == nil && query.FormatTime(got) != want {
			t.Errorf("%q is %s, %v, want %s", text, query.FormatTime(got), err, want)
		}
	}
}

func TestCursorsComeBack(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	key, err := exposition.NewGroupingKey(map[string]string{"job": "j", "l": "\"é\n"}, exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	row := query.RowCursor{At: at, Seq: 7}
	if got, err := query.ParseRowCursor(row.String()); err != nil || got != row {
		t.Errorf("%+v came back as %+v: %v", row, got, err)
	}
	job := query.JobCursor{Job: "é"}
	if got, err := query.ParseJobCursor(job.String()); err != nil || got != job {
		t.Errorf("%+v came back as %+v: %v", job, got, err)
	}
	for _, group := range []query.GroupCursor{{Sort: "pushed_at", At: at, Key: key}, {Sort: "pushed_at", Key: key}} {
		got, err := query.ParseGroupCursor(group.String(), "pushed_at")
		if err != nil || got.Sort != group.Sort || !got.At.Equal(group.At) || got.Key.Compare(key) != 0 {
			t.Errorf("%+v came back as %+v: %v", group, got, err)
		}
		if _, err := query.ParseGroupCursor(group.String(), "job"); err == nil {
			t.Error("a cursor of another order is accepted")
		}
		if _, err := query.ParseRowCursor(group.String()); err == nil {
			t.Error("a cursor of groups is accepted as one of the history")
		}
	}
}

func TestCursorsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "null", "{}", `{"at":1}`, `{"seq":1}`, `{"at":1,"seq":-1}`, `{"at":1,"seq":1,"x":1}`, `{"at":1,"seq":1}{}`, `{"at":9e18,"seq":1}`,
		`{"at":9223372036854775807,"seq":1}`, `{"at":1,"seq":1.5}`, `{"job":""}`, `{"sort":"job"}`, `{"sort":"job","labels":{"a":"b"}}`, `[]`,
	} {
		encoded := base64.RawURLEncoding.EncodeToString([]byte(text))
		if c, err := query.ParseRowCursor(encoded); err == nil {
			t.Errorf("%s is the place %+v in the history", text, c)
		}
		if c, err := query.ParseGroupCursor(encoded, "job"); err == nil {
			t.Errorf("%s is the place %+v among groups", text, c)
		}
		if c, err := query.ParseJobCursor(encoded); err == nil {
			t.Errorf("%s is the place %+v among jobs", text, c)
		}
	}
	for _, text := range []string{"!", "eyJhdCI6MSwic2VxIjoxfQ==", "é"} {
		if _, err := query.ParseRowCursor(text); err == nil {
			t.Errorf("%s is a cursor", text)
		}
	}
}

func FuzzParseSelectors(f *testing.F) {
	for _, seed := range []string{`a`, `{a="b"}`, `a{b=~"c.*",d!~"e|f",g!="h"}`, `{"x.y",a='b'}`, "{", "a{b=~\"(\"}", "{`a`=`b`}"} {
		f.Add(seed, "job", "backup")
	}
	f.Fuzz(func(t *testing.T, text, name, value string) {
		s, err := query.ParseSelectors([]string{text})
		if err != nil {
			return
		}
		label := func(n string) string {
			if n == name {
				return value
			}
			return ""
		}
		selected := s.SelectSeries(label, value)
		if job, ok := s.Job(); ok && selected && label("job") != job {
			t.Errorf("%q demands the job %q and selects %q", text, job, label("job"))
		}
	})
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2026-01-31T12:00:00.5Z", "1700000000.5", "-1", "1e9", "NaN", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := query.ParseTime(text)
		if err != nil {
			return
		}
		if again, err := query.ParseTime(query.FormatTime(at)); err != nil || !again.Equal(at) {
			t.Errorf("%q is %v, which came back as %v: %v", text, at, again, err)
		}
	})
}

func FuzzParseCursors(f *testing.F) {
	f.Add(`{"at":1,"seq":2}`)
	f.Add(`{"sort":"job","at":5,"labels":{"job":"a"}}`)
	f.Add(`{"job":"a"}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, text := range []string{text, base64.RawURLEncoding.EncodeToString([]byte(text))} {
			if c, err := query.ParseRowCursor(text); err == nil {
				if again, err := query.ParseRowCursor(c.String()); err != nil || again != c {
					t.Errorf("%q is %+v, which came back as %+v: %v", text, c, again, err)
				}
			}
			if c, err := query.ParseGroupCursor(text, "job"); err == nil {
				if again, err := query.ParseGroupCursor(c.String(), "job"); err != nil || fmt.Sprint(again) != fmt.Sprint(c) {
					t.Errorf("%q is %+v, which came back as %+v: %v", text, c, again, err)
				}
			}
			if c, err := query.ParseJobCursor(text); err == nil {
				if again, err := query.ParseJobCursor(c.String()); err != nil || again != c {
					t.Errorf("%q is %+v, which came back as %+v: %v", text, c, again, err)
				}
			}
		}
	})
}
