package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func TestErrorsOfTheGatewayBecomeAnswers(t *testing.T) {
	t.Parallel()
	const prefix = "pushed metrics are invalid or inconsistent with existing metrics: "
	tests := []struct {
		name  string
		err   error
		code  int
		text  string
		retry bool
	}{
		{"another group has the name with another type", fmt.Errorf("m is a gauge: %w", exposition.ErrInconsistent), 400, prefix + "m is a gauge", false},
		{"a timestamp was found late", exposition.ErrTimestamp, 400, prefix, false},
		{"the database cannot be reached", fmt.Errorf("connect to secret host: %w", repository.ErrUnavailable), 503, "nothing was done", true},
		{"the disk is full", fmt.Errorf("%w: secret", repository.ErrFull), 503, "disk is full", true},
		{"the disk fails", fmt.Errorf("%w: secret", repository.ErrDisk), 503, "read-only or fails", true},
		{"the outcome is unknown", repository.ErrUnknown, 503, "send it again", true},
		{"other commits won too often", repository.ErrConflict, 503, "changed the same metrics", true},
		{"the deadline passed", context.DeadlineExceeded, 503, "try again", true},
		{"the request was given up", context.Canceled, 503, "try again", true},
		{"nobody foresaw the error", errors.New("secret detail"), 500, "internal error", false},
		{"an error has several lines", fmt.Errorf("a\nb\r\nc: %w", exposition.ErrMalformed), 400, "a; b; c", false},
		{"an error is endless", fmt.Errorf("%s: %w", strings.Repeat("é", 1<<20), exposition.ErrMalformed), 400, "é", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, &fakeGateway{err: tt.err}, api.Options{})
			w := send(s, "PUT", "/metrics/job/a", "m 1\n")
			if w.Code != tt.code {
				t.Errorf("code %d, want %d", w.Code, tt.code)
			}
			wantLine(t, w, tt.text)
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the answer tells of the inside: %q", w.Body)
			}
			if w.Body.Len() > 17<<10 {
				t.Errorf("the answer has %d bytes", w.Body.Len())
			}
			if got := w.Header().Get("Retry-After") != ""; got != tt.retry {
				t.Errorf("Retry-After given: %t, want %t", got, tt.retry)
			}
		})
	}
}

func TestOutageOfTheDatabaseIsA503Everywhere(t *testing.T) {
	t.Parallel()
	g := &fakeGateway{err: repository.ErrUnavailable, groupsErr: repository.ErrUnavailable}
	s := newServer(t, g, api.Options{EnableAdminAPI: true})
	for _, request := range []string{
		"GET /metrics", "GET /", "GET /api/v1/metrics", "GET /-/ready", "HEAD /-/ready",
		"PUT /metrics/job/a", "POST /metrics/job/a", "DELETE /metrics/job/a", "PUT /api/v1/admin/wipe",
	} {
		method, path, _ := strings.Cut(request, " ")
		w := send(s, method, path, "")
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: code %d, Retry-After %q", request, w.Code, w.Header().Get("Retry-After"))
		}
	}
	if w := send(s, "GET", "/-/healthy", ""); w.Code != http.StatusOK {
		t.Errorf("healthy: code %d, want 200", w.Code)
	}
}

func TestUnforeseenScrapeErrorIsA503WithoutDetails(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{err: errors.New("secret detail")}, api.Options{})
	w := send(s, "GET", "/metrics", "", "Accept-Encoding: gzip")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("code %d, headers %v", w.Code, w.Header())
	}
	wantLine(t, w, "no snapshot")
}

type panickingGateway struct{ fakeGateway }

func (*panickingGateway) Push(context.Context, repository.Push) error { panic("boom") }

func TestPanicIsA500(t *testing.T) {
	t.Parallel()
	w := send(newServer(t, &panickingGateway{}, api.Options{}), "PUT", "/metrics/job/a", "")
	if w.Code != http.StatusInternalServerError {
		t.Errorf("code %d, want 500", w.Code)
	}
	wantLine(t, w, "internal error")
}
