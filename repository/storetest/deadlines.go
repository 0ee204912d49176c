package storetest

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func (r *replica) nothing() {
	r.t.Helper()
	r.expect(map[string]string{"job/a": "none"})
	if n := len(r.history()); n != 0 {
		r.t.Errorf("the history has %d rows", n)
	}
}

func testDeadline(t *testing.T, r *replica) {
	c := r.request(repository.Put, "m 1\n", "job/a")
	c.Deadline = time.Now().Add(-time.Millisecond)
	past := c.Deadline
	results := map[string]error{
		"a commit": r.Commit(t.Context(), c),
		"a wipe":   r.DeleteGroups(t.Context(), uuid.New(), past, repository.Deletion{Request: repository.Request{Method: repository.Wipe}}),
	}
	_, results["an exclusive transaction"] = r.BeginExclusive(t.Context(), past)
	_, _, results["a shared transaction"] = r.BeginJobs(t.Context(), r.epoch, past, []string{"a"})
	for what, err := range results {
		if !errors.Is(err, repository.ErrDeadline) && !errors.Is(err, repository.ErrUnavailable) || errors.Is(err, repository.ErrUnknown) {
			t.Errorf("%s after its deadline: %v", what, err)
		}
	}
	r.nothing()
}

func testNoTurn(t *testing.T, r *replica) {
	tx := r.exclusive()
	c := r.request(repository.Put, "m 1\n", "job/a")
	c.Deadline = time.Now().Add(50 * time.Millisecond)
	if err := r.Commit(t.Context(), c); !errors.Is(err, repository.ErrDeadline) && !errors.Is(err, repository.ErrUnavailable) || errors.Is(err, repository.ErrUnknown) {
		t.Errorf("a commit that has to wait for longer than it may: %v", err)
	}
	r.nothing() // and readers do not wait
	tx.Rollback()
	r.put("m 2\n", "job/a")
}

func testCancelled(t *testing.T, r *replica) {
	err := r.Commit(cancelled(t), r.request(repository.Put, "m 1\n", "job/a"))
	_, begin := r.BeginExclusive(cancelled(t), soon())
	_, catchUp := r.CatchUp(cancelled(t), nil, nil, func(exposition.Change) {})
	for what, err := range map[string]error{"commit": err, "begin": begin, "catch up": catchUp, "ping": r.Ping(cancelled(t))} {
		if !errors.Is(err, repository.ErrUnavailable) {
			t.Errorf("%s with a context that has ended: %v", what, err)
		}
	}
	r.nothing()
}

func testCancelledMeanwhile(t *testing.T, r *replica) {
	made := 0
	for i := range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), mathrand.N(3*time.Millisecond))
		c := r.request(repository.Put, fmt.Sprintf("m %d\n", i), fmt.Sprintf("job/a/i/%d", i))
		err := r.Commit(ctx, c)
		cancel()
		committed := err == nil
		if errors.Is(err, repository.ErrUnknown) {
			committed, err = r.Fence(t.Context(), c.ID)
			must(t, err)
		} else if err != nil && !errors.Is(err, repository.ErrUnavailable) && !errors.Is(err, repository.ErrDeadline) {
			t.Errorf("a commit whose context ends: %v", err)
		}
		want := "none"
		if committed {
			made++
			want = fmt.Sprintf("m=%d", i)
		}
		r.expect(map[string]string{fmt.Sprintf("job/a/i/%d", i): want})
	}
	if n := len(r.history()); n != made {
		t.Errorf("the history has %d rows, %d commits were made", n, made)
	}
}
