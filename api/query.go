package api

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// queryPath is where the query API lives, in the form of Prometheus' own.
const queryPath = "/api/v1/"

func (s *Server) queryEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, queryPath + "status", "api/v1/status", cors(s.queryStatus)},
		{http.MethodGet, queryPath + "metrics", "api/v1/metrics", cors(s.queryMetrics)},
	}
}

func cors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		setCORS(c.Response().Header())
		return next(c)
	}
}

// setCORS lets the pages of other sites read the answer.
func setCORS(h http.Header) {
	h.Set(echo.HeaderAccessControlAllowHeaders, "Accept, Authorization, Content-Type, Origin")
	h.Set(echo.HeaderAccessControlAllowMethods, "GET, POST, DELETE, OPTIONS")
	h.Set(echo.HeaderAccessControlAllowOrigin, "*")
	h.Set(echo.HeaderAccessControlExposeHeaders, "Date")
	h.Set(echo.HeaderCacheControl, "no-cache, no-store, must-revalidate")
}

// preflightPath stands for the paths that preflight answers.
const preflightPath = queryPath + "*"

// preflight answers a browser that asks whether a page of another site may use
// the query API, wherever in it.
func preflight(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r := c.Request(); r.Method != http.MethodOptions || !strings.HasPrefix(r.URL.Path, queryPath) {
			return next(c)
		}
		c.SetPath(preflightPath)
		setCORS(c.Response().Header())
		return c.NoContent(http.StatusOK)
	}
}

// queryStatus answers with the flags and the build.
func (s *Server) queryStatus(c echo.Context) error {
	body, err := json.Marshal(map[string]any{
		"status": "success",
		"data": map[string]any{
			"flags":             orEmpty(s.opt.Flags),
			"start_time":        s.opt.StartTime.Format(time.RFC3339Nano),
			"build_information": orEmpty(s.opt.BuildInfo),
		},
	})
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// queryMetrics answers with all groups, in no particular order. It holds a page of them at a
// time, so a failure can come after the answer has begun; then the answer is cut.
func (s *Server) queryMetrics(c echo.Context) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	w := bufio.NewWriterSize(c.Response(), 64<<10)
	before := `{"status":"success","data":[`
	err := s.gateway.Groups(c.Request().Context(), func(g exposition.Group) error {
		body, err := json.Marshal(queryGroup(g))
		if err != nil {
			return err
		}
		if _, err := w.WriteString(before); err != nil {
			return err
		}
		before = ","
		_, err = w.Write(body)
		return err
	})
	if err != nil {
		return err
	}
	if before != "," {
		_, _ = w.WriteString(before)
	}
	_, _ = w.WriteString("]}")
	return w.Flush()
}
