package exposition

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	promodel "github.com/prometheus/common/model"
)

func writeMerged(t testing.TB, s *Snapshot, enc Encoding, own []Family) string {
	t.Helper()
	var b bytes.Buffer
	e, err := s.Merged(enc, own)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// golden compares with a file in testdata, or writes it with UPDATE_GOLDEN=1.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// goldenState has a bit of everything.
func goldenState(t *testing.T) *State {
	g := newGenerator(11)
	families := func(names ...string) (families []Family) {
		for i, name := range names {
			f := g.family(name, allTypes[i%len(allTypes)], "path")
			families = append(families, f)
		}
		return families
	}
	s := NewState()
	s.EnableProtobuf()
	s.Apply(Change{Reset: true, Groups: []Group{
		testGroup(t, testKey(t, "job", "backup", "instance", "db1"), families("a", "b_total", "c", "d", "e", "f")...),
		testGroup(t, testKey(t, "job", "backup", "instance", "db2"), families("a", "b_total", "c", "d", "e", "f", "g")...),
		testGroup(t, testKey(t, "job", "a \"quoted\\\njob"), simple("http.requests", Counter, "a.b", "1", "a_b", "2"), simple("http_requests", Counter), simple("x.y", Gauge, "c:d", "ü")),
	}})
	return s
}

func TestGoldenExpositions(t *testing.T) {
	t.Parallel()
	s := goldenState(t).Snapshot()
	for _, scheme := range schemes {
		golden(t, "exposition_"+scheme.String()+".txt", write(t, s, Encoding{Escaping: scheme}))
	}
	golden(t, "exposition.pb", write(t, s, Encoding{Protobuf: true}))
}

func TestOwnFamiliesAreMergedIn(t *testing.T) {
	t.Parallel()
	own := []Family{simple("go_goroutines", Gauge), simple("go_gc", Summary), simple("h_count", Counter), simple("zz", Gauge)}
	own[0].Help = "Own help."
	other := simple("go_goroutines", Gauge)
	other.Help = "Pushed help."
	clash := simple("zz", Counter)
	s := NewState()
	s.EnableProtobuf()
	s.Apply(Change{Reset: true, Groups: []Group{testGroup(t, testKey(t, "job", "a"),
		simple("go_gc_sum", Gauge), other, simple("h", Histogram), simple("m", Gauge), clash)}})
	want := `# TYPE go_gc summary
go_gc_sum 0
go_gc_count 0
# HELP go_goroutines Own help.
# TYPE go_goroutines gauge
go_goroutines 1
go_goroutines{instance="",job="a"} 1
# TYPE h_count counter
h_count 1
# TYPE m gauge
m{instance="",job="a"} 1
# HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.
# TYPE push_failure_time_seconds gauge
push_failure_time_seconds{instance="",job="a"} 0
# HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.
# TYPE push_time_seconds gauge
push_time_seconds{instance="",job="a"} 1.7953416e+09
# TYPE zz gauge
zz 1
`
	if got := writeMerged(t, s.Snapshot(), Encoding{}, own); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := modelText(t, decodeProto(t, []byte(writeMerged(t, s.Snapshot(), Encoding{Protobuf: true}, own)))); got != want {
		t.Errorf("protobuf: got\n%s\nwant\n%s", got, want)
	}
	if got := gunzip(t, writeMerged(t, s.Snapshot(), Encoding{Gzip: true}, own)); got != want {
		t.Errorf("gzip: got\n%s\nwant\n%s", got, want)
	}
	if got := write(t, s.Snapshot(), Encoding{}); !strings.Contains(got, "Pushed help.") {
		t.Error("merging has changed the snapshot")
	}
}

func TestMergedExpositionsAreValid(t *testing.T) {
	t.Parallel()
	own := []Family{simple("h", Gauge), simple("m", Gauge), simple("s", Summary), simple("x_y", Counter)}
	for seed := range uint64(10) {
		c := newChanges(t, seed, true)
		for range 20 {
			c.apply()
			for _, scheme := range schemes {
				text := writeMerged(t, c.state.Snapshot(), Encoding{Escaping: scheme}, own)
				families := decodeProto(t, []byte(writeMerged(t, c.state.Snapshot(), Encoding{Escaping: scheme, Protobuf: true}, own)))
				if got := modelText(t, families); got != text {
					t.Fatalf("protobuf differs from the text\n%s\n%s", got, text)
				}
				c.valid(text, families, scheme)
			}
		}
	}
}

func TestLabelNamesAreEscapedWithTheirColons(t *testing.T) {
	t.Parallel()
	for scheme, want := range map[promodel.EscapingScheme]string{
		promodel.UnderscoreEscaping:    "a_b_c",
		promodel.DotsEscaping:          "a__b_dot_c",
		promodel.ValueEncodingEscaping: "U__a_3a_b_2e_c",
	} {
		if got := escapeLabelName("a:b.c", scheme); got != want {
			t.Errorf("%s: got %s, want %s", scheme, got, want)
		}
	}
	if got := promodel.UnescapeName("U__a_3a_b_2e_c", promodel.ValueEncodingEscaping); got != "a:b.c" {
		t.Errorf("the values form reads back as %s", got)
	}
}
