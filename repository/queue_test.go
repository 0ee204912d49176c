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
		q := newQueue(alone)
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

// TestTurnsBesideOthers protects the size of commits where others commit as well.
func TestTurnsBesideOthers(t *testing.T) {
	t.Parallel()
	const took = 4 * time.Millisecond
	tests := map[string]struct {
		share float64
		waits time.Duration // for clients that do not come back
		many  int           // ops that are worth a second commit
	}{
		"nobody else commits":       {share: 1, waits: took, many: enough},
		"another one commits":       {share: 0.5, waits: 2 * took, many: 4 * enough},
		"five others commit":        {share: 1.0 / 6, waits: 2 * took, many: maxBatchOps},
		"a few transactions beside": {share: 0.9, waits: took * 10 / 9, many: 34},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(func() float64 { return test.share })
				put := func(n int) {
					for range n {
						q.put(&op{})
					}
				}
				put(3)
				_, done := q.take(t.Context())
				time.Sleep(took) // by the fake clock
				done()
				start := time.Now()
				put(1)
				_, done = q.take(t.Context())
				if waited := time.Since(start); waited != test.waits {
					t.Errorf("the next commit begins after %v, want %v", waited, test.waits)
				}

				taken := make(chan int, 1)
				go func() {
					ops, _ := q.take(t.Context())
					taken <- len(ops)
				}()
				put(test.many - 1)
				synctest.Wait()
				select {
				case n := <-taken:
					t.Fatalf("a second commit began with %d ops, want none before %d wait", n, test.many)
				default:
				}
				put(1)
				synctest.Wait()
				if n := <-taken; n != test.many {
					t.Errorf("a second commit began with %d ops, want %d", n, test.many)
				}
				done()
			})
		})
	}
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
				q := newQueue(alone)
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

// alone is the share of who is the only one that commits.
func alone() float64 { return 1 }
