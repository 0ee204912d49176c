package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/api"
)

// TestBodiesInFlightAreBounded protects the memory from many clients that send
// large bodies, slowly, at the same time.
func TestBodiesInFlightAreBounded(t *testing.T) {
	t.Parallel()
	s := newServer(t, &fakeGateway{}, api.Options{MaxBodyBytes: 12})
	var slow []*io.PipeWriter
	done := make(chan int)
	for range 2 {
		r, w := io.Pipe()
		slow = append(slow, w)
		go func() {
			recorder := httptest.NewRecorder()
			s.ServeHTTP(recorder, httptest.NewRequest(http.MethodPut, "/metrics/job/slow", r))
			done <- recorder.Code
		}()
		for _, part := range []string{"#2345678\n", "#\n"} { // when the second is taken, the first was read
			if _, err := io.WriteString(w, part); err != nil {
				t.Fatal(err)
			}
		}
	}
	if w := send(s, "PUT", "/metrics/job/a", "metric 1\n"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("code %d among large pushes, want 503", w.Code)
	}
	for _, w := range slow {
		w.Close()
		if code := <-done; code != 200 {
			t.Errorf("a slow push: code %d, want 200", code)
		}
	}
	if w := send(s, "PUT", "/metrics/job/a", "metric 1\n"); w.Code != 200 {
		t.Errorf("code %d after the large pushes, want 200", w.Code)
	}
}
