package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// route is a request without a push, and its answer.
type route struct {
	method, path string
	code         int
	allow        string // the Allow header
	text         string // what the body contains
}

func checkRoutes(t *testing.T, f *fleet, routes []route) {
	t.Helper()
	for _, r := range routes {
		a := f.send(t, r.method, r.path, "")
		request := r.method + " " + r.path
		if a.code != r.code {
			t.Errorf("%s: %d, want %d", request, a.code, r.code)
		}
		if got := sortedMethods(a.header.Get("Allow")); got != r.allow {
			t.Errorf("%s: Allow is %q, want %q", request, got, r.allow)
		}
		if !strings.Contains(a.body, r.text) {
			t.Errorf("%s: the body %q does not contain %q", request, a.body, r.text)
		}
		if a.code >= 400 && r.method != http.MethodHead {
			checkErrorLine(t, request, a)
		}
	}
}

func sortedMethods(allow string) string {
	methods := strings.Split(allow, ", ")
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// TestRouteContract protects the paths besides pushes and scrapes.
func TestRouteContract(t *testing.T) {
	const (
		read = "GET, HEAD, OPTIONS"
		get  = "GET, OPTIONS"
		quit = "OPTIONS, POST, PUT"
		push = "DELETE, OPTIONS, POST, PUT"
		wipe = "DELETE, OPTIONS, POST, PUT"
	)
	cases := []contractCase{
		{name: "health and readiness", check: func(t *testing.T, f *fleet) {
			checkRoutes(t, f, []route{
				{"GET", "/-/healthy", 200, "", "OK"}, {"GET", "/-/ready", 200, "", "OK"},
				{"HEAD", "/-/healthy", 200, "", ""}, {"HEAD", "/-/ready", 200, "", ""}, {"HEAD", "/", 200, "", ""},
				{"PUT", "/-/healthy", 405, read, ""}, {"POST", "/-/ready", 405, read, ""},
			})
		}},
		{name: "wrong methods", check: func(t *testing.T, f *fleet) {
			checkRoutes(t, f, []route{
				{"GET", "/metrics/job/j", 405, push, "PUT"}, {"PATCH", "/metrics/job/j/a/1", 405, push, ""},
				{"HEAD", "/metrics/job@base64/ag", 405, push, ""},
				{"PUT", "/metrics", 405, get, ""}, {"POST", "/metrics", 405, get, ""}, {"DELETE", "/metrics", 405, get, ""}, {"HEAD", "/metrics", 405, get, ""},
				{"POST", "/api/v1/status", 405, get, ""}, {"DELETE", "/api/v1/metrics", 405, get, ""}, {"GET", "/api/v1/admin/wipe", 405, wipe, ""},
				{"GET", "/-/quit", 405, quit, ""}, {"POST", "/", 405, read, ""}, {"PUT", "/status", 405, get, ""},
			})
		}},
		{name: "options", check: func(t *testing.T, f *fleet) {
			checkRoutes(t, f, []route{
				{"OPTIONS", "/metrics/job/j", 200, push, ""}, {"OPTIONS", "/metrics", 200, get, ""}, {"OPTIONS", "/-/ready", 200, read, ""},
				{"OPTIONS", "/-/quit", 200, quit, ""}, {"OPTIONS", "/", 200, read, ""},
			})
		}},
		{name: "unknown paths", check: func(t *testing.T, f *fleet) {
			checkRoutes(t, f, []route{
				{"GET", "/favicon.ico", 404, "", "404 page not found"}, {"PUT", "/metrics/job/", 404, "", "/metrics/job/<job>"},
				{"PUT", "/metrics/jobs/j", 404, "", "/metrics/job/<job>"}, {"GET", "/api/v2/metrics", 404, "", "404 page not found"},
			})
		}},
		{name: "quitting is forbidden", check: func(t *testing.T, f *fleet) {
			checkRoutes(t, f, []route{
				{"PUT", "/-/quit", 403, "", "Lifecycle API is not enabled"}, {"POST", "/-/quit", 403, "", "--web.enable-lifecycle"},
				{"GET", "/-/healthy", 200, "", "OK"},
			})
		}},
		{
			name:  "the pages list groups, build and flags",
			steps: []step{put("/metrics/job/backup/instance/db1", "backup_bytes 1\n")},
			want:  "backup_bytes{instance=\"db1\",job=\"backup\"} 1\ngroup{instance=\"db1\",job=\"backup\"} pushed",
			check: pages,
		},
		{name: "the status has flags and build", check: status},
		{name: "pages of other sites may use the query API", check: func(t *testing.T, f *fleet) {
			for _, method := range []string{http.MethodGet, http.MethodOptions} {
				a := f.send(t, method, "/api/v1/metrics", "", "Origin", "http://other.example")
				for name, want := range map[string]string{
					"Access-Control-Allow-Origin":   "*",
					"Access-Control-Allow-Headers":  "Accept, Authorization, Content-Type, Origin",
					"Access-Control-Allow-Methods":  "GET, POST, DELETE, OPTIONS",
					"Access-Control-Expose-Headers": "Date",
				} {
					if got := a.header.Get(name); a.code != 200 || got != want {
						t.Errorf("%s: %d, %s: %q, want %q", method, a.code, name, got, want)
					}
				}
			}
		}},
	}
	for _, method := range []string{http.MethodPut, http.MethodPost, http.MethodDelete} {
		cases = append(cases, contractCase{
			name: "wiping by " + method,
			steps: []step{
				put("/metrics/job/j", sample), put("/metrics/job/k/a/1", "m 1 1\n").refused("timestamp"),
				{method: method, path: "/api/v1/admin/wipe", code: 202},
				{method: method, path: "/api/v1/admin/wipe", code: 202},
			},
		})
	}
	runContract(t, cases)
}

// TestDisabledAdminContract protects a gateway without the admin API, which
// the cases above cannot do without.
func TestDisabledAdminContract(t *testing.T) { eachSize(t, disabledAdmin) }

func disabledAdmin(t *testing.T, database string, replicas int) {
	f := newFleetOn(t, database, replicas)
	put("/metrics/job/j", sample).run(t, f)
	checkRoutes(t, f, []route{
		{"PUT", "/api/v1/admin/wipe", 404, "", "--web.enable-admin-api"}, {"DELETE", "/api/v1/admin/wipe", 404, "", ""},
		{"GET", "/api/v1/admin/wipe", 404, "", ""},
	})
	if got, want := samplesOf(f.scrape(t, "/metrics")), "m{instance=\"\",job=\"j\"} 1"+jobJ; got != want {
		t.Errorf("exposed are\n%s", got)
	}
}

// TestPrefixContract protects the paths below a prefix.
func TestPrefixContract(t *testing.T) { eachSize(t, prefix) }

func prefix(t *testing.T, database string, replicas int) {
	f := &fleet{}
	for range replicas {
		r := launch(t, database, "--web.external-url=http://gateway.example/push", "--web.telemetry-path=/scrape")
		f.urls = append(f.urls, r.url)
		r.url += "/push"
		r.awaitReady()
	}
	put("/push/metrics/job/j/a%2F1", sample).run(t, f)
	del("/push/metrics/job/k").run(t, f)
	if got, want := samplesOf(f.scrape(t, "/push/scrape")), "m{a=\"1\",instance=\"\",job=\"j\"} 1\ngroup{a=\"1\",instance=\"\",job=\"j\"} pushed"; got != want {
		t.Errorf("exposed are\n%s\nwant\n%s", got, want)
	}
	checkRoutes(t, f, []route{
		{"GET", "/push/-/ready", 200, "", "OK"}, {"GET", "/-/ready", 404, "", ""}, {"PUT", "/metrics/job/j", 404, "", ""},
		{"GET", "/push/", 200, "", "<html"}, {"GET", "/push/api/v1/status", 200, "", "success"}, {"GET", "/push/metrics", 404, "", ""},
	})
	if a := f.send(t, http.MethodPut, "/push/metrics//job/j", sample); a.code != 307 || a.header.Get("Location") != "/push/metrics/job/j" {
		t.Errorf("an unclean path: %d to %q", a.code, a.header.Get("Location"))
	}
}

// pages checks that the pages are HTML with what they are for.
func pages(t *testing.T, f *fleet) {
	for path, texts := range map[string][]string{
		"/":       {"backup", "db1", "backup_bytes"},
		"/status": {"web.enable-admin-api", "go1."},
	} {
		a := f.send(t, http.MethodGet, path, "")
		if a.code != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", path, a.code, a.header.Get("Content-Type"))
		}
		for _, text := range texts {
			if !strings.Contains(a.body, text) {
				t.Errorf("%s does not show %q:\n%s", path, text, a.body)
			}
		}
	}
}

// status checks the answer of the status API.
func status(t *testing.T, f *fleet) {
	a := f.send(t, http.MethodGet, "/api/v1/status", "")
	var got struct {
		Status string
		Data   struct {
			Flags            map[string]string
			StartTime        time.Time         `json:"start_time"`
			BuildInformation map[string]string `json:"build_information"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.code != 200 || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s: %v", a.code, a.body, err)
	}
	if got.Status != "success" || got.Data.Flags["web.enable-admin-api"] != "true" || got.Data.Flags["push.disable-consistency-check"] != "false" {
		t.Errorf("the answer is %s", a.body)
	}
	if got.Data.StartTime.IsZero() || time.Since(got.Data.StartTime) < 0 {
		t.Errorf("started at %v", got.Data.StartTime)
	}
	for _, key := range []string{"version", "revision", "branch", "buildUser", "buildDate", "goVersion"} {
		if _, ok := got.Data.BuildInformation[key]; !ok {
			t.Errorf("build information without %s: %s", key, a.body)
		}
	}
}
