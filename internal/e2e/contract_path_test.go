package e2e

import (
	"net/http"
	"strings"
	"testing"
)

const sample = "m 1\n"

// TestPathContract protects what the path of a push means.
func TestPathContract(t *testing.T) {
	long, name := strings.Repeat("v", 6000), strings.Repeat("n", 5000)
	runContract(t, []contractCase{
		{
			name:  "an encoded slash separates parts",
			steps: []step{put("/metrics/job/j%2Fa%2F1", sample)},
			want: `
				m{a="1",instance="",job="j"} 1
				group{a="1",instance="",job="j"} pushed`,
		},
		{
			name:  "an encoded slash in a value makes the number of parts odd",
			steps: []step{put("/metrics/job/j/l/x%2Fy", sample).refused("odd number of components")},
		},
		{
			name:  "an encoded at sign announces base64",
			steps: []step{put("/metrics/job%40base64/ag/a%40base64/MQ", sample)},
			want: `
				m{a="1",instance="",job="j"} 1
				group{a="1",instance="",job="j"} pushed`,
		},
		{
			name:  "percent encoding is decoded",
			steps: []step{put("/metrics/job/%C3%BCber%20all/a/%22%5C%0A", sample)},
			want: `
				m{a="\"\\\n",instance="",job="über all"} 1
				group{a="\"\\\n",instance="",job="über all"} pushed`,
		},
		{
			name:  "a plus stays a plus",
			steps: []step{put("/metrics/job/a+b/l/c+d", sample), put("/metrics/job/a%2Bb/l/c%2Bd", sample), put("/metrics/job/a%20b", sample)},
			want: `
				m{instance="",job="a b"} 1
				m{instance="",job="a+b",l="c+d"} 1
				group{instance="",job="a b"} pushed
				group{instance="",job="a+b",l="c+d"} pushed`,
		},
		{
			name:  "a group with a plus is deleted by the same path",
			steps: []step{put("/metrics/job/a+b", sample), del("/metrics/job/a+b")},
		},
		{
			name:  "base64 holds slashes",
			steps: []step{put("/metrics/job@base64/L3Zhci90bXA/dir@base64/Lz8_Pj4-", sample)},
			want: `
				m{dir="/??>>>",instance="",job="/var/tmp"} 1
				group{dir="/??>>>",instance="",job="/var/tmp"} pushed`,
		},
		{
			name: "base64 may have any amount of padding",
			steps: []step{
				put("/metrics/job/j/a@base64/MQ", sample), put("/metrics/job/j/a@base64/MQ=", sample),
				put("/metrics/job/j/a@base64/MQ==", sample), put("/metrics/job/j/a@base64/MQ=====", sample),
			},
			want: `
				m{a="1",instance="",job="j"} 1
				group{a="1",instance="",job="j"} pushed`,
		},
		{
			name:  "base64 may have trailing bits that mean nothing",
			steps: []step{put("/metrics/job/j/a@base64/MR", sample)},
			want: `
				m{a="1",instance="",job="j"} 1
				group{a="1",instance="",job="j"} pushed`,
		},
		{
			name:  "padding alone is the empty value",
			steps: []step{put("/metrics/job/j/a@base64/=", sample)},
			want: `
				m{a="",instance="",job="j"} 1
				group{a="",instance="",job="j"} pushed`,
		},
		{
			name: "base64 of another alphabet is refused",
			steps: []step{
				put("/metrics/job/j/a@base64/Lz8+", sample).refused("base64"),
				put("/metrics/job/j/a@base64/Lz8%2F", sample).refused(""),
				put("/metrics/job@base64/Lz8+", sample).refused("base64"),
				put("/metrics/job/j/a@base64/%21", sample).refused("base64"),
			},
		},
		{
			name: "a job is needed",
			steps: []step{
				put("/metrics/job@base64/=", sample).refused("job name is required"),
				post("/metrics/job@base64/=/a/1", sample).refused("job name is required"),
				del("/metrics/job@base64/=").refused("job name is required"),
			},
		},
		{
			name:  "the first job wins",
			steps: []step{put("/metrics/job/j/job/other", sample)},
			want: `
				m{instance="",job="j"} 1
				group{instance="",job="j"} pushed`,
		},
		{
			name:  "of another label given twice the last wins",
			steps: []step{put("/metrics/job/j/a/1/a/2", sample)},
			want: `
				m{a="2",instance="",job="j"} 1
				group{a="2",instance="",job="j"} pushed`,
		},
		{
			name:  "the order of labels does not matter",
			steps: []step{put("/metrics/job/j/a/1/b/2", "m 1\n"), put("/metrics/job/j/b/2/a/1", "m 2\n")},
			want: `
				m{a="1",b="2",instance="",job="j"} 2
				group{a="1",b="2",instance="",job="j"} pushed`,
		},
		{
			name:  "a slash after the job changes nothing",
			steps: []step{put("/metrics/job/j", "m 1\n"), put("/metrics/job/j/", "m 2\n")},
			want: `
				m{instance="",job="j"} 2
				group{instance="",job="j"} pushed`,
		},
		{
			name:  "a slash after a label name is an empty value",
			steps: []step{put("/metrics/job/j/a/", sample)},
			want: `
				m{a="",instance="",job="j"} 1
				group{a="",instance="",job="j"} pushed`,
		},
		{
			name: "an odd number of parts is refused",
			steps: []step{
				put("/metrics/job/j/a", sample).refused("odd number of components"),
				post("/metrics/job/j/a/1/b", sample).refused("odd number of components"),
				del("/metrics/job/j/a").refused("odd number of components"),
			},
		},
		{name: "a path that is not clean is a redirect and no push", check: uncleanPaths},
		{
			name: "a query string is ignored",
			steps: []step{
				put("/metrics/job/j?job=x&a=1", sample), post("/metrics/job/j?recursive=maybe", "n 1\n"),
				put("/metrics/job/k?%zz;", sample), del("/metrics/job/k?timeout=1"),
			},
			want: `
				m{instance="",job="j"} 1
				n{instance="",job="j"} 1
				group{instance="",job="j"} pushed`,
		},
		{
			name:  "an empty label is another group than no label",
			steps: []step{put("/metrics/job/j", "m 1\n"), put("/metrics/job/j/a/", "m 2\n"), put("/metrics/job/j/b/", "m 3\n"), del("/metrics/job/j/b/")},
			want: `
				m{instance="",job="j"} 1
				m{a="",instance="",job="j"} 2
				group{instance="",job="j"} pushed
				group{a="",instance="",job="j"} pushed`,
		},
		{
			name: "keys and names may be long",
			steps: []step{
				put("/metrics/job/"+long+"/"+name+"/"+long, name+"_m{"+name+"_l=\""+long+"\"} 1\n"),
				post("/metrics/job/"+long+"/"+name+"/"+long, "m 1\n"),
				put("/metrics/job/j/a/"+long, sample), del("/metrics/job/j/a/" + long),
			},
			want: `
				m{instance="",job="` + long + `",` + name + `="` + long + `"} 1
				` + name + `_m{instance="",job="` + long + `",` + name + `="` + long + `",` + name + `_l="` + long + `"} 1
				group{instance="",job="` + long + `",` + name + `="` + long + `"} pushed`,
		},
		{
			name: "label names are letters, digits and underscores",
			steps: []step{
				put("/metrics/job/j/a.b/1", sample).refused("improper label name"),
				put("/metrics/job/j/%C3%BC/1", sample).refused("improper label name"),
				put("/metrics/job/j/a:b/1", sample).refused("improper label name"),
				put("/metrics/job/j/1a/1", sample).refused("improper label name"),
				put("/metrics/job/j/_a1/1", sample),
			},
			want: `
				m{_a1="1",instance="",job="j"} 1
				group{_a1="1",instance="",job="j"} pushed`,
		},
		{
			name: "label names that start with two underscores are reserved",
			steps: []step{
				put("/metrics/job/j/__a/1", sample).refused("improper label name"),
				put("/metrics/job/j/__a@base64/MQ", sample).refused("improper label name"),
				del("/metrics/job/j/__name__/1").refused("improper label name"),
			},
		},
		{
			name:  "an escaped name stays as it is",
			steps: []step{put("/metrics/job/j/U__a_2e_b/1", sample)},
			want: `
				m{U__a_2e_b="1",instance="",job="j"} 1
				group{U__a_2e_b="1",instance="",job="j"} pushed`,
		},
	})
}

