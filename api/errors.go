package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// retryAfter is how many seconds a client is asked to wait after a 503.
const retryAfter = "5"

// maxErrorBytes bounds the line that answers an error: it may quote what was
// pushed.
const maxErrorBytes = 16 << 10

// meanings are what errors mean to a client, the first match first. The
// reason is the label of the counter of rejected pushes.
var meanings = []struct {
	match  func(error) bool
	code   int
	reason string
}{
	{as[*http.MaxBytesError], http.StatusRequestEntityTooLarge, "too_large"},
	{as[*compressionError], http.StatusBadRequest, "compression"},
	{is(exposition.ErrGroupingKey), http.StatusBadRequest, "grouping_key"},
	{is(exposition.ErrMalformed), http.StatusBadRequest, "malformed"},
	{is(exposition.ErrTimestamp), http.StatusBadRequest, "timestamp"},
	{is(exposition.ErrInconsistent), http.StatusBadRequest, "inconsistent"},
	{is(repository.ErrOverloaded), http.StatusServiceUnavailable, "overloaded"},
	{is(repository.ErrUnavailable), http.StatusServiceUnavailable, "unavailable"},
	{is(repository.ErrConflict), http.StatusServiceUnavailable, "conflict"},
	{is(context.DeadlineExceeded), http.StatusServiceUnavailable, "unavailable"},
	{is(context.Canceled), http.StatusServiceUnavailable, ""}, // nobody was rejected
}

// reasons are the values of the reason label.
var reasons = []string{
	"grouping_key", "malformed", "compression", "too_large", "timestamp",
	"inconsistent", "overloaded", "unavailable", "conflict", "internal",
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// meaning returns the code and the reason of an error. What nobody foresaw is
// internal.
func meaning(err error) (code int, reason string) {
	if q, ok := errors.AsType[*queryError](err); ok {
		return q.code, ""
	}
	for _, m := range meanings {
		if m.match(err) {
			return m.code, m.reason
		}
	}
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		return he.Code, ""
	}
	return http.StatusInternalServerError, "internal"
}

// answer writes the one line that answers an error. If the client has gone it
// reads nothing, but a success must not be written in its place.
func (s *Server) answer(err error, c echo.Context) {
	code, _ := meaning(err)
	if code == http.StatusServiceUnavailable {
		c.Response().Header().Set(echo.HeaderRetryAfter, retryAfter)
	}
	c.Response().Header().Del(echo.HeaderContentEncoding)
	text := oneLine(s.explain(err, code, c))
	if kind := queryErrorType(err, code); kind != "" && strings.HasPrefix(c.Path(), queryPath) {
		writeQueryError(c.Response(), code, kind, text)
		return
	}
	http.Error(c.Response(), text, code)
}

// explain returns what a client is told: what to do, and nothing of the
// gateway's inside.
func (s *Server) explain(err error, code int, c echo.Context) string {
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch {
		case he.Code == http.StatusNotFound:
			return s.notFound(c.Request().URL.Path)
		case he.Code == http.StatusMethodNotAllowed:
			return fmt.Sprintf("method %.20q is not allowed here: use %s", c.Request().Method, c.Response().Header().Get(echo.HeaderAllow))
		default:
			return fmt.Sprint(he.Message)
		}
	}
	switch {
	case code == http.StatusRequestEntityTooLarge:
		return fmt.Sprintf("the body is larger than %d bytes: push less at once or raise --web.max-body-bytes", s.opt.MaxBodyBytes)
	case code == http.StatusInternalServerError:
		incident := rand.Text()[:8]
		c.Set(incidentKey, incident)
		return "internal error: the gateway's log has the details under incident " + incident
	case errors.Is(err, repository.ErrUnknown):
		return "the database did not confirm in time whether this was done: send it again"
	case errors.Is(err, repository.ErrOverloaded):
		return "too much is being pushed at once, so nothing was done: try again"
	case errors.Is(err, repository.ErrFull):
		return "the database's disk is full, so nothing was done: make room, then try again"
	case errors.Is(err, repository.ErrDisk):
		return "the database's disk is read-only or fails, so nothing was done: the gateway's log has the details"
	case errors.Is(err, repository.ErrConflict):
		return "other requests changed the same metrics all the time, so nothing was done: try again"
	case errors.Is(err, context.Canceled) && !errors.Is(err, repository.ErrUnavailable):
		return "the connection was closed before this could be done, so nothing was done: try again"
	case code == http.StatusServiceUnavailable:
		return "the database does not answer in time, so nothing was done: try again"
	default:
		return err.Error()
	}
}

// notFound says what a path that nobody serves could have meant.
func (s *Server) notFound(path string) string {
	const text = "404 page not found"
	rest, _ := s.belowPrefix(path)
	switch {
	case rest == wipePath:
		return text + ": start with --web.enable-admin-api to wipe"
	case strings.HasPrefix(rest, pushRoot):
		return text + ": push to " + s.external + pushRoot + "job/<job>{/<label>/<value>}"
	default:
		return text
	}
}

// clientGone reports whether the client has closed its connection.
func clientGone(c echo.Context) bool {
	return errors.Is(c.Request().Context().Err(), context.Canceled)
}

// oneLine returns the text on one line of bounded length.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return cut(strings.ToValidUTF8(text, "\uFFFD"), maxErrorBytes)
}

// queryError is one of Prometheus' HTTP API: what is wrong with a query.
type queryError struct {
	code       int
	kind, text string
}

func (e *queryError) Error() string { return e.text }

// queryErrorType is how Prometheus' HTTP API calls an error, or "" for one that is
// not of its kind.
func queryErrorType(err error, code int) string {
	if q, ok := errors.AsType[*queryError](err); ok {
		return q.kind
	}
	switch {
	case code == http.StatusServiceUnavailable:
		return "unavailable"
	case code >= http.StatusInternalServerError:
		return "internal"
	}
	return ""
}

// writeQueryError answers in the form of Prometheus' HTTP API.
func writeQueryError(w *echo.Response, code int, kind, text string) {
	body, err := json.Marshal(map[string]string{"status": "error", "errorType": kind, "error": text})
	if err != nil {
		http.Error(w, text, code)
		return
	}
	w.Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n'))
}
