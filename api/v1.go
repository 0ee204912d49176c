package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/internal/query"
)

// v1Endpoints are those for people and dashboards, which Pushgateway does not
// have. docs/openapi.yaml describes them.
func (s *Server) v1Endpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, queryPath + "history", "api/v1/history", cors(s.historyList)},
		{http.MethodGet, queryPath + "history/:id", "api/v1/history", cors(s.historyEntry)},
		{http.MethodGet, queryPath + "history/export", "api/v1/history/export", cors(s.historyExport)},
		{http.MethodGet, queryPath + "groups", "api/v1/groups", cors(s.groupList)},
		{http.MethodGet, queryPath + "jobs", "api/v1/jobs", cors(s.jobList)},
		{http.MethodGet, queryPath + "runs/series", "api/v1/runs/series", cors(s.runSeries)},
	}
}

// How many rows an answer has.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// badData is the error of a parameter that cannot be read.
func badData(format string, args ...any) error {
	return &queryError{http.StatusBadRequest, "bad_data", fmt.Sprintf(format, args...)}
}

// parameters are those of a query. The first error sticks, so that it needs to be
// looked for only once. Parameters that nobody asks for do not matter.
type parameters struct {
	values url.Values
	err    error
}

func readParameters(c echo.Context) *parameters {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		err = badData("the query string cannot be read: %v", err)
	}
	return &parameters{values, err}
}

func (p *parameters) fail(err error) {
	if p.err == nil {
		p.err = badData("%v", err)
	}
}

func (p *parameters) text(name string) string { return p.values.Get(name) }

// oneOf returns a parameter that has one of some values, of which the first is the
// default.
func (p *parameters) oneOf(name string, values ...string) string {
	value := p.text(name)
	if value == "" {
		return values[0]
	}
	if !slices.Contains(values, value) {
		choices := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
		p.fail(fmt.Errorf("%s=%s: use one of %s", name, value, strings.Join(choices, ", ")))
	}
	return value
}

func (p *parameters) time(name string) time.Time {
	text := p.text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := query.ParseTime(text)
	if err != nil {
		p.fail(fmt.Errorf("%s=%w", name, err))
	}
	return t
}

func (p *parameters) limit(normal, most int) int {
	text := p.text("limit")
	if text == "" {
		return normal
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		p.fail(fmt.Errorf("limit=%s: use a number from 1 to %d", text, most))
	}
	return n
}

func (p *parameters) selectors() query.Selectors {
	selectors, err := query.ParseSelectors(p.values["match[]"])
	if err != nil {
		p.fail(err)
	}
	return selectors
}

// cursorOf returns the cursor that a page begins after, or nil if it is the first.
func cursorOf[T any](p *parameters, parse func(string) (T, error)) *T {
	text := p.text("cursor")
	if text == "" {
		return nil
	}
	cursor, err := parse(text)
	if err != nil {
		p.fail(err)
	}
	return &cursor
}

// respond answers with data and the cursor of the next page, which is nil if there
// is none.
func respond(c echo.Context, data any, next fmt.Stringer) error {
	answer := struct {
		Status     string `json:"status"`
		Data       any    `json:"data"`
		NextCursor string `json:"next_cursor,omitempty"`
	}{Status: "success", Data: data}
	if next != nil {
		answer.NextCursor = next.String()
	}
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(answer); err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body.Bytes())
}

// timeText is a time in an answer: null if it is zero.
func timeText(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(query.FormatTime(t))
}