// TestUTF8PathContract protects label names of any characters in paths.
func TestUTF8PathContract(t *testing.T) {
	runContract(t, []contractCase{
		{
			name:  "an escaped label name is unescaped",
			steps: []step{put("/metrics/job/j/U__a_2e_b/1", "m 1\n"), put("/metrics/job/j/a.b/1", "m 2\n")},
			want: `
				m{a_b="1",instance="",job="j"} 2
				group{a_b="1",instance="",job="j"} pushed`,
		},
		{
			name:  "an invalid escape is left as it is",
			steps: []step{put("/metrics/job/j/U__a_2/1", "m 1\n"), put("/metrics/job/j/U__a_zz_/1", "n 1\n")},
			want: `
				m{U__a_2="1",instance="",job="j"} 1
				n{U__a_zz_="1",instance="",job="j"} 1
				group{U__a_2="1",instance="",job="j"} pushed
				group{U__a_zz_="1",instance="",job="j"} pushed`,
		},
		{
			name: "label names that start with two underscores are reserved",
			steps: []step{
				put("/metrics/job/j/__a/1", sample).refused("improper label name"),
				put("/metrics/job/j/__a.b/1", sample).refused("improper label name"),
			},
		},
	}, "--push.enable-utf8-names")
}

// uncleanPaths checks where clients with such paths are sent to.
func uncleanPaths(t *testing.T, f *fleet) {
	for path, want := range map[string]string{
		"/metrics/job//j":                   "/metrics/job/j",
		"//metrics/job/j":                   "/metrics/job/j",
		"/metrics/job/j//a":                 "/metrics/job/j/a",
		"/metrics/job/j/a//":                "/metrics/job/j/a/",
		"/metrics/job/./j":                  "/metrics/job/j",
		"/metrics/job/x/../j":               "/metrics/job/j",
		"/metrics/job/j/path/%2Fvar?push=1": "",
	} {
		for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodDelete} {
			a := f.send(t, method, path, sample)
			switch {
			case want == "" && a.code != http.StatusBadRequest:
				t.Errorf("%s %s: %d", method, path, a.code)
			case want != "" && (a.code != http.StatusTemporaryRedirect || a.header.Get("Location") != want):
				t.Errorf("%s %s: %d to %q, want 307 to %q", method, path, a.code, a.header.Get("Location"), want)
			}
		}
	}
	if got := samplesOf(f.scrape(t, "/metrics")); got != "" {
		t.Errorf("something was pushed:\n%s", got)
	}
}
