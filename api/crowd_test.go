package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
)

// TestBodiesInFlightAreBounded protects the memory from many clients that send
// large bodies, slowly, at the same time.
func TestBodiesInFlightAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{MaxBodyBytes: 100_000})
	large := strings.Repeat("#", 99_000) + "\n"
	var slow []*io.PipeWriter
	done := make(chan int)
	for range 5 {
		r, w := io.Pipe()
		slow = append(slow, w)
		go func() {
			recorder := httptest.NewRecorder()
			s.ServeHTTP(recorder, httptest.NewRequest(http.MethodPut, "/metrics/job/slow", r))
			done <- recorder.Code
		}()
		for _, part := range []string{large, "#\n"} { // when the second is taken, the first was read
			if _, err := io.WriteString(w, part); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := send(s, "PUT", "/metrics/job/a", large)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("code %d for one large push too many, want 503", w.Code)
	}
	wantLine(t, w, "too much is being pushed")
	if w := send(s, "PUT", "/metrics/job/a", "metric 1\n"); w.Code != 200 {
		t.Errorf("code %d for a small push among large ones, want 200", w.Code)
	}
	for _, w := range slow {
		w.Close()
		if code := <-done; code != 200 {
			t.Errorf("a slow push: code %d, want 200", code)
		}
	}
	if w := send(s, "PUT", "/metrics/job/a", large); w.Code != 200 {
		t.Errorf("code %d after the large pushes, want 200", w.Code)
	}
}
