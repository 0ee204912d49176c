package exposition

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// renumber gives a group other numbers and times, and nothing else.
func (g generator) renumber(group *Group) {
	group.PushTime, group.PushFailureTime = g.time(), g.time()
	for i := range group.Families {
		for j := range group.Families[i].Metrics {
			m := &group.Families[i].Metrics[j]
			m.Value = g.value()
			if s := m.Summary; s != nil {
				s.Count, s.Sum = g.Uint64(), g.value()
				for i := range s.Quantiles {
					s.Quantiles[i].Value = g.value()
				}
			}
			if h := m.Histogram; h != nil {
				h.Count, h.Sum = g.Uint64N(1e9), g.value()
				for i := range h.Buckets {
					h.Buckets[i].Count = g.Uint64N(1e9)
				}
			}
		}
	}
}

// stored returns a change as a database has it, and how many groups are packed.
// It is valid until the decoder is reset.
func stored(t *testing.T, d *Decoder, c Change) (Change, int) {
	t.Helper()
	s := Change{Reset: c.Reset, Deleted: c.Deleted}
	packed := 0
	for _, g := range c.Groups {
		read := Group{Key: g.Key, PushTime: g.PushTime, PushFailureTime: g.PushFailureTime}
		if err := d.DecodeGroup(&read, AppendFamilies(nil, g.Families)); err != nil {
			t.Fatal(err)
		}
		if read.packed.layout != nil {
			packed++
		}
		s.Groups = append(s.Groups, read)
	}
	return s, packed
}

func TestPackedGroupsAreExposedLikeOthers(t *testing.T) {
	t.Parallel()
	packed := 0
	for seed := range uint64(60) {
		g := newGenerator(seed)
		var groups []Group
		for range 12 {
			groups = append(groups, g.group(t, seed%4 == 0))
		}
		decoder := Decoder{Layouts: &Layouts{}}
		want, got := NewState(), NewState()
		for round := range 12 {
			c := Change{Reset: g.chance(5)}
			for i := range groups {
				switch {
				case g.chance(10):
					key := groups[i].Key
					groups[i] = g.group(t, seed%4 == 0)
					if g.chance(50) {
						groups[i].Key = key
					}
				case g.chance(10):
					c.Deleted = append(c.Deleted, groups[i].Key.Digest())
					continue
				case g.chance(70):
					g.renumber(&groups[i])
				}
				c.Groups = append(c.Groups, groups[i])
			}
			if round == 8 && seed%3 == 0 {
				want.EnableProtobuf()
				got.EnableProtobuf()
				c.Reset = true
			}
			want.Apply(c)
			// In two parts, with nothing in between that would settle the first.
			half := len(c.Groups) / 2
			for _, part := range []Change{{Reset: c.Reset, Deleted: c.Deleted, Groups: c.Groups[:half]}, {Groups: c.Groups[half:]}} {
				s, n := stored(t, &decoder, part)
				packed += n
				got.Apply(s)
				decoder.Reset()
			}
			if g.chance(60) {
				compareStates(t, fmt.Sprintf("seed %d, round %d", seed, round), got, want)
			}
		}
		compareStates(t, fmt.Sprintf("seed %d", seed), got, want)
	}
	if packed < 400 {
		t.Errorf("only %d groups were packed", packed)
	}
}

func compareStates(t *testing.T, when string, got, want *State) {
	t.Helper()
	for _, enc := range []Encoding{{}, {Protobuf: true}} {
		var a, b bytes.Buffer
		if err1, err2 := got.Snapshot().WriteExposition(&a, enc), want.Snapshot().WriteExposition(&b, enc); err1 != err2 {
			t.Fatalf("%s: errors %v and %v", when, err1, err2)
		}
		if a.String() != b.String() {
			t.Fatalf("%s: with packed groups (protobuf: %t)\n%swithout\n%s", when, enc.Protobuf, a.String(), b.String())
		}
	}
	if a, b := got.Snapshot().Hidden(), want.Snapshot().Hidden(); !slices.Equal(a, b) {
		t.Fatalf("%s: hidden are %q, want %q", when, a, b)
	}
	if a, b := got.Snapshot().Groups(), want.Snapshot().Groups(); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Fatalf("%s: groups are\n%v, want\n%v", when, a, b)
	}
}

