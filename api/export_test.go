package api

import "github.com/labstack/echo/v4"

// Routes returns what the server serves.
func (s *Server) Routes() []*echo.Route { return s.echo.Routes() }
