package exposition_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func TestParseGroupingKey(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 6<<10)
	for _, c := range []struct {
		name, path string
		utf8       bool
		want       map[string]string // nil: refused
	}{
		{name: "a job alone is a group", path: "job/j", want: map[string]string{"job": "j"}},
		{name: "labels follow in pairs", path: "job/j/a/1/b/2", want: map[string]string{"job": "j", "a": "1", "b": "2"}},
		{name: "a trailing slash after the job is the same group", path: "job/j/", want: map[string]string{"job": "j"}},
		{name: "a trailing slash after a label name is an empty value", path: "job/j/a/", want: map[string]string{"job": "j", "a": ""}},
		{name: "a slash within an encoded value splits it", path: "job/j/l/x/y"},
		{name: "a label name without a value is refused", path: "job/j/a"},
		{name: "the path needs a job", path: "job"},
		{name: "the job must not be empty", path: "job/"},
		{name: "the job must not be empty before labels", path: "job//a/1"},
		{name: "an empty path is refused", path: ""},
		{name: "the job comes first", path: "a/1/job/j"},
		{name: "a plus stays a plus", path: "job/a+b/c/d+e", want: map[string]string{"job": "a+b", "c": "d+e"}},
		{name: "base64 in the job", path: "job@base64/YS9i", want: map[string]string{"job": "a/b"}},
		{name: "base64 in a label", path: "job/j/a@base64/YS9i", want: map[string]string{"job": "j", "a": "a/b"}},
		{name: "base64 uses the URL-safe alphabet", path: "job/j/a@base64/Pz8_", want: map[string]string{"job": "j", "a": "???"}},
		{name: "base64 of the other alphabet is refused", path: "job/j/a@base64/Pj4+"},
		{name: "base64 with a space is refused", path: "job@base64/YS 9i"},
		{name: "base64 with padding", path: "job@base64/ag==", want: map[string]string{"job": "j"}},
		{name: "base64 with too little padding", path: "job@base64/ag=", want: map[string]string{"job": "j"}},
		{name: "base64 with too much padding", path: "job@base64/ag=======", want: map[string]string{"job": "j"}},
		{name: "base64 with trailing bits that are not canonical", path: "job@base64/ah", want: map[string]string{"job": "j"}},
		{name: "one equals sign is the empty value", path: "job/j/a@base64/=", want: map[string]string{"job": "j", "a": ""}},
		{name: "one equals sign is no job", path: "job@base64/="},
		{name: "a later job is ignored", path: "job/a/job/b", want: map[string]string{"job": "a"}},
		{name: "the last of two labels with one name wins", path: "job/j/a/1/a/2", want: map[string]string{"job": "j", "a": "2"}},
		{name: "a value may be any UTF-8", path: "job/jö b/a/✓", want: map[string]string{"job": "jö b", "a": "✓"}},
		{name: "an instance may be empty", path: "job/j/instance/", want: map[string]string{"job": "j", "instance": ""}},
		{name: "long keys work", path: "job/j/a/" + long, want: map[string]string{"job": "j", "a": long}},
		{name: "long names work", path: "job/j/" + long[:5000] + "/1", want: map[string]string{"job": "j", long[:5000]: "1"}},
		{name: "invalid UTF-8 in a value is refused", path: "job/j/a/\xff"},
		{name: "invalid UTF-8 in base64 is refused", path: "job/j/a@base64/_w"},
		{name: "NUL in a value is refused", path: "job/j/a/x\x00"},
		{name: "NUL in the job is refused", path: "job/\x00"},
		{name: "a reserved name is refused", path: "job/j/__a/1"},
		{name: "the metric name is no label", path: "job/j/__name__/1"},
		{name: "an empty name is refused", path: "job/j/@base64/YQ"},
		{name: "a name beyond the legacy charset is refused", path: "job/j/a.b/1"},
		{name: "a name that starts with a digit is refused", path: "job/j/1a/1"},
		{name: "an escaped name is an ordinary one without UTF-8 names", path: "job/j/U__a_2e_b/1", want: map[string]string{"job": "j", "U__a_2e_b": "1"}},
		{name: "with UTF-8 names any name goes", utf8: true, path: "job/j/a.b/1", want: map[string]string{"job": "j", "a.b": "1"}},
		{name: "with UTF-8 names names are unescaped", utf8: true, path: "job/j/U__a_2e_b/1", want: map[string]string{"job": "j", "a.b": "1"}},
		{name: "with UTF-8 names values may be base64 too", utf8: true, path: "job/j/U__a_2e_b@base64/YS9i", want: map[string]string{"job": "j", "a.b": "a/b"}},
		{name: "an invalid escape is left as it is", utf8: true, path: "job/j/U__a_zz_b/1", want: map[string]string{"job": "j", "U__a_zz_b": "1"}},
		{name: "with UTF-8 names reserved names are refused", utf8: true, path: "job/j/__a/1"},
		{name: "with UTF-8 names an invalid name is refused", utf8: true, path: "job/j/a\xff/1"},
		{name: "with UTF-8 names NUL in a name is refused", utf8: true, path: "job/j/a\x00/1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key, err := exposition.ParseGroupingKey(c.path, scheme(c.utf8))
			if c.want == nil {
				requireRefusal(t, err, exposition.ErrGroupingKey)
				return
			}
			if err != nil || !maps.Equal(key.Map(), c.want) {
				t.Fatalf("got %v, %v; want %v", key, err, c.want)
			}
			requireReadBack(t, key, scheme(c.utf8))
		})
	}
}

