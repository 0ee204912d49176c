package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

const (
	// transfers is how many groups are on their way to the database at once:
	// they share commits.
	transfers = 256
	// transferTimeout is how long each may take.
	transferTimeout = time.Minute
)

// transfer stores groups with the times that they have, and counts what becomes
// of them.
type transfer struct {
	to       *repository.Repository
	request  repository.Request
	silent   bool // without rows in the history
	progress *progress

	mu            sync.Mutex
	stored, newer int
	series        int
	refused       []refusal
}

// refusal is a group that was not stored.
type refusal struct {
	group  string
	reason error
}

// run stores the groups that source yields. Groups that are refused are no
// error of it.
func (t *transfer) run(ctx context.Context, source func(yield func(exposition.Group) error) error) error {
	err := eachAtOnce(ctx, source, func(ctx context.Context, g exposition.Group) error {
		if err := t.store(ctx, g); err != nil {
			return fmt.Errorf("group %s: %w", g.Key, err)
		}
		return nil
	})
	t.progress.end()
	return err
}

// eachAtOnce does something with all that source yields, many at once. The
// first error ends it.
func eachAtOnce[T any](ctx context.Context, source func(yield func(T) error) error, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	items := make(chan T)
	var workers sync.WaitGroup
	for range transfers {
		workers.Go(func() {
			for item := range items {
				if err := do(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := source(func(item T) error {
		select {
		case items <- item:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(items)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// store stores one group. Its error is one of the database.
func (t *transfer) store(ctx context.Context, g exposition.Group) error {
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	request := t.request
	request.Method = repository.Put
	err := t.to.Push(ctx, repository.Push{
		Request: request, Key: g.Key, Families: g.Families, Silent: t.silent,
		Times: &repository.Times{Pushed: g.PushTime, Failed: g.PushFailureTime, Families: g.FamilyTimes},
	})
	switch {
	case err == nil:
		t.count(g)
	case errors.Is(err, repository.ErrNewer):
		t.mu.Lock()
		t.newer++
		t.mu.Unlock()
	case errors.Is(err, repository.ErrUnavailable), errors.Is(err, repository.ErrConflict):
		return err
	default:
		t.refuse(g.Key.String(), err)
	}
	t.progress.add(1)
	return nil
}

// count counts a group that was stored.
func (t *transfer) count(g exposition.Group) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stored++
	for _, f := range g.Families {
		t.series += exposition.SeriesCount(f)
	}
}

// refuse notes a group that is not stored.
func (t *transfer) refuse(group string, reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = append(t.refused, refusal{group, reason})
}

// report says what became of the groups. It returns an error if not all of them
// are in the database now; err is what ended the transfer.
func (t *transfer) report(err error, found int, dryRun bool, stdout, stderr io.Writer) error {
	for _, r := range t.refused {
		fmt.Fprintf(stderr, "refused: %s: %v\n", r.group, r.reason)
	}
	verb := "were"
	if dryRun {
		verb = "would be"
	}
	fmt.Fprintf(stdout, "of %d groups %d %s stored, with %d series; %d stay as they are, since they were pushed to at the same time or later; %d %s refused\n",
		found, t.stored, verb, t.series, t.newer, len(t.refused), verb)
	switch {
	case err != nil:
		return fmt.Errorf("%w (what is stored stays: repeat the command for the rest)", err)
	case len(t.refused) > 0:
		return fmt.Errorf("%d of %d groups %s refused", len(t.refused), found, verb)
	}
	return nil
}

// progress shows on a terminal how far something has got. On anything else it
// shows nothing.
type progress struct {
	out   io.Writer // nil for none
	what  string
	total int // 0 if it is unknown

	mu    sync.Mutex
	n     int
	shown time.Time
}

func newProgress(out io.Writer, what string, total int) *progress {
	p := &progress{what: what, total: total}
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = out
		}
	}
	return p
}

// add says that n more are done.
func (p *progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += n
	if p.out == nil || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	p.show()
}

// end shows the last state.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out != nil && p.n > 0 {
		p.show()
		fmt.Fprintln(p.out)
	}
}

func (p *progress) show() {
	if p.total > 0 {
		fmt.Fprintf(p.out, "\r%d of %d %s", p.n, p.total, p.what)
		return
	}
	fmt.Fprintf(p.out, "\r%d %s", p.n, p.what)
}
