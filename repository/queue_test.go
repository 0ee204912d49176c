package repository

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTurns protects the size of commits, which is what makes them cheap, the
// use of all processors, and pushes that come while a commit is stuck.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		put := func() { q.put(&op{}) }
		taken := make(chan int)
		take := func() {
			ops, done := q.take(t.Context())
			taken <- len(ops)
			done()
		}
		put()
		stuck, done := q.take(t.Context())
		if len(stuck) != 1 {
			t.Fatalf("an idle committer took %d ops, want the one that waits", len(stuck))
		}

		put()
		go take()
		time.Sleep(patience / 2) // by the fake clock
		put()
		if n := <-taken; n != 2 {
			t.Errorf("beside a commit that is stuck %d ops were taken, want both that wait", n)
		}

		put()
		go take()
		synctest.Wait()
		put()
		done()
		start := time.Now()
		if n := <-taken; n != 2 || time.Since(start) > 0 {
			t.Errorf("at the end of a commit %d ops were taken after %v, want both that wait at once", n, time.Since(start))
		}

		put()
		_, done = q.take(t.Context())
		put()
		go take()
		synctest.Wait()
		start = time.Now()
		for range enough - 1 {
			put()
		}
		if n := <-taken; n != enough || time.Since(start) > 0 {
			t.Errorf("beside a commit %d ops were taken after %v, want all at once as they are many", n, time.Since(start))
		}
		done()
	})
}
