package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func testConcurrent(t *testing.T, r *replica) {
	const workers, commits = 8, 25
	var common []string
	for i := range 10 {
		common = append(common, fmt.Sprintf("job/common/i/%d", i))
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			own := fmt.Sprintf("job/own/w/%d", w)
			for i := range commits {
				paths := append(slices.Concat(common[(i*7+w)%10:], common[:(i*7+w)%10]), own)
				c := r.request(repository.Post, fmt.Sprintf("m %d\n", i), paths...)
				for {
					err := r.Commit(t.Context(), c)
					if err == nil {
						break
					}
					if !errors.Is(err, repository.ErrConflict) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	want := map[string]string{}
	for w := range workers {
		want[fmt.Sprintf("job/own/w/%d", w)] = fmt.Sprintf("m=%d", commits-1)
	}
	r.expect(want)
	last := map[exposition.Digest]string{}
	rows := r.history()
	if n := workers * commits * 11; len(rows) != n {
		t.Errorf("the history has %d rows, want %d", len(rows), n)
	}
	for _, row := range rows {
		families, err := exposition.DecodeFamilies(row.Families)
		must(t, err)
		last[row.Key.Digest()] = show(exposition.Group{Families: families})
	}
	for digest, g := range r.groups {
		if show(g) != last[digest] {
			t.Errorf("%s is %s, but last in the history is %s", g.Key, show(g), last[digest])
		}
	}
}

func testAtomic(t *testing.T, r *replica) {
	r.put("m 0\n", "job/a", "job/b")
	watcher := newReplica(t, r.Store)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := r.Commit(t.Context(), r.request(repository.Put, fmt.Sprintf("m %d\n", i), "job/a", "job/b")); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range 100 {
		if i%10 == 0 {
			watcher.cursor = nil
		}
		watcher.catchUp()
		if a, b := watcher.show("job/a"), watcher.show("job/b"); a != b {
			t.Errorf("half a commit is visible: %s and %s", a, b)
		}
	}
	close(stop)
	<-done
}
