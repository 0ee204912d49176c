package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func TestGroupsPage(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 0)
	fine := mustGroup(t, "job/fine", "# HELP m <script>alert(1)</script>\n# TYPE m gauge\nm 42\n", at)
	failed := mustGroup(t, "job/failed/l/<b>", "", at)
	failed.PushFailureTime = at.Add(time.Hour)
	s := newServer(t, &fakeGateway{groups: []exposition.Group{failed, fine}}, api.Options{RoutePrefix: "/pfx"})
	w := send(s, "GET", "/pfx/", "")
	page := w.Body.String()
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("Content-Security-Policy %q", csp)
	}
	for _, want := range []string{
		"2 groups", "2023-11-14 22:13:20 UTC", "2023-11-14 23:13:20 UTC", "gauge", "&lt;script&gt;", "&lt;b&gt;", `href="./static/style.css"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page, "last push failed"); n != 1 {
		t.Errorf("%d groups are marked as failed, want 1", n)
	}
	for _, evil := range []string{"<script", "<b>"} {
		if strings.Contains(page, evil) {
			t.Errorf("the page has %s", evil)
		}
	}
}

func TestGroupsPageOfAnEmptyGateway(t *testing.T) {
	t.Parallel()
	w := send(newServer(t, &fakeGateway{}, api.Options{}), "GET", "/", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "Nothing has been pushed yet") {
		t.Errorf("code %d, page %s", w.Code, w.Body)
	}
}

func TestGroupsPageStaysBounded(t *testing.T) {
	t.Parallel()
	var families strings.Builder
	for i := range 12 {
		fmt.Fprintf(&families, "# HELP m%d %s\nm%d 1\n", i, strings.Repeat("help ", 100), i)
	}
	group := mustGroup(t, "job/a", families.String(), time.Unix(1700000000, 0))
	var groups []exposition.Group
	for i := range 1001 {
		group.Key = mustKey(t, fmt.Sprintf("job/a%d/l/%s", i, strings.Repeat("v", 1000)))
		groups = append(groups, group)
	}
	page := send(newServer(t, &fakeGateway{groups: groups}, api.Options{}), "GET", "/", "").Body.String()
	if len(page) > 6<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	for _, want := range []string{"1001 groups", "The first 1000 are shown", "and 12 more"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page, "<details>"); n != 1000 {
		t.Errorf("%d groups are shown, want 1000", n)
	}
}

func TestStatusPage(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{
		Flags: map[string]string{"log.level": "<info>"}, BuildInfo: map[string]string{"version": "1.2.3"}, StartTime: time.Unix(1700000000, 0),
	})
	w := send(s, "GET", "/status", "")
	for _, want := range []string{"log.level", "&lt;info&gt;", "version", "1.2.3", "2023-11-14 22:13:20 UTC"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if w := send(s, "GET", "/static/style.css", ""); w.Code != 200 || w.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("style: code %d, Content-Type %q", w.Code, w.Header().Get("Content-Type"))
	}
}
