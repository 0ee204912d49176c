package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

func (s *Server) lifecycleEndpoints() []endpoint {
	const path = "/-/quit"
	return []endpoint{
		{http.MethodPut, path, "", s.sameOrigin(s.requestQuit)},
		{http.MethodPost, path, "", s.sameOrigin(s.requestQuit)},
	}
}

// requestQuit asks the process to shut down. It answers at once.
func (s *Server) requestQuit(c echo.Context) error {
	if !s.opt.EnableLifecycle || s.opt.Quit == nil {
		return echo.NewHTTPError(http.StatusForbidden, "Lifecycle API is not enabled: start with --web.enable-lifecycle")
	}
	s.quit.Do(s.opt.Quit)
	return plain(c, "Shutting down.\n")
}
