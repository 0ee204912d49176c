package pushgateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/1.11.3", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// gateway answers like the recorded one. With change, its answers are changed.
func gateway(t testing.TB, change func(path string, body []byte) (int, []byte)) *url.URL {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := map[string]string{"/prefix/api/v1/metrics": "metrics.json", "/prefix/metrics": "scrape.pb"}[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		code, body := http.StatusOK, recorded(t, name)
		w.Header().Set("Content-Type", map[string]string{"metrics.json": "application/json", "scrape.pb": delimited}[name])
		if change != nil {
			code, body = change(name, body)
		}
		w.WriteHeader(code)
		w.Write(body)
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL + "/prefix/")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// text is all that is known of the groups, with times to the microsecond.
func text(t testing.TB, groups []Group) string {
	t.Helper()
	var b strings.Builder
	when := func(at time.Time) string {
		if at.IsZero() {
			return "never"
		}
		return at.UTC().Format("15:04:05.000000")
	}
	for _, g := range groups {
		b.WriteString(groupKey(g.Labels) + " pushed " + when(g.PushTime) + " failed " + when(g.PushFailureTime) + "\n")
		for _, name := range slices.Sorted(maps.Keys(g.FamilyTimes)) {
			b.WriteString("  " + name + " pushed " + when(g.FamilyTimes[name]) + "\n")
		}
		key, err := exposition.NewGroupingKey(g.Labels, exposition.UTF8Names)
		if err != nil {
			t.Fatal(err)
		}
		families, err := exposition.Normalize(key, g.Families, exposition.Rules{Names: exposition.UTF8Names})
		if err != nil {
			t.Fatal(err)
		}
		b.Write(exposition.AppendFamilies([]byte("  "), families))
		b.WriteString("\n")
	}
	return b.String()
}

func TestAPIAndFileTellTheSame(t *testing.T) {
	t.Parallel()
	fromAPI, err := ReadURL(t.Context(), http.DefaultClient, gateway(t, nil), func(err error) { t.Errorf("got the warning %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	fromFile, err := ReadFile("testdata/1.11.3/persistence.gob")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := text(t, fromAPI), text(t, fromFile); got != want {
		t.Errorf("the API tells\n%s\nand the file\n%s", got, want)
	}
	if len(fromFile) != 9 {
		t.Errorf("got %d groups, want 9:\n%s", len(fromFile), text(t, fromFile))
	}
}

func TestPushTimes(t *testing.T) {
	t.Parallel()
	groups, err := ReadFile("testdata/1.11.3/persistence.gob")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		group          string
		pushed, failed bool
	}{
		{"a group that was pushed", `"instance""a""job""classic"`, true, false},
		{"one that was refused later", `"job""bare"`, true, true},
		{"one that was refused only", `"instance""i""job""named""site""x"`, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(groups, func(g Group) bool { return groupKey(g.Labels) == c.group })
			if i < 0 {
				t.Fatalf("no group %s in\n%s", c.group, text(t, groups))
			}
			if g := groups[i]; g.PushTime.IsZero() == c.pushed || g.PushFailureTime.IsZero() == c.failed {
				t.Errorf("got a push at %v and a failure at %v", g.PushTime, g.PushFailureTime)
			}
		})
	}
}

// withoutNative is the API's answer without the group that only a scrape tells.
func withoutNative(body []byte) []byte {
	start := bytes.Index(body, []byte(`{"float_classic"`))
	end := start + bytes.Index(body[start:], []byte(`}]}}`)) + len(`}]}}`)
	if bytes.HasPrefix(body[end:], []byte(",")) {
		return slices.Concat(body[:start], body[end+1:])
	}
	return slices.Concat(body[:start-1], body[end:])
}

func TestReadURL(t *testing.T) {
	t.Parallel()
	unavailable := func(path string, body []byte) (int, []byte) {
		if path == "scrape.pb" {
			return http.StatusInternalServerError, []byte("collected before\n")
		}
		return http.StatusOK, body
	}
	var answers atomic.Int64
	for _, c := range []struct {
		name   string
		change func(path string, body []byte) (int, []byte)
		groups int
		err    string
		warn   string
	}{
		{"all groups of a quiet one", nil, 9, "", ""},
		{"native histograms cannot be had without a scrape", unavailable, 0, "import the persistence file", "500 Internal Server Error: collected before: exemplars and created timestamps are lost"},
		{"the rest can", func(path string, body []byte) (int, []byte) {
			if path == "metrics.json" {
				body = withoutNative(body)
			}
			return unavailable(path, body)
		}, 8, "", "collected before: exemplars and created timestamps are lost"},
		{"of one with another telemetry path, too", func(path string, body []byte) (int, []byte) {
			if path == "scrape.pb" {
				return http.StatusNotFound, []byte("404 page not found\n")
			}
			return http.StatusOK, withoutNative(body)
		}, 8, "", "/prefix/metrics answers 404 Not Found: 404 page not found: exemplars and created timestamps are lost"},
		{"a scrape that may be answered later", func(path string, body []byte) (int, []byte) {
			if path == "scrape.pb" {
				return http.StatusServiceUnavailable, []byte("busy\n")
			}
			return http.StatusOK, body
		}, 0, "/prefix/metrics answers 503 Service Unavailable: busy", ""},
		{"what is pushed to all the time is taken from the API", func(path string, body []byte) (int, []byte) {
			if path == "metrics.json" {
				old := []byte(`"time_stamp":"2026-11-22T12`)
				at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Add(time.Duration(answers.Add(1)) * time.Hour)
				body = bytes.ReplaceAll(withoutNative(body), old, at.AppendFormat(nil, `"time_stamp":"2006-01-02T15`))
			}
			return http.StatusOK, body
		}, 8, "", "is pushed to all the time: of some groups, exemplars"},
		{"what is pushed to all the time does not keep the rest from being scraped", func(path string, body []byte) (int, []byte) {
			if path == "metrics.json" {
				old, at := []byte(`"2026-11-22T12:09:27.078876541Z"`), time.Now()
				body = bytes.ReplaceAll(body, old, at.AppendFormat(nil, `"2006-01-02T15:04:05.999999999Z"`))
			}
			return http.StatusOK, body
		}, 9, "", "is pushed to all the time: of some groups, exemplars"},
		{"a path that is none", func(string, []byte) (int, []byte) { return http.StatusNotFound, []byte("no such page\n") }, 0, "answers 404 Not Found: no such page (a Pushgateway with a route prefix has it in its URL)", ""},
		{"something that is no Pushgateway", func(string, []byte) (int, []byte) { return http.StatusOK, []byte("<html>") }, 0, "does not answer like a Pushgateway", ""},
		{"a broken scrape", func(path string, body []byte) (int, []byte) {
			if path == "scrape.pb" {
				body = body[:len(body)-1]
			}
			return http.StatusOK, body
		}, 0, "read a scrape", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var warnings []string
			groups, err := ReadURL(t.Context(), http.DefaultClient, gateway(t, c.change), func(err error) { warnings = append(warnings, err.Error()) })
			if warned := strings.Join(warnings, "\n"); !strings.Contains(warned, c.warn) || len(warnings) > 1 || (warned == "") != (c.warn == "") {
				t.Errorf("got the warnings %q, want %q", warnings, c.warn)
			}
			if len(groups) != c.groups || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %d groups and %v, want %d and %q", len(groups), err, c.groups, c.err)
			}
		})
	}
}

func TestReadURLEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadURL(ctx, http.DefaultClient, gateway(t, nil), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context", err)
	}
}

// TestReadURLIsNotForeverPatient protects from servers, and what stands in front
// of them, that accept and then fall silent.
func TestReadURLIsNotForeverPatient(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"before the header":       "",
		"in the body":             "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":",
		"in the body of an error": "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\nupstream",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				if conn, err := l.Accept(); err == nil {
					defer conn.Close()
					conn.Read(make([]byte, 4096)) // the request
					io.WriteString(conn, answer)
					<-t.Context().Done()
				}
			}()
			base := &url.URL{Scheme: "http", Host: l.Addr().String()}
			patience, want := 50*time.Millisecond, "it has sent nothing for 50ms"
			if strings.Contains(answer, "502") { // which has to come in time
				patience, want = 2*time.Second, "answers 502 Bad Gateway: upstream"
			}
			_, err = server{http.DefaultClient, base, patience, nil}.read(t.Context())
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// TestAScrapeThatIsAPage protects from a page at the path of the metrics.
func TestAScrapeThatIsAPage(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, "<html>")
			return
		}
		w.Write(recorded(t, "metrics.json"))
	}))
	defer s.Close()
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	const want = `/metrics answers with "text/html; charset=utf-8", not with metrics as protobuf`
	if _, err := ReadURL(t.Context(), http.DefaultClient, base, nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestWhatIsNoPersistenceFileIsAnError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("m 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names the file", err)
	}
	if _, err := ReadFile(path + "y"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that there is no such file", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(recorded(f, "persistence.gob"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) < 1<<20 {
			decode(bytes.NewReader(content))
		}
	})
}