// Each JSON is read after that of a group that differs only in its numbers.
func TestStoredJSONThatOthersWroteIsReadWithALayout(t *testing.T) {
	t.Parallel()
	const known = `{"h":{"type":"histogram","metrics":[{"labels":{},"count":"1","sum":"2","buckets":[["1","1"]]}]},` +
		`"m":{"type":"gauge","help":"8","metrics":[{"labels":{"a":"8.05"},"value":"1"},{"labels":{"value":"1"},"value":"1"}]},` +
		`"s":{"type":"summary","metrics":[{"labels":{},"count":"1","sum":"2","quantiles":[["0.5","1"]]}]}}`
	for _, change := range []struct{ name, old, new string }{
		{"nothing", "", ""},
		{"negative zero", `{"a":"8.05"},"value":"1"`, `{"a":"8.05"},"value":"-0"`},
		{"not the shortest form", `"sum":"2"`, `"sum":"+002.50"`},
		{"hexadecimal", `"sum":"2"`, `"sum":"0x1p-2"`},
		{"NaN", `"sum":"2"`, `"sum":"nan"`},
		{"infinity", `"sum":"2"`, `"sum":"-Inf"`},
		{"a large count", `"count":"1"`, `"count":"18446744073709551615"`},
		{"a count with zeros", `"count":"1"`, `"count":"007"`},
		{"an escaped digit", `"sum":"2"`, `"sum":"\u0032"`},
		{"a long number", `"sum":"2"`, `"sum":"2.` + strings.Repeat("0", 100) + `"`},
		{"a space", `:`, `: `},
		{"another label", `"8.05"`, `"8.06"`},
		{"a further bucket", `["1","1"]`, `["1","1"],["2","5"]`},
		{"an unknown member", `"help":"8"`, `"help":"8","more":[1]`},
		{"no family", known, `{}`},
		{"a count below zero", `"count":"1"`, `"count":"-1"`},
		{"no number", `"sum":"2"`, `"sum":"two"`},
		{"too large", `"sum":"2"`, `"sum":"1e999"`},
		{"the end too early", `]}}`, `]}`},
		{"something after the end", `]}}`, `]}} 1`},
	} {
		t.Run(change.name, func(t *testing.T) {
			t.Parallel()
			checkWithLayout(t, known, strings.ReplaceAll(known, change.old, change.new))
		})
	}
}

// checkWithLayout checks that JSON is read the same whether or not a layout is
// known, and reports whether it has it.
func checkWithLayout(t *testing.T, known, data string) bool {
	t.Helper()
	key := testKey(t, "job", `a"\b`, "instance", "1\n")
	decoder := Decoder{Layouts: &Layouts{}}
	first, second := Group{Key: key, PushTime: time.Unix(5, 0)}, Group{Key: key, PushTime: time.Unix(6, 7)}
	if err := decoder.DecodeGroup(&first, []byte(known)); err != nil {
		t.Fatal(err)
	}
	families, wantErr := DecodeFamilies([]byte(data))
	if err := decoder.DecodeGroup(&second, []byte(data)); fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("with a layout the error is %v, without %v", err, wantErr)
	}
	if wantErr != nil {
		return false
	}
	got, want := NewState(), NewState()
	got.Apply(Change{Groups: []Group{second}})
	want.Apply(Change{Groups: []Group{{Key: key, Families: families, PushTime: second.PushTime}}})
	compareStates(t, data, got, want)
	packed := second.packed.layout != nil
	second.Unpack()
	if a, b := AppendFamilies(nil, second.Families), AppendFamilies(nil, families); string(a) != string(b) {
		t.Errorf("unpacked it is\n%s, want\n%s", a, b)
	}
	return packed
}

