package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const wipePath = queryPath + "admin/wipe"

func (s *Server) adminEndpoints() []endpoint {
	if !s.opt.EnableAdminAPI {
		return nil
	}
	return []endpoint{
		{http.MethodPut, wipePath, "wipe", s.sameOrigin(s.wipe)},
		{http.MethodPost, wipePath, "wipe", s.sameOrigin(s.wipe)},
		{http.MethodDelete, wipePath, "wipe", s.sameOrigin(s.wipe)},
	}
}

// wipe deletes all groups.
func (s *Server) wipe(c echo.Context) error {
	ctx, cancel, err := s.change(c.Request())
	if err != nil {
		return err
	}
	defer cancel()
	if err := s.gateway.Wipe(ctx, s.request(c.Request(), repository.Wipe)); err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}

// sameOrigin keeps the pages of other sites from sending a visitor's browser
// here. Clients that are no browsers do not notice.
func (s *Server) sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.origins.Check(c.Request()); err != nil {
			return echo.NewHTTPError(http.StatusForbidden, "a page of another site must not do this: set --web.external-url if it is the gateway's own")
		}
		return next(c)
	}
}
