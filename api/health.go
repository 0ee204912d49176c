package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// readyTimeout bounds the check of readiness: who asks does not wait long.
const readyTimeout = 5 * time.Second

func (s *Server) healthEndpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/-/healthy", "healthy", s.healthy},
		{http.MethodHead, "/-/healthy", "healthy", s.healthy},
		{http.MethodGet, "/-/ready", "ready", s.ready},
		{http.MethodHead, "/-/ready", "ready", s.ready},
	}
}

// healthy says that the process answers. It does not ask the database, whose
// outage must not restart every replica.
func (s *Server) healthy(c echo.Context) error {
	return plain(c, "OK")
}

// plain answers with the text.
func plain(c echo.Context, text string) error {
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", []byte(text))
}

// ready says whether this replica should get requests.
func (s *Server) ready(c echo.Context) error {
	if s.draining.Load() {
		return echo.NewHTTPError(http.StatusServiceUnavailable, "shutting down")
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	err := s.gateway.Ready(ctx)
	if err != nil && !errors.Is(err, repository.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", repository.ErrUnavailable, err)
	}
	if err != nil {
		return err
	}
	return plain(c, "OK")
}
