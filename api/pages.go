package api

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

//go:embed page/*.html page/style.css
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"shorten": shorten,
	"time":    pageTime,
}).ParseFS(pageFiles, "page/*.html"))

// How much a page shows, so that it stays one that a browser can show.
const (
	maxPageGroups   = 1000
	maxPageFamilies = 10000 // in all groups together
	maxPageText     = 200   // of a label's value or a help text, in bytes
)

const pagePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Server) pageEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/", "status", s.groupsPage},
		{http.MethodHead, "/", "status", s.groupsPage},
		{http.MethodGet, "/status", "status", s.statusPage},
		{http.MethodGet, "/static/style.css", "static", s.style},
	}
}

// groupsPage lists the groups with their families.
func (s *Server) groupsPage(c echo.Context) error {
	ctx, cancel := deadline(c.Request().Context(), s.opt.ScrapeTimeout)
	defer cancel()
	snapshot, err := s.gateway.Snapshot(ctx, false)
	if err != nil {
		return unavailable(err)
	}
	groups, total := pageGroups(snapshot.Groups())
	return render(c, "groups.html", map[string]any{
		"Title": "Groups", "Groups": groups, "Total": total, "Shown": len(groups),
		"TelemetryPath": "." + s.opt.TelemetryPath,
	})
}

// statusPage shows the build and the flags.
func (s *Server) statusPage(c echo.Context) error {
	return render(c, "status.html", map[string]any{
		"Title": "Status", "Start": s.opt.StartTime, "Build": s.opt.BuildInfo, "Flags": s.opt.Flags,
	})
}

func (s *Server) style(c echo.Context) error {
	css, err := pageFiles.ReadFile("page/style.css")
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
	c.Response().Header().Set(echo.HeaderCacheControl, "max-age=3600")
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", css)
}

// render answers with a page. It is whole before it is sent, so that an error
// is not half a page.
func render(c echo.Context, name string, data map[string]any) error {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentSecurityPolicy, pagePolicy)
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderCacheControl, "no-store")
	return c.Blob(http.StatusOK, "text/html; charset=utf-8", page.Bytes())
}

// pageGroup is a group as the page shows it.
type pageGroup struct {
	exposition.GroupSummary
	Failed bool // the last push was refused
	Hidden int  // how many families are not shown
}

// Labels returns the labels, job first.
func (g pageGroup) Labels() []exposition.Label {
	labels := []exposition.Label{{Name: "job", Value: g.Key.Job()}}
	for _, l := range g.Key.Labels() {
		if l.Name != "job" {
			labels = append(labels, l)
		}
	}
	return labels
}

// pageGroups returns the groups that a page has room for, and how many there
// are.
func pageGroups(all []exposition.GroupSummary) (shown []pageGroup, total int) {
	room := maxPageFamilies
	for _, g := range all[:min(len(all), maxPageGroups)] {
		n := min(len(g.Families), room)
		page := pageGroup{
			GroupSummary: g,
			Failed:       g.PushFailureTime.After(g.PushTime),
			Hidden:       len(g.Families) - n,
		}
		page.Families = g.Families[:n]
		room -= n
		shown = append(shown, page)
	}
	return shown, len(all)
}

func shorten(text string) string {
	if short := cut(text, maxPageText); short != text {
		return short + "…"
	}
	return text
}

func pageTime(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
