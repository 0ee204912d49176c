package exposition

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const knownBody = "# HELP rows Rows of a \"table\".\n# TYPE rows gauge\nrows{table=\"b\",job=\"x\"} 1.5\nrows{table=\"a\"}  2\n\n" +
	"# TYPE done counter\n \tdone 3\n# TYPE h histogram\nh_bucket{le=\"0.10\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 2.5\nh_count 2\n" +
	"# TYPE s summary\ns{quantile=\"0.5\"} 7\ns_sum 8\ns_count 9\n"

// readBoth reads a body with and without what is known of others, holds both
// to be the same, and reports whether it was prepared.
func readBoth(t *testing.T, b *Bodies, path, body string, rules Rules) bool {
	t.Helper()
	key, err := ParseGroupingKey(path, UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	want, wantErr := ParseText(strings.NewReader(body), rules.Names)
	if wantErr == nil {
		want, wantErr = Normalize(key, want, rules)
	}
	got, prepared, err := b.Read(strings.NewReader(body), key, rules)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("%q: the error is %v, want %v", body, err, wantErr)
	}
	if err != nil {
		return false
	}
	stored := string(AppendFamilies(nil, want))
	if prepared == nil {
		if again := string(AppendFamilies(nil, got)); again != stored {
			t.Fatalf("%q: read\n%s, want\n%s", body, again, stored)
		}
		return false
	}
	if string(prepared.JSON) != stored {
		t.Fatalf("%q: prepared\n%s, want\n%s", body, prepared.JSON, stored)
	}
	if again := string(AppendFamilies(nil, prepared.Families())); again != stored {
		t.Fatalf("%q: the families are\n%s, want\n%s", body, again, stored)
	}
	var claims []Claim
	series := 0
	for i := range want {
		claims = AppendClaims(claims, &want[i])
		series += SeriesCount(want[i])
	}
	if !slices.Equal(prepared.Claims, claims) || prepared.Series != series || prepared.Set != FamilySet(want) {
		t.Fatalf("%q: prepared %+v, want the claims %v and %d series", body, prepared.BodyFacts, claims, series)
	}
	return true
}

// Each body is read after one that may differ from it in its numbers only.
func TestBodiesThatDifferInNumbersArePrepared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, old, new string
		prepared       bool
	}{
		{"nothing", "", "", true},
		{"another value", " 1.5\n", " -2.75e-7\n", true},
		{"not the shortest form", " 1.5\n", " +0015.00e-1\n", true},
		{"a whole number of many digits", " 1.5\n", " 1700000000123\n", true},
		{"negative zero", " 1.5\n", " -0\n", true},
		{"NaN", " 1.5\n", " nan\n", true},
		{"infinity", " 1.5\n", " -Infinity\n", true},
		{"an odd number", " 1.5\n", " 8.05040300011e+299\n", true},
		{"a number out of range", " 1.5\n", " 1e999\n", false},
		{"hexadecimal", " 1.5\n", " 0x1p-2\n", false},
		{"digits with underscores", " 1.5\n", " 1_0\n", false},
		{"no number", " 1.5\n", " \n", false},
		{"a word", " 1.5\n", " one\n", false},
		{"a long number", " 1.5\n", " 1." + strings.Repeat("0", 100) + "\n", false},
		{"a timestamp", " 1.5\n", " 1.5 1\n", false},
		{"a blank at the end", " 1.5\n", " 1.5 \n", false},
		{"CR LF", " 1.5\n", " 1.5\r\n", false},
		{"a large count", "h_count 2\n", "h_count 9007199254740993\n", true},
		{"a count with an exponent", "h_count 2\n", "h_count 1.5e+06\n", true},
		{"a count that is negative zero", "h_count 2\n", "h_count -0\n", true},
		{"a huge count", "h_count 2\n", "h_count 1.8e+19\n", false},
		{"a fraction as count", "h_count 2\n", "h_count 2.5\n", false},
		{"a fraction as bucket", "Inf\"} 2\n", "Inf\"} 2.5\n", false},
		{"a negative count", "h_count 2\n", "h_count -2\n", false},
		{"no count", "h_count 2\n", "h_count NaN\n", false},
		{"a fraction as the count of a summary", "s_count 9\n", "s_count 9.5\n", false},
		{"another label", `"a"`, `"c"`, false},
		{"another bucket", "0.10", "0.1", false},
		{"another type", "gauge", "counter", false},
		{"a line more", "done 3\n", "done 3\ndone{a=\"b\"} 4\n", false},
		{"the same line again", "done 3\n", "done 3\ndone 3\n", false},
		{"nothing at all", knownBody, "", false},
		{"only the beginning", "h_sum 2.5\n", "h_sum 2.5", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b Bodies
			readBoth(t, &b, "job/a/instance/b", knownBody, Rules{})
			changed := strings.Replace(knownBody, c.old, c.new, 1)
			if got := readBoth(t, &b, "job/a/instance/c", changed, Rules{}); got != c.prepared {
				t.Errorf("prepared: %t, want %t", got, c.prepared)
			}
			if !readBoth(t, &b, "job/other/instance/b", knownBody, Rules{}) && c.prepared {
				t.Error("of another job it is not prepared")
			}
		})
	}
}

