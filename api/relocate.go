package api

import (
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

// relocate runs before routing. It sends clients to the clean form of their
// path, and routes the decoded path below the route prefix: a %2F in a push is
// a separator, as it always was for the Pushgateway.
func (s *Server) relocate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		escaped := r.URL.EscapedPath()
		if clean := cleanPath(escaped); clean != escaped && strings.HasPrefix(escaped, "/") {
			return s.redirect(c, http.StatusTemporaryRedirect, clean)
		}
		rest, ok := s.belowPrefix(r.URL.Path)
		if !ok {
			return echo.ErrNotFound
		}
		if r.Method == http.MethodGet && s.gets[otherSlash(rest)] && !s.gets[rest] {
			return s.redirect(c, http.StatusMovedPermanently, otherSlash(escaped))
		}
		if rest == "" {
			return echo.ErrNotFound
		}
		r.URL.Path, r.URL.RawPath = rest, ""
		return next(c)
	}
}

// belowPrefix cuts the route prefix off the path. What is left is empty or
// starts with a slash.
func (s *Server) belowPrefix(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, s.opt.RoutePrefix)
	return rest, ok && (strings.HasPrefix(rest, "/") || rest == "" && s.opt.RoutePrefix != "")
}

// cleanPath removes empty, "." and ".." elements, and keeps a slash at the
// end.
func cleanPath(p string) string {
	clean := path.Clean("/" + p)
	if clean != "/" && strings.HasSuffix(p, "/") {
		clean += "/"
	}
	return clean
}

// otherSlash adds a slash at the end of the path, or removes it.
func otherSlash(p string) string {
	if trimmed, ok := strings.CutSuffix(p, "/"); ok {
		return trimmed
	}
	return p + "/"
}

// redirect sends the client to the path, as it is seen from outside, with the
// query that it came with.
func (s *Server) redirect(c echo.Context, code int, escaped string) error {
	if rest, ok := s.belowPrefix(escaped); ok {
		escaped = s.external + rest
	}
	if query := c.Request().URL.RawQuery; query != "" {
		escaped += "?" + query
	}
	return c.Redirect(code, escaped)
}