func TestGroupingKeyErrorNamesTheRemedy(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"job/j/a.b/1":     "--push.enable-utf8-names",
		"job/j/l/x/y":     "@base64",
		"job/":            "/metrics/job/<job>",
		"job/j/a@base64/": "",
		"job@base64/+":    "URL-safe",
	} {
		_, err := exposition.ParseGroupingKey(path, exposition.LegacyNames)
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q in it", path, err, want)
		}
	}
}

func TestGroupingKeyIdentity(t *testing.T) {
	t.Parallel()
	t.Run("the order of labels does not matter", func(t *testing.T) {
		t.Parallel()
		a, b := parseKey(t, "job/j/a/1/b/2"), parseKey(t, "job/j/b/2/a/1")
		if a.Digest() != b.Digest() || a.Compare(b) != 0 || a.Shape() != b.Shape() {
			t.Errorf("%v and %v differ", a, b)
		}
	})
	t.Run("an empty label is not a missing one", func(t *testing.T) {
		t.Parallel()
		a, b := parseKey(t, "job/j"), parseKey(t, "job/j/a/")
		if a.Digest() == b.Digest() || a.Compare(b) == 0 || a.Shape() == b.Shape() {
			t.Errorf("%v and %v are equal", a, b)
		}
	})
	t.Run("names and values do not run into each other", func(t *testing.T) {
		t.Parallel()
		keys := []exposition.GroupingKey{
			parseKey(t, "job/j/a/b/c/d"), parseKey(t, "job/j/a/bc/d/"), parseKey(t, "job/ja/b/c/d/"), parseKey(t, "job/j/ab/c/d/"),
		}
		for i, a := range keys {
			for _, b := range keys[:i] {
				if a.Digest() == b.Digest() {
					t.Errorf("%v and %v have one digest", a, b)
				}
			}
		}
	})
	t.Run("groups sort by job", func(t *testing.T) {
		t.Parallel()
		keys := []exposition.GroupingKey{parseKey(t, "job/b"), parseKey(t, "job/a/z/1"), parseKey(t, "job/a"), parseKey(t, "job/a/b/1")}
		slices.SortFunc(keys, exposition.GroupingKey.Compare)
		var got []string
		for _, k := range keys {
			got = append(got, k.String())
		}
		want := []string{`{job="a"}`, `{job="a",b="1"}`, `{job="a",z="1"}`, `{job="b"}`}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestHasJSON(t *testing.T) {
	t.Parallel()
	k := parseKey(t, "job/j/a/é 1/b/")
	many := map[string]string{"job": "j"}
	for i := range 64 {
		many[fmt.Sprintf("l%d", i)] = "x"
	}
	large, err := exposition.NewGroupingKey(many, exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, json string
		key        exposition.GroupingKey
		want       bool
	}{
		{name: "as the gateway writes it", json: `{"a":"é 1","b":"","job":"j"}`, key: k, want: true},
		{name: "as jsonb does", json: `{"a": "é 1", "b": "", "job": "j"}`, key: k, want: true},
		{name: "in another order", json: `{"job":"j","b":"","a":"é 1"}`, key: k, want: true},
		{name: "another value", json: `{"a":"é 2","b":"","job":"j"}`, key: k},
		{name: "another name", json: `{"a":"é 1","c":"","job":"j"}`, key: k},
		{name: "a label less", json: `{"a":"é 1","job":"j"}`, key: k},
		{name: "a label more", json: `{"a":"é 1","b":"","c":"","job":"j"}`, key: k},
		{name: "a label twice", json: `{"a":"é 1","a":"é 1","job":"j"}`, key: k},
		{name: "text before it", json: ` {"a":"é 1","b":"","job":"j"}`, key: k},
		{name: "text after it", json: `{"a":"é 1","b":"","job":"j"} `, key: k},
		{name: "cut off", json: `{"a":"é 1","b":"","job":"j`, key: k},
		{name: "something else than a string", json: `{"a":"é 1","b":0,"job":"j"}`, key: k},
		{name: "nothing", json: ``, key: k},
		{name: "an object without labels", json: `{}`, key: k},
		{name: "an escape, which is left to the decoder", json: `{"a":"\u00e9 1","b":"","job":"j"}`, key: k},
		{name: "an escaped quote is no end", json: `{"job":"\","a":"x"}`, key: parseKey(t, `job/\`)},
		{name: "a line break, which JSON must escape", json: "{\"job\":\"a\nb\"}", key: parseKey(t, "job/a\nb")},
		{name: "more labels than it looks at", json: string(large.AppendJSON(nil)), key: large},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.key.HasJSON([]byte(c.json)); got != c.want {
				t.Errorf("HasJSON of %s for %s is %t", c.json, c.key, got)
			}
			if decoded, err := exposition.DecodeGroupingKey([]byte(c.json)); c.want && (err != nil || decoded.Digest() != c.key.Digest()) {
				t.Errorf("decoded is %s, %v", decoded, err)
			}
		})
	}
}

func TestFinalLabels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, path string
		own, want  []exposition.Label
	}{
		{"instance is added, labels are sorted", "job/j/a/1", labels("c", "3"), labels("a", "1", "c", "3", "instance", "", "job", "j")},
		{"the key wins", "job/j/a/1", labels("a", "x", "job", "y"), labels("a", "1", "instance", "", "job", "j")},
		{"an own instance stays", "job/j", labels("instance", "i"), labels("instance", "i", "job", "j")},
		{"the key's instance wins", "job/j/instance/k", labels("instance", "i"), labels("instance", "k", "job", "j")},
		{"labels after the job", "job/j", labels("z", "1"), labels("instance", "", "job", "j", "z", "1")},
		{"no labels", "job/j", nil, labels("instance", "", "job", "j")},
		{"instance comes last", "job/j/h/1", labels("i", "2"), labels("h", "1", "i", "2", "instance", "", "job", "j")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			prefix := labels("kept", "")
			got := parseKey(t, c.path).FinalLabels(prefix, c.own)
			if !slices.Equal(got[:1], prefix) || !slices.Equal(got[1:], c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestProject(t *testing.T) {
	t.Parallel()
	final := labels("a", "1", "instance", "", "job", "j")
	t.Run("a shape that the series has names one group", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"job/j", "job/j/a/1", "job/j/instance/", "job/j/a/1/instance/"} {
			key := parseKey(t, path)
			got, ok := exposition.Project(key.Shape(), final)
			if !ok || got.Digest() != key.Digest() {
				t.Errorf("%s: got %v, %v", path, got, ok)
			}
		}
	})
	t.Run("a shape with another label names none", func(t *testing.T) {
		t.Parallel()
		if got, ok := exposition.Project(parseKey(t, "job/j/b/1").Shape(), final); ok {
			t.Errorf("got %v", got)
		}
	})
}

func FuzzParseGroupingKey(f *testing.F) {
	for _, seed := range []string{
		"job/j", "job/j/", "job@base64/YQ==/a@base64/=/b/", "job/a/job/b", "job/j/U__a_2e_b/1", "job/j/U__a/1",
		"job/./a/..", "job/j/instance/x%2Fy", "job/j/__a/1", "job/\xff", "job/j/é/\n", "job/j/a@base64@base64/YQ",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, path string, utf8 bool) {
		key, err := exposition.ParseGroupingKey(path, scheme(utf8))
		if err != nil {
			requireRefusal(t, err, exposition.ErrGroupingKey)
			return
		}
		if key.Job() == "" {
			t.Fatal("no job")
		}
		if !hasEscapeLookalike(key) {
			requireReadBack(t, key, scheme(utf8))
		}
		final := key.FinalLabels(nil, nil)
		if !slices.IsSortedFunc(final, func(a, b exposition.Label) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("labels are not sorted: %q", final)
		}
		if got, ok := exposition.Project(key.Shape(), final); !ok || got.Digest() != key.Digest() {
			t.Errorf("projected on its own shape: %v, %v", got, ok)
		}
	})
}

// hasEscapeLookalike reports whether a label name looks like an escaped one:
// which key its path names depends on the name scheme.
func hasEscapeLookalike(key exposition.GroupingKey) bool {
	return slices.ContainsFunc(key.Labels(), func(l exposition.Label) bool { return strings.HasPrefix(l.Name, "U__") })
}

// requireReadBack fails unless a path that spells the key in full names it.
func requireReadBack(t *testing.T, key exposition.GroupingKey, scheme exposition.NameScheme) {
	t.Helper()
	path := "job@base64/" + base64.URLEncoding.EncodeToString([]byte(key.Job()))
	for _, l := range key.Labels() {
		name := model.EscapeName(l.Name, model.ValueEncodingEscaping)
		path += "/" + name + "@base64/" + base64.URLEncoding.EncodeToString([]byte(l.Value))
	}
	again, err := exposition.ParseGroupingKey(path, scheme)
	if err != nil || again.Digest() != key.Digest() || !slices.Equal(again.Labels(), key.Labels()) {
		t.Errorf("%v has the path %q, which is %v, %v", key, path, again, err)
	}
}

func parseKey(t testing.TB, path string) exposition.GroupingKey {
	t.Helper()
	key, err := exposition.ParseGroupingKey(path, exposition.UTF8Names)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func scheme(utf8 bool) exposition.NameScheme {
	if utf8 {
		return exposition.UTF8Names
	}
	return exposition.LegacyNames
}

// labels makes labels of names and values in turn.
func labels(pairs ...string) []exposition.Label {
	var l []exposition.Label
	for i := 0; i < len(pairs); i += 2 {
		l = append(l, exposition.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return l
}

// requireRefusal fails unless err is of the given kind, with a text of one
// line.
func requireRefusal(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	if text := err.Error(); strings.ContainsAny(text, "\n\r\x00") || len(text) > 8<<10 {
		t.Errorf("not one short line: %q", text)
	}
}
