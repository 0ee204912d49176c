package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func TestMethodsOfThePaths(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, methods string }{
		{"/", "GET, HEAD, OPTIONS"},
		{"/status", "GET, OPTIONS"},
		{"/static/style.css", "GET, OPTIONS"},
		{"/metrics", "GET, OPTIONS"},
		{"/metrics/job/a", "DELETE, OPTIONS, POST, PUT"},
		{"/metrics/job/a/l/v", "DELETE, OPTIONS, POST, PUT"},
		{"/metrics/job@base64/YQ", "DELETE, OPTIONS, POST, PUT"},
		{"/-/healthy", "GET, HEAD, OPTIONS"},
		{"/-/ready", "GET, HEAD, OPTIONS"},
		{"/-/metrics", "GET, OPTIONS"},
		{"/-/quit", "OPTIONS, POST, PUT"},
		{"/api/v1/status", "GET, OPTIONS"},
		{"/api/v1/metrics", "GET, OPTIONS"},
		{"/api/v1/history", "GET, OPTIONS"},
		{"/api/v1/history/7", "GET, OPTIONS"},
		{"/api/v1/history/export", "GET, OPTIONS"},
		{"/api/v1/groups", "GET, OPTIONS"},
		{"/api/v1/jobs", "GET, OPTIONS"},
		{"/api/v1/runs/series?metric=m", "GET, OPTIONS"},
		{wipe, "DELETE, OPTIONS, POST, PUT"},
		{"/debug/pprof/", "GET, OPTIONS"},
		{"/debug/pprof/cmdline", "GET, OPTIONS"},
		{"/debug/pprof/goroutine", "GET, OPTIONS"},
	}
	s := newServer(t, &fakeGateway{}, api.Options{EnableAdminAPI: true, EnableLifecycle: true, Quit: func() {}})
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			allowed := strings.Split(tt.methods, ", ")
			for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "TRACE", "FOO"} {
				w := send(s, method, tt.path, "")
				if slices.Contains(allowed, method) {
					if w.Code >= 400 {
						t.Errorf("%s: code %d: %s", method, w.Code, w.Body)
					}
					continue
				}
				got := strings.Split(w.Header().Get("Allow"), ", ")
				slices.Sort(got)
				if w.Code != 405 || !slices.Equal(got, allowed) {
					t.Errorf("%s: code %d, Allow %q; want 405, %q", method, w.Code, got, allowed)
				}
				wantLine(t, w, "use ")
			}
			w := send(s, "OPTIONS", tt.path, "")
			want := tt.methods
			if strings.HasPrefix(tt.path, "/api/v1/") {
				want = "" // a preflight, see TestQueryAPIIsOpenToPagesOfOtherSites
			}
			if got := w.Header().Get("Allow"); w.Code != 200 || got != want || w.Body.Len() > 0 {
				t.Errorf("OPTIONS: code %d, Allow %q; want 200, %q", w.Code, got, want)
			}
		})
	}
}

func TestUnknownPathsAreNotFound(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{})
	for _, path := range []string{
		"/nope", "/metrics/", "/metrics/job", "/metrics/job/", "/metrics/jobs/a", "/metrics/instance/a", "/Metrics",
		"/metrics/job@base64/", "/api", "/api/v1/nope", "/api/v2/status", "/-/", "/-/reload", "/static/", "/static/nope", "/debug",
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if method == "GET" && path == "/metrics/" || method == "GET" && strings.HasPrefix(path, "/metrics/job") && strings.HasSuffix(path, "/") {
				continue // a redirect, and a wrong method
			}
			w := send(s, method, path, "")
			if w.Code != 404 {
				t.Errorf("%s %s: code %d, want 404", method, path, w.Code)
				continue
			}
			wantLine(t, w, "404 page not found")
		}
	}
}

