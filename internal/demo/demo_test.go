package demo_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/demo"
	"github.com/sqlpushgateway/sqlpushgateway/internal/model"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

var until = time.Date(2026, 3, 31, 7, 30, 0, 0, time.UTC)

func generate(t *testing.T, o demo.Options) ([]repository.HistoryRow, []exposition.Group) {
	t.Helper()
	var rows []repository.HistoryRow
	groups, err := demo.Generate(o, func(row repository.HistoryRow) error {
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, groups
}

// texts has everything there is to say about the rows and groups.
func texts(rows []repository.HistoryRow, groups []exposition.Group) (all []string) {
	for _, r := range rows {
		verdict := "none"
		if r.Success != nil {
			verdict = fmt.Sprint(*r.Success)
		}
		r.Success = nil
		all = append(all, fmt.Sprintf("%+v %s %s", r, verdict, r.Families))
	}
	for _, g := range groups {
		all = append(all, describe(g)+fmt.Sprint(g.PushTime, g.PushFailureTime, g.FamilyTimes))
	}
	return all
}

func describe(g exposition.Group) string {
	return fmt.Sprintf("%s %s", g.Key, exposition.AppendFamilies(nil, g.Families))
}

func TestEqualOptionsGiveEqualHistories(t *testing.T) {
	t.Parallel()
	o := demo.Options{Until: until, Days: demo.MinDays, Seed: 7}
	first := texts(generate(t, o))
	if again := texts(generate(t, o)); !slices.Equal(first, again) {
		t.Error("the second time everything is different")
	}
	o.Seed++
	if other := texts(generate(t, o)); slices.Equal(first, other) {
		t.Error("another seed makes no difference")
	}
}

func TestAHistoryCanHaveHappened(t *testing.T) {
	t.Parallel()
	rows, groups := generate(t, demo.Options{Until: until, Days: demo.MinDays, Seed: 1})
	replayed, err := model.Replay(rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	state := exposition.NewState()
	state.Apply(exposition.Change{Groups: groups})
	if got, want := model.Timeless(model.Text(state.Snapshot())), replayed.Exposition(); got != want {
		t.Errorf("the groups expose\n%s\nbut the history amounts to\n%s", got, want)
	}
	since := until.AddDate(0, 0, -demo.MinDays)
	pushed := map[exposition.Digest]time.Time{}
	for i, r := range rows {
		if r.Seq != int64(i+1) || i > 0 && r.At.Before(rows[i-1].At) || r.At.Before(since) || !r.At.Before(until) {
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
	for _, days := range []int{demo.MinDays, 60} {
		told := map[string]int{}
		rows, groups := generate(t, demo.Options{Until: until, Days: days, Seed: 1})
		for _, r := range rows {
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
				t.Errorf("in %d days there is no %s: %v", days, want, told)
			}
		}
		left := map[string]int{}
		for _, g := range groups {
			left[g.Key.Job()]++
		}
		want := map[string]int{"nightly_export": 1, "backup": 5, "ci_build": 4, "sales_report": 1, "invoice_mailer": 1, "warehouse_load": 3, "payments": 2, "queues": 1}
		if !maps.Equal(left, want) {
			t.Errorf("after %d days there are the groups %v, want %v", days, left, want)
		}
	}
}

func TestAnErrorEndsTheHistory(t *testing.T) {
	t.Parallel()
	full, n := errors.New("full"), 0
	_, err := demo.Generate(demo.Options{Until: until, Days: demo.MinDays}, func(repository.HistoryRow) error {
		n++
		return full
	})
	if err != full || n != 1 {
		t.Errorf("got %v after %d rows, want the error of the first one", err, n)
	}
}
