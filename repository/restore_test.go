package repository_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// restore restores a group with the body as its families.
func restore(t testing.TB, r *repository.Repository, path, body string, times repository.Times) error {
	t.Helper()
	k := key(t, path)
	families, err := exposition.ParseText(strings.NewReader(body), exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	p := repository.Push{Request: repository.Request{Method: repository.Put}, Key: k, Times: &times}
	if p.Families, err = exposition.Normalize(k, families, exposition.Rules{}); err != nil {
		t.Fatal(err)
	}
	return r.Push(patient(t), p)
}

// stored returns the group, and whether there is one.
func stored(t testing.TB, r *repository.Repository, path string) (group exposition.Group, exists bool) {
	t.Helper()
	k := key(t, path)
	err := r.Groups(t.Context(), func(g exposition.Group) error {
		if g.Key.Digest() == k.Digest() {
			group, exists = g, true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return group, exists
}

func TestRestore(t *testing.T) {
	t.Parallel()
	const path = "job/j/a/b"
	var (
		long     = time.Date(2024, 1, 2, 3, 4, 5, 678901000, time.UTC)
		longer   = long.Add(-time.Hour)
		upcoming = time.Now().Add(24 * time.Hour).Truncate(time.Microsecond)
	)
	for _, c := range []struct {
		name   string
		before func(t *testing.T, r *repository.Repository)
		times  repository.Times
		want   error
		body   string // what is stored then
		after  repository.Times
	}{
		{
			name:  "a group that does not exist gets its times",
			times: repository.Times{Pushed: long, Failed: longer, Families: map[string]time.Time{"m": longer}},
			body:  "m 1\n",
			after: repository.Times{Pushed: long, Failed: longer, Families: map[string]time.Time{"m": longer}},
		},
		{
			name:  "one that was only refused, too",
			times: repository.Times{Failed: long},
			after: repository.Times{Failed: long},
		},
		{
			name: "an older one is replaced",
			before: func(t *testing.T, r *repository.Repository) {
				if err := restore(t, r, path, "old 1\n", repository.Times{Pushed: longer, Families: map[string]time.Time{"old": longer}}); err != nil {
					t.Fatal(err)
				}
			},
			times: repository.Times{Pushed: long},
			body:  "m 1\n",
			after: repository.Times{Pushed: long},
		},
		{
			name: "a later failure is kept",
			before: func(t *testing.T, r *repository.Repository) {
				if err := restore(t, r, path, "old 1\n", repository.Times{Pushed: longer, Failed: upcoming}); err != nil {
					t.Fatal(err)
				}
			},
			times: repository.Times{Pushed: long, Failed: long},
			body:  "m 1\n",
			after: repository.Times{Pushed: long, Failed: upcoming},
		},
		{
			name: "the same one stays",
			before: func(t *testing.T, r *repository.Repository) {
				if err := restore(t, r, path, "same 1\n", repository.Times{Pushed: long}); err != nil {
					t.Fatal(err)
				}
			},
			times: repository.Times{Pushed: long, Failed: long},
			want:  repository.ErrNewer,
			body:  "same 1\n",
			after: repository.Times{Pushed: long},
		},
		{
			name: "a newer one stays, of a job with several shapes, too",
			before: func(t *testing.T, r *repository.Repository) {
				if err := errors.Join(
					restore(t, r, "job/j/c/d", "other 1\n", repository.Times{Pushed: long}),
					restore(t, r, path, "new 1\n", repository.Times{Pushed: upcoming}),
				); err != nil {
					t.Fatal(err)
				}
			},
			times: repository.Times{Pushed: long},
			want:  repository.ErrNewer,
			body:  "new 1\n",
			after: repository.Times{Pushed: upcoming},
		},
		{
			name: "a job may have several shapes",
			before: func(t *testing.T, r *repository.Repository) {
				if err := errors.Join(
					restore(t, r, "job/j/c/d", "other 1\n", repository.Times{Pushed: long}),
					restore(t, r, "job/j", "other 1\n", repository.Times{Pushed: long}),
				); err != nil {
					t.Fatal(err)
				}
			},
			times: repository.Times{Pushed: long},
			body:  "m 1\n",
			after: repository.Times{Pushed: long},
		},
		{
			name: "a clash is refused",
			before: func(t *testing.T, r *repository.Repository) {
				if err := restore(t, r, "job/other", "# TYPE m counter\nm 1\n", repository.Times{Pushed: long}); err != nil {
					t.Fatal(err)
				}
			},
			times: repository.Times{Pushed: long},
			want:  exposition.ErrInconsistent,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			replicas, _ := newReplicas(t, 2)
			if c.before != nil {
				c.before(t, replicas[0])
			}
			body := "m 1\n"
			if c.times.Pushed.IsZero() {
				body = ""
			}
			if err := restore(t, replicas[1], path, body, c.times); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if errors.Is(c.want, exposition.ErrInconsistent) {
				return
			}
			g, exists := stored(t, replicas[0], path)
			if !exists || !g.PushTime.Equal(c.after.Pushed) || !g.PushFailureTime.Equal(c.after.Failed) {
				t.Errorf("got a push at %v and a failure at %v (exists: %v), want %v and %v",
					g.PushTime, g.PushFailureTime, exists, c.after.Pushed, c.after.Failed)
			}
			if len(g.FamilyTimes) != len(c.after.Families) || !g.FamilyTimes["m"].Equal(c.after.Families["m"]) {
				t.Errorf("got the family times %v, want %v", g.FamilyTimes, c.after.Families)
			}
			want := exposition.Group{Key: g.Key, PushTime: g.PushTime}
			if families, err := exposition.ParseText(strings.NewReader(c.body), exposition.LegacyNames); err != nil {
				t.Fatal(err)
			} else if want.Families, err = exposition.Normalize(g.Key, families, exposition.Rules{}); err != nil {
				t.Fatal(err)
			}
			if got, want := string(exposition.AppendFamilies(nil, g.Families)), string(exposition.AppendFamilies(nil, want.Families)); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if a, b := scrape(t, replicas[0]), scrape(t, replicas[1]); a != b {
				t.Errorf("the replicas expose\n%s\nand\n%s", a, b)
			}
		})
	}
}

// TestARefusedRestoreLeavesNoTrace protects groups, and who looks at their
// failure times, from an import of something that clashes.
func TestARefusedRestoreLeavesNoTrace(t *testing.T) {
	t.Parallel()
	long := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name, path, body string
		want             error
	}{
		{"of a new group, for a name", "job/new", "# TYPE m counter\nm 1\n", exposition.ErrInconsistent},
		{"of a new group, for a series", "job/other", "m{a=\"b\"} 1\n", exposition.ErrInconsistent},
		{"of an older group", "job/old", "# TYPE m counter\nm 1\n", exposition.ErrInconsistent},
		{"of a newer group", "job/newer", "# TYPE m counter\nm 1\n", repository.ErrNewer},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			replicas, _ := newReplicas(t, 2)
			if err := errors.Join(
				restore(t, replicas[0], "job/other/a/b", "m 1\n", repository.Times{Pushed: long}),
				restore(t, replicas[0], "job/old", "old 1\n", repository.Times{Pushed: long.Add(-time.Hour)}),
				restore(t, replicas[0], "job/newer", "newer 1\n", repository.Times{Pushed: long.Add(time.Hour)}),
			); err != nil {
				t.Fatal(err)
			}
			before := scrape(t, replicas[0])
			for range 2 {
				if err := restore(t, replicas[1], c.path, c.body, repository.Times{Pushed: long}); !errors.Is(err, c.want) {
					t.Fatalf("got %v, want %v", err, c.want)
				}
			}
			if after := scrape(t, replicas[0]); after != before {
				t.Errorf("the exposition was\n%s\nand is\n%s", before, after)
			}
		})
	}
}