func TestBodiesThatAreNeverPrepared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body string }{
		{"nothing", ""},
		{"a sample that replaces another", "# TYPE s summary\ns_sum 3\ns_sum 4\n"},
		{"a float histogram", "# TYPE h histogram\nh_count 0.5\n"},
		{"a family that the gateway adds itself", "push_time_seconds 1\nm 1\n"},
		{"an odd number in a label", "m{a=\"8050403\"} 1\n"},
		{"an odd number as bucket", "# TYPE h histogram\nh_bucket{le=\"80504030.0001e-7\"} 1\nh_count 1\n"},
		{"no blank before the number", "m{a=\"b\"}1\n"},
		{"a family that differs from another one's part", "# TYPE h summary\nh 1\n"},
		{"a name in UTF-8", "{\"m\u00e4\"} 1\n"},
		{"a large body", strings.Repeat("# a comment\n", 2000) + "m 1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b Bodies
			for range 3 {
				if readBoth(t, &b, "job/a", c.body, Rules{Names: UTF8Names}) {
					t.Fatal("prepared")
				}
			}
		})
	}
}

func TestBodiesArePreparedForKeysThatTheyFit(t *testing.T) {
	t.Parallel()
	var b Bodies
	const body = "# TYPE h histogram\nh_count 1\n# TYPE m gauge\nm{le=\"1\",zone=\"x\"} 2\n"
	for i, c := range []struct {
		path     string
		rules    Rules
		prepared bool
	}{
		{"job/a", Rules{}, false},
		{"job/b", Rules{}, true},
		{"job/a/instance/x", Rules{}, false},
		{"job/a/zone/x", Rules{}, false},
		{"job/a/zone/y", Rules{}, true},
		{"job/a/le/y", Rules{}, false}, // refused: the histogram needs le itself
		{"job/a/zone/y", Rules{Own: map[string]Type{"m": Gauge, "n": Counter}}, true},
		{"job/a/zone/y", Rules{Own: map[string]Type{"m": Counter}}, false},
		{"job/a/zone/y", Rules{Own: map[string]Type{"h_count": Counter}}, false},
		{"job/a/zone/y", Rules{Own: map[string]Type{"m": Counter}, Unchecked: true}, true},
	} {
		if got := readBoth(t, &b, c.path, body, c.rules); got != c.prepared {
			t.Errorf("%d, %s: prepared: %t, want %t", i, c.path, got, c.prepared)
		}
	}
	// With a long key, so many samples would take too much.
	var many strings.Builder
	for i := range 2200 {
		fmt.Fprintf(&many, "%c%d 1\n", 'a'+rune(i%26), i/26)
	}
	b = Bodies{}
	for _, size := range []int{1, 2, 32_000} {
		path := "job/a/l/" + strings.Repeat("x", size)
		if got := readBoth(t, &b, path, many.String(), Rules{}); got != (size == 2) {
			t.Errorf("with a key of %d bytes, prepared: %t", size, got)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	var b Bodies
	labels := strings.Repeat("x", 4000)
	for i := range 600 {
		body := fmt.Sprintf("m%d{l=%q} 1\n", i, labels)
		path := fmt.Sprintf("job/job-%d", i)
		readBoth(t, &b, path, body, Rules{})
		for range 8 {
			if !readBoth(t, &b, path, body, Rules{}) {
				t.Fatalf("body %d is not known", i)
			}
		}
		if b.bytes > maxBodies || len(b.ofJob) != len(b.known) {
			t.Fatalf("%d bytes of %d bodies and %d jobs are kept", b.bytes, len(b.known), len(b.ofJob))
		}
	}
	if len(b.known) > maxBodies/len(labels) {
		t.Errorf("%d bodies are kept", len(b.known))
	}
	// Many jobs may push what looks the same.
	for i := range 50_000 {
		key, err := ParseGroupingKey(fmt.Sprintf("job/%0100d", i), LegacyNames)
		if err != nil {
			t.Fatal(err)
		}
		b.keep(key, b.last)
	}
	if b.bytes > maxBodies || len(b.ofJob) > maxBodies/100 || len(b.known) != 1 {
		t.Errorf("%d bytes of %d bodies and %d jobs are kept", b.bytes, len(b.known), len(b.ofJob))
	}
	// Bodies that never come again are not learnt for ever.
	b = Bodies{}
	for i := range 200 {
		readBoth(t, &b, "job/a", fmt.Sprintf("m%d 1\n", i), Rules{})
	}
	if b.learnt > 100 || len(b.known) != b.learnt {
		t.Errorf("%d of 200 useless bodies were learnt, %d are kept", b.learnt, len(b.known))
	}
}

func TestBodiesThatTakeTurnsArePrepared(t *testing.T) {
	t.Parallel()
	var b Bodies
	for round := range 50 {
		for i := range 20 {
			path := fmt.Sprintf("job/%d/instance/x", i%3)
			if got := readBoth(t, &b, path, fmt.Sprintf("m%d %d\n", i, round), Rules{}); got != (round > 0) {
				t.Fatalf("body %d in round %d, prepared: %t", i, round, got)
			}
		}
	}
}

// FuzzBodies reads a body, and then the same one with other numbers.
func FuzzBodies(f *testing.F) {
	f.Add(knownBody, "1 2.5 +3 -0 1e6 NaN 8.05040300011e+299", "job/a", false)
	f.Add(knownBody, "1700000000 0.1 1e-5 123456 1234567 -1", "job/a/instance/b", true)
	f.Add("{\"m\",a=\"b\"} 1\n\t# x\n \nn{b=\"\\n\"} 2\n", "3 4", "job/a/le/x", true)
	f.Add("# TYPE h histogram\nh_bucket{le=\"1\"} 0\nh_bucket{le=\"8.050403\"} 1\nh_count 80504030001\n", "1 1.5 18446744073709551616 8050403", "job/a", false)
	f.Add("# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 1\ns_count 2\n# HELP s x\ns_sum 1\n", "1\r 0x1 1_0 -Inf", "job/a/quantile/x", false)
	f.Fuzz(func(t *testing.T, body, numbers, path string, utf8 bool) {
		rules := Rules{}
		if utf8 {
			rules.Names = UTF8Names
		}
		if _, err := ParseGroupingKey(path, UTF8Names); err != nil {
			path = "job/a"
		}
		var b Bodies
		readBoth(t, &b, path, body, rules)
		readBoth(t, &b, path, body, rules)
		words := strings.Split(numbers, " ")
		var other strings.Builder
		for i, literal := range cutBody(body) {
			if i > 0 {
				other.WriteString(words[i%len(words)])
			}
			other.WriteString(literal)
		}
		readBoth(t, &b, path, other.String(), rules)
		readBoth(t, &b, path, body, rules)
	})
}