func TestPathsOfPushes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path, key string // no key: 400
	}{
		{"/metrics/job/a", "job/a"},
		{"/metrics/job/a/", "job/a"},
		{"/metrics/job/a/l/", "job/a/l/"},
		{"/metrics/job/j%2Fa%2F1", "job/j/a/1"},
		{"/metrics%2Fjob%2Fa", "job/a"},
		{"/metrics/job%40base64/YQ", "job/a"},
		{"/metrics/job/a+b%20c", "job/a+b c"},
		{"/metrics/job/a:b*c", "job/a:b*c"},
		{"/metrics/job/a/l/%2e", "job/a/l/."},
		{"/metrics/job/a/l/v/l/w", "job/a/l/w"},
		{"/metrics/job/a/job/b", "job/a"},
		{"/metrics/job/%E4%BD%A0", "job/你"},
		{"/metrics/job/a/l/x%2Fy", ""},
		{"/metrics/job/a/l", ""},
		{"/metrics/job/%2F", ""},
		{"/metrics/job@base64/=", ""},
		{"/metrics/job@base64/YS8+", ""},
		{"/metrics/job/a%2F%2Fb", ""},
		{"/metrics/job/a/%2e%2e/b", ""},
		{"/metrics/job/a/__name__/b", ""},
		{"/metrics/job/%ff", ""},
		{"/metrics/job/a%00", ""},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			w := send(newServer(t, g, api.Options{}), "PUT", tt.path, body)
			if tt.key == "" {
				if w.Code != 400 || len(g.pushes) > 0 {
					t.Errorf("code %d, pushes %v; want 400 and none", w.Code, g.pushes)
				}
				wantLine(t, w, "")
				return
			}
			if w.Code != 200 {
				t.Fatalf("code %d: %s", w.Code, w.Body)
			}
			if want := mustKey(t, tt.key); g.pushes[0].Key.Digest() != want.Digest() {
				t.Errorf("key %s, want %s", g.pushes[0].Key, want)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	external := &url.URL{Scheme: "https", Host: "h.example", Path: "/outside/"}
	tests := []struct {
		name, request string
		options       api.Options
		code          int
		location      string
	}{
		{"double slash", "PUT /metrics//job/a", api.Options{}, 307, "/metrics/job/a"},
		{"double slash at the end", "PUT /metrics/job/a//", api.Options{}, 307, "/metrics/job/a/"},
		{"double slash at the start", "PUT //metrics/job/a", api.Options{}, 307, "/metrics/job/a"},
		{"dot", "POST /metrics/job/a/./l/v", api.Options{}, 307, "/metrics/job/a/l/v"},
		{"two dots", "DELETE /metrics/job/a/../b", api.Options{}, 307, "/metrics/job/b"},
		{"escapes are kept", "PUT /metrics/job//a%20b%2Fc", api.Options{}, 307, "/metrics/job/a%20b%2Fc"},
		{"the query is kept", "DELETE /metrics/job//a?recursive=true", api.Options{}, 307, "/metrics/job/a?recursive=true"},
		{"any method", "FOO //nope", api.Options{}, 307, "/nope"},
		{"no way to another host", "GET //evil.example/..//evil.example", api.Options{}, 307, "/evil.example"},
		{"no way to another host with a backslash", `GET /%5Cevil.example//`, api.Options{}, 307, "/%5Cevil.example/"},
		{"slash too many for GET", "GET /status/", api.Options{}, 301, "/status"},
		{"slash too many for the query API", "GET /api/v1/metrics/", api.Options{}, 301, "/api/v1/metrics"},
		{"slash missing", "GET /debug/pprof", api.Options{}, 301, "/debug/pprof/"},
		{"route prefix without its slash", "GET /pfx", api.Options{RoutePrefix: "pfx/"}, 301, "/pfx/"},
		{"outside, the prefix is another one", "PUT /pfx/metrics//job/a", api.Options{RoutePrefix: "/pfx", ExternalURL: external}, 307, "/outside/metrics/job/a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := &fakeGateway{}
			method, target, _ := strings.Cut(tt.request, " ")
			u, err := url.ParseRequestURI(target)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			newServer(t, g, tt.options).ServeHTTP(w, &http.Request{Method: method, URL: u, Header: http.Header{}})
			if w.Code != tt.code || w.Header().Get("Location") != tt.location {
				t.Errorf("code %d, Location %q; want %d, %q", w.Code, w.Header().Get("Location"), tt.code, tt.location)
			}
			if len(g.pushes)+len(g.deletions) > 0 {
				t.Error("the request had an effect")
			}
		})
	}
}

