package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
)

// incidentKey is the key, in the echo context, of what a client can quote to find
// the log line.
const incidentKey = "incident"

// observe surrounds every request: it answers errors and panics, counts and
// logs. An error that comes after the beginning of the answer cuts it.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		if s.draining.Load() {
			c.Response().Header().Set(echo.HeaderConnection, "close")
		}
		err := rescue(c, next)
		cut := err != nil && c.Response().Committed
		if err != nil && !cut {
			s.answer(err, c)
		}
		name := s.names[route{c.Request().Method, c.Path()}]
		s.metrics.observe(name, c.Request(), c.Response().Status, time.Since(start))
		s.log(c, start, err, cut)
		if cut {
			// The client must not take half an answer for a whole one.
			panic(http.ErrAbortHandler)
		}
		return nil
	}
}

// panicked is a panic of a handler as an error.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// rescue turns a panic into an error.
func rescue(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	return next(c)
}

func (s *Server) log(c echo.Context, start time.Time, err error, cut bool) {
	level := slog.LevelDebug
	switch status := c.Response().Status; {
	case clientGone(c):
	case cut, status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable:
		level = slog.LevelError
	case status == http.StatusServiceUnavailable:
		level = slog.LevelWarn // an outage of the database, or the start or end of this process
	}
	if !s.opt.Logger.Enabled(c.Request().Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", c.Request().Method),
		slog.String("route", c.Path()),
		slog.Int("status", c.Response().Status),
		slog.Duration("duration", time.Since(start)),
	}
	if err != nil {
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	if p, ok := errors.AsType[*panicked](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	if id, ok := c.Get(incidentKey).(string); ok {
		attrs = append(attrs, slog.String("incident", id))
	}
	s.opt.Logger.LogAttrs(c.Request().Context(), level, "request", attrs...)
}
