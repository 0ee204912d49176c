package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestNoConnectionIsCutWhenTheListenerCloses protects pushes that a proxy must
// not send again: a client is either refused, before it has sent anything, or
// answered.
func TestNoConnectionIsCutWhenTheListenerCloses(t *testing.T) {
	t.Parallel()
	for range 3 {
		a := startApp(t, newDatabase(t))
		waitUntil(t, a.url+"/-/ready", http.StatusOK)
		var clients sync.WaitGroup
		var answered atomic.Int64
		for range 16 {
			clients.Go(func() {
				for {
					switch got, err := ask(context.Background(), http.MethodPost, a.url+"/metrics/job/j", strings.NewReader("m 1\n")); {
					case errors.Is(err, syscall.ECONNREFUSED):
						return
					case err != nil || got.code != http.StatusOK:
						t.Errorf("got %+v and %v, want 200, or to be refused", got, err)
						return
					}
					answered.Add(1)
				}
			})
		}
		for answered.Load() < 100 && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		if err := a.stop(); err != nil {
			t.Error(err)
		}
		clients.Wait()
	}
}
