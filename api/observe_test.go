package api_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func TestRequestLog(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		gateway api.Gateway
		want    []string
	}{
		{"a success is for debugging", &fakeGateway{}, []string{"level=DEBUG", "method=PUT", "route=/metrics/job/*", "status=200", "duration="}},
		{"an outage is a warning", &fakeGateway{err: repository.ErrUnavailable}, []string{"level=WARN", "status=503", `err="database unavailable"`}},
		{"an internal error has its details", &fakeGateway{err: errors.New("detail")}, []string{"level=ERROR", "status=500", "err=detail", "incident="}},
		{"a panic has its stack", &panickingGateway{}, []string{"level=ERROR", "status=500", `err="panic: boom"`, "stack=", "incident="}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			send(newServer(t, tt.gateway, api.Options{Logger: logger}), "PUT", "/metrics/job/secret", body)
			for _, want := range tt.want {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log lacks %s: %s", want, &log)
				}
			}
			if strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), body) {
				t.Errorf("not one line without the body: %s", &log)
			}
		})
	}
}

func TestClientThatWentAwayIsNoError(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	s := newServer(t, &fakeGateway{err: context.Canceled}, api.Options{Logger: logger})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "PUT", "/metrics/job/a", strings.NewReader(body)))
	if w.Code < 500 {
		t.Errorf("code %d looks like a success", w.Code)
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
	if exposed := send(s, "GET", "/-/metrics", "").Body.String(); !strings.Contains(exposed, `rejected_total{reason="unavailable"} 0`) {
		t.Error("the push counts as rejected")
	}
}