func TestGroupsArePackedOnlyWithTheLabelNamesOfTheLayout(t *testing.T) {
	t.Parallel()
	json := []byte(`{"m":{"type":"gauge","metrics":[{"labels":{},"value":"1"}]}}`)
	for _, test := range []struct {
		key    []string
		packed bool
	}{
		{[]string{"job", "b", "x", "2"}, true},
		{[]string{"job", "b"}, false},
		{[]string{"job", "b", "y", "2"}, false},
		{[]string{"job", "b", "x", "2", "y", "2"}, false},
		{[]string{"job", "b", "xy", "2"}, false},
	} {
		decoder := Decoder{Layouts: &Layouts{}}
		first, second := Group{Key: testKey(t, "job", "a", "x", "1")}, Group{Key: testKey(t, test.key...)}
		for _, g := range []*Group{&first, &second} {
			if err := decoder.DecodeGroup(g, json); err != nil {
				t.Fatal(err)
			}
		}
		if packed := second.packed.layout != nil; packed != test.packed {
			t.Errorf("after %v, %v is packed: %t, want %t", first.Key, second.Key, packed, test.packed)
		}
	}
}

func FuzzNumberWithLayout(f *testing.F) {
	for _, n := range []string{"1", "-0", "0.25", "1e+06", "1234567", "1e-05", "NaN", "123456.7", "0.00001", "1.0", "1e+05", ".5", "1_0"} {
		f.Add(n, n)
	}
	const json = `{"h":{"type":"histogram","metrics":[{"labels":{},"count":"%s","sum":"1","buckets":[]}]},` +
		`"m":{"type":"gauge","metrics":[{"labels":{},"value":"%s"}]}}`
	f.Fuzz(func(t *testing.T, count, value string) {
		checkWithLayout(t, fmt.Sprintf(json, "1", "1"), fmt.Sprintf(json, count, value))
	})
}

func TestPlainNumbersAreKept(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	plain := 0
	for range 200_000 {
		v := r.NormFloat64() * math.Pow10(r.IntN(24)-8)
		if digits := r.IntN(17); digits < 16 {
			v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits, 64), 64)
		}
		s := strconv.AppendFloat(nil, v, 'g', -1, 64)
		if !isPlain(s, false) {
			continue
		}
		plain++
		if got := appendNumber(nil, v); string(got) != string(s) {
			t.Fatalf("%s is exposed as %s", s, got)
		}
	}
	if plain < 50_000 {
		t.Errorf("only %d numbers are plain", plain)
	}
}

func TestLayoutsAreBounded(t *testing.T) {
	t.Parallel()
	var layouts Layouts
	decoder := Decoder{Layouts: &layouts}
	help := strings.Repeat("x", 15_000)
	for i := range 1000 {
		g := Group{Key: testKey(t, "job", fmt.Sprint(i))}
		json := fmt.Sprintf(`{"m%d":{"type":"gauge","help":"%s","metrics":[{"labels":{},"value":"1"}]}}`, i, help)
		for range 3 {
			if err := decoder.DecodeGroup(&g, []byte(json)); err != nil {
				t.Fatal(err)
			}
			decoder.Reset()
		}
	}
	if n := len(layouts.ofJob); n == 0 || n > maxLayouts/15_000 {
		t.Errorf("%d layouts are remembered", n)
	}
	t.Run("and not made when they are of no use", func(t *testing.T) {
		var layouts Layouts
		decoder := Decoder{Layouts: &layouts}
		for i := range 1000 {
			g := Group{Key: testKey(t, "job", fmt.Sprint(i))}
			if err := decoder.DecodeGroup(&g, fmt.Appendf(nil, `{"m%d":{"type":"gauge","metrics":[{"labels":{},"value":"1"}]}}`, i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(layouts.ofJob); n > 64 {
			t.Errorf("%d layouts were made", n)
		}
	})
}