func TestRoutePrefix(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		options        api.Options
		found, unknown []string
	}{
		{
			"given", api.Options{RoutePrefix: "/a/b/", TelemetryPath: "tele"},
			[]string{"/a/b/", "/a/b/tele", "/a/b/status", "/a/b/-/healthy", "/a/b/api/v1/status", "/a/b/debug/pprof/goroutine"},
			[]string{"/", "/a", "/tele", "/a/b/metrics", "/-/healthy", "/a/bc/status"},
		},
		{
			"path of the external URL", api.Options{ExternalURL: &url.URL{Scheme: "http", Host: "h", Path: "/x/"}},
			[]string{"/x/", "/x/metrics", "/x/status"}, []string{"/", "/metrics"},
		},
		{
			"none although the external URL has a path", api.Options{RoutePrefix: "/", ExternalURL: &url.URL{Scheme: "http", Host: "h", Path: "/x"}},
			[]string{"/", "/metrics"}, []string{"/x/", "/x/metrics"},
		},
		{"with what looks like a pattern", api.Options{RoutePrefix: "/:a/*"}, []string{"/:a/*/metrics"}, []string{"/x/y/metrics"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, &fakeGateway{}, tt.options)
			for _, path := range tt.found {
				if w := send(s, "GET", path, ""); w.Code != 200 {
					t.Errorf("%s: code %d, want 200", path, w.Code)
				}
			}
			for _, path := range tt.unknown {
				if w := send(s, "GET", path, ""); w.Code != 404 {
					t.Errorf("%s: code %d, want 404", path, w.Code)
				}
			}
		})
	}
}

func TestPushBelowARoutePrefix(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{}
	s := newServer(t, g, api.Options{RoutePrefix: "/pfx"})
	if w := send(s, "PUT", "/pfx/metrics/job/a%2Fl%2Fv", body); w.Code != 200 {
		t.Fatalf("code %d: %s", w.Code, w.Body)
	}
	if want := mustKey(t, "job/a/l/v"); g.pushes[0].Key.Digest() != want.Digest() {
		t.Errorf("key %s, want %s", g.pushes[0].Key, want)
	}
}

func TestTelemetryPathThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/status", "/", "/-/ready", "/a:b", "/*"} {
		if _, err := api.New(&fakeGateway{}, api.Options{TelemetryPath: path}); err == nil {
			t.Errorf("%s is accepted", path)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"/", "/metrics", "/metrics/job/a", "/metrics/job/a%2Fb", "/metrics/job@base64/YQ==/l@base64/", "//x/../y", "/pfx/metrics/job/a",
		"/metrics/job/%ff/%00/x", "/metrics/job/a/U__x_2e_y/v", "/api/v1/metrics", "/debug/pprof/cmdline", "*", "", "/metrics/job/:x/*",
	} {
		f.Add("PUT", seed, body)
		f.Add("GET", seed, "")
	}
	f.Add("DELETE", "/metrics/job/a?recursive=%zz", "")
	f.Add("OPTIONS", "/api/v1/x", "")
	var servers []*api.Server
	for _, o := range []api.Options{{}, {RoutePrefix: "/pfx", EnableAdminAPI: true}} {
		servers = append(servers, newServer(f, &discardingGateway{}, o))
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			u = &url.URL{Path: target}
		}
		if strings.HasPrefix(u.Path, "/debug/") || strings.HasPrefix(u.Path, "/pfx/debug/") {
			return // profiles take their time
		}
		for _, s := range servers {
			r := httptest.NewRequest("GET", "/", strings.NewReader(body))
			r.Method, r.URL = method, u
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s %q: code %d: %s", method, target, w.Code, w.Body)
			}
		}
	})
}

// discardingGateway accepts everything and keeps nothing.
type discardingGateway struct{ fakeGateway }

func (*discardingGateway) Push(_ context.Context, p repository.Push) error   { return p.Refused }
func (*discardingGateway) Delete(context.Context, repository.Deletion) error { return nil }
func (*discardingGateway) Wipe(context.Context, repository.Request) error    { return nil }
