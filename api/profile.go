package api

import (
	"maps"
	"net/http"
	"net/http/pprof"
	"os"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

const profileRoot = "/debug/pprof/"

func (s *Server) profileEndpoints() []endpoint {
	get := func(path string, h http.HandlerFunc) endpoint {
		return endpoint{http.MethodGet, path, "", echo.WrapHandler(h)}
	}
	return []endpoint{
		get(profileRoot, pprof.Index),
		get(profileRoot+"*", pprof.Index),
		get(profileRoot+"profile", pprof.Profile),
		get(profileRoot+"symbol", pprof.Symbol),
		get(profileRoot+"trace", pprof.Trace),
		{http.MethodGet, profileRoot + "cmdline", "", s.commandLine},
	}
}

// commandLine answers with the flags that everybody may read: the real command
// line can have the database's password.
func (s *Server) commandLine(c echo.Context) error {
	line := []string{os.Args[0]}
	for _, name := range slices.Sorted(maps.Keys(s.opt.Flags)) {
		line = append(line, "--"+name+"="+s.opt.Flags[name])
	}
	c.Response().Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
	return plain(c, strings.Join(line, "\x00"))
}
