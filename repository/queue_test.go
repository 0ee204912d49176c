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
		if n := <-taken; n != 2 || time.Since(start) > maxGather {
			t.Errorf("at the end of a commit %d ops were taken after %v, want both that wait, soon", n, time.Since(start))
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

// TestGathering protects the size of commits of clients that push again when
// they are answered, and all others from waiting long for them.
func TestGathering(t *testing.T) {
	t.Parallel()
	const took = 4 * time.Millisecond
	tests := map[string]struct {
		last, beside int           // ops of the last commit, and those that waited at its end
		idle         time.Duration // from then on
		now, more    int           // ops that come then, and a millisecond later
		want         int
		after        time.Duration
	}{
		"one client waits for nobody":                  {last: 1, now: 1, want: 1},
		"those that come back are waited for":          {last: 3, beside: 2, now: 1, more: 2, want: 5, after: time.Millisecond},
		"those that do not come back, only so long":    {last: 3, beside: 1, want: 1, after: took},
		"if only some come back, all go after as long": {last: 4, now: 1, more: 1, want: 2, after: took},
		"nobody is waited for after a pause":           {last: 4, idle: 2 * took, now: 1, want: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQueue()
				put := func(n int) {
					for range n {
						q.put(&op{})
					}
				}
				put(test.last)
				_, done := q.take(t.Context())
				time.Sleep(took) // by the fake clock
				put(test.beside)
				done()
				time.Sleep(test.idle)
				start := time.Now()
				put(test.now)
				go func() {
					time.Sleep(time.Millisecond)
					put(test.more)
				}()
				ops, done := q.take(t.Context())
				if after := time.Since(start); len(ops) != test.want || after != test.after {
					t.Errorf("%d ops after %v, want %d after %v", len(ops), after, test.want, test.after)
				}
				done()
				time.Sleep(time.Millisecond)
			})
		})
	}
}
