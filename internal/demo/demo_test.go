package demo_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/demo"
	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// now is when the histories end, and what databases take for the present.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// history is a demonstration, as the generator made it.
type history struct {
	rows   []repository.HistoryRow
	groups []exposition.Group
}

func generate(o demo.Options) (h history) {
	var err error
	h.groups, err = demo.Generate(o, func(row repository.HistoryRow) error {
		h.rows = append(h.rows, row)
		return nil
	})
	if err != nil {
		panic(err) // only yield returns errors
	}
	return h
}

// Tests share two histories: to make them takes a while.
var (
	shortest = demo.Options{Until: now, Days: demo.MinDays, Seed: 1}
	short    = sync.OnceValue(func() history { return generate(shortest) })
	long     = sync.OnceValue(func() history { return generate(demo.Options{Until: now, Days: 35, Seed: 1}) })
)

// texts has everything there is to say about the rows and groups.
func texts(h history) (all []string) {
	for _, r := range h.rows {
		verdict := "none"
		if r.Success != nil {
			verdict = fmt.Sprint(*r.Success)
		}
		r.Success = nil
		all = append(all, fmt.Sprintf("%+v %s %s", r, verdict, r.Families))
	}
	for _, g := range h.groups {
		all = append(all, describe(g)+fmt.Sprint(g.PushTime, g.PushFailureTime, g.FamilyTimes))
	}
	return all
}

func describe(g exposition.Group) string {
	return fmt.Sprintf("%s %s", g.Key, exposition.AppendFamilies(nil, g.Families))
}

func TestOptionsDecideTheHistory(t *testing.T) {
	t.Parallel()
	first := texts(short())
	if again := texts(generate(shortest)); !slices.Equal(first, again) {
		t.Error("the second time everything is different")
	}
	other, n, enough := shortest, 0, errors.New("enough")
	other.Seed++
	_, err := demo.Generate(other, func(row repository.HistoryRow) error {
		if n++; row.Commit == short().rows[n-1].Commit {
			t.Error("another seed makes no difference")
		}
		return enough
	})
	if err != enough || n != 1 {
		t.Errorf("got %v after %d rows, want the error of the first one", err, n)
	}
}

func TestAHistoryCanHaveHappened(t *testing.T) {
	t.Parallel()
	rows, groups := short().rows, short().groups
	replayed, err := model.Replay(rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	state := exposition.NewState()
	state.Apply(exposition.Change{Groups: groups})
	if got, want := model.Timeless(model.Text(state.Snapshot())), replayed.Exposition(); got != want {
		t.Errorf("the groups expose\n%s\nbut the history amounts to\n%s", got, want)
	}
	since := now.AddDate(0, 0, -demo.MinDays)
	pushed := map[exposition.Digest]time.Time{}
	for i, r := range rows {
		if r.Seq != int64(i+1) || i > 0 && r.At.Before(rows[i-1].At) || r.At.Before(since) || !r.At.Before(now) {
			t.Fatalf("row %d is out of order: %+v", i+1, r)
		}
		if r.Accepted && r.Method != repository.Wipe {
			pushed[r.Key.Digest()] = r.At
		}
	}
	for _, g := range groups {
		if !g.PushTime.Equal(pushed[g.Key.Digest()]) {
			t.Errorf("group %s was pushed at %v, not at %v", g.Key, pushed[g.Key.Digest()], g.PushTime)
		}
		for name, at := range g.FamilyTimes {
			if !at.Before(g.PushTime) {
				t.Errorf("family %s of group %s is as old as the group", name, g.Key)
			}
		}
	}
}

func TestEachStoryIsTold(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]history{"short": short(), "long": long()} {
		told := map[string]int{}
		for _, r := range h.rows {
			verb := string(r.Method)
			if !r.Accepted {
				verb = "rejected " + verb
			}
			told[fmt.Sprintf("%s %s", verb, r.Key.Job())]++
		}
		for _, want := range []string{
			"PUT nightly_export", "PUT backup", "POST ci_build", "PUT sales_report", "PUT invoice_mailer", "POST warehouse_load", "PUT payments", "POST queues",
			"rejected PUT payments", "rejected PUT sensors", "rejected POST queues", "DELETE backup", "DELETE payments", "DELETE ci_build", "WIPE ",
		} {
			if told[want] == 0 {
				t.Errorf("in the %s history there is no %s: %v", name, want, told)
			}
		}
		left := map[string]int{}
		for _, g := range h.groups {
			left[g.Key.Job()]++
		}
		want := map[string]int{"nightly_export": 1, "backup": 5, "ci_build": 4, "sales_report": 1, "invoice_mailer": 1, "warehouse_load": 3, "payments": 2, "queues": 1}
		if !maps.Equal(left, want) {
			t.Errorf("after the %s history there are the groups %v, want %v", name, left, want)
		}
	}
}
