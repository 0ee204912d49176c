package storetest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

func testHistory(t *testing.T, r *replica) {
	r.put("m 1\n", "job/a")
	c := r.request(repository.Post, "m 2\n", "job/a", "job/a/i/1", "job/a")
	c.Groups = slices.CompactFunc(c.Groups, func(x, y repository.GroupChange) bool { return x.Key.Digest() == y.Key.Digest() })
	c.History[0].Request = repository.Request{Method: repository.Post, ID: "id", Client: "::1", Username: "us'er", UserAgent: "agent \"7\"", Bytes: 123}
	c.History[0].Series, c.History[0].Success = 45, new(true)
	c.History[1].Accepted, c.History[1].Reason, c.History[1].Affected = false, "because", 0
	must(t, r.Commit(t.Context(), c))
	r.do(repository.Delete, "", "job/a")
	r.deleteAll("")
	rows := r.history()
	if len(rows) != 6 {
		t.Fatalf("the history has %d rows, want 6", len(rows))
	}
	for i, row := range rows {
		if i > 0 && row.Seq <= rows[i-1].Seq {
			t.Errorf("row %d has the number %d after %d", i, row.Seq, rows[i-1].Seq)
		}
		if i > 0 && row.At.Before(rows[i-1].At) || time.Since(row.At).Abs() > time.Minute {
			t.Errorf("row %d is of %s", i, row.At)
		}
		if row.Replica == "" {
			t.Errorf("row %d has no replica", i)
		}
		if i >= 1 && i <= 3 && row.Commit != c.ID {
			t.Errorf("row %d has the commit %s, want %s", i, row.Commit, c.ID)
		}
	}
	got := rows[1]
	families, err := exposition.DecodeFamilies(got.Families)
	must(t, err)
	if got.Request != c.History[0].Request || got.Series != 45 || got.Success == nil || !*got.Success || !got.Accepted || got.Reason != "" || got.Affected != 1 ||
		got.Key.Compare(key(t, "job/a")) != 0 || len(families) != 1 || families[0].Metrics[0].Value != 2 {
		t.Errorf("a row is %+v, was %+v", got, c.History[0])
	}
	if got := rows[2]; got.Accepted || got.Success != nil || got.Reason != "because" || got.Affected != 0 || got.Request != (repository.Request{Method: repository.Post}) {
		t.Errorf("the row of a refused push is %+v", got)
	}
	if got := rows[4]; got.Method != repository.Delete || got.Affected != 1 || got.Families != nil {
		t.Errorf("the row of a DELETE is %+v", got)
	}
	if got := rows[5]; got.Method != repository.Wipe || got.Affected != 1 || got.Key.Job() != "" {
		t.Errorf("the row of a wipe is %+v", got)
	}
}

func testHostileHeaders(t *testing.T, r *replica) {
	hostile := "a\x00b\xff\n" + strings.Repeat("é", 10_000)
	c := r.request(repository.Put, "m 1\n", "job/a")
	c.History[0].Request = repository.Request{Method: repository.Put, ID: hostile, Client: hostile, Username: hostile, UserAgent: hostile}
	c.History[0].Reason = hostile
	must(t, r.Commit(t.Context(), c))
	d := repository.Deletion{Request: c.History[0].Request, Key: key(t, "job/a"), Recursive: true}
	d.Method = repository.Delete
	must(t, r.DeleteGroups(t.Context(), uuid.New(), soon(), d))
	for _, row := range r.history() {
		for _, s := range []string{row.ID, row.Client, row.Username, row.UserAgent} {
			if !strings.HasPrefix(s, "a b\uFFFD é") || len(s) > 256 {
				t.Errorf("the history has %q", s)
			}
		}
	}
}

func testSeen(t *testing.T, r *replica) {
	send := func(id string, accepted bool) (*repository.Commit, error) {
		c := r.request(repository.Put, "m 1\n", "job/a", "job/b")
		c.History[0].ID = id
		if !accepted {
			c.History[0].Accepted, c.History[0].Reason = false, "because"
		}
		return c, r.Commit(t.Context(), c)
	}
	first, err := send("1", true)
	must(t, err)
	second, err := send("2", false)
	must(t, err)
	if _, err := send("1", true); !errors.Is(err, repository.ErrSeen) {
		t.Errorf("a request seen before: %v", err)
	}
	digests := [][32]byte{
		first.History[0].Digest(first.History[0].Key),
		second.History[0].Digest(second.History[0].Key),
		{1, 2, 3},
	}
	answers, err := r.Answers(t.Context(), digests)
	must(t, err)
	want := map[[32]byte]repository.Answer{digests[0]: {Accepted: true}, digests[1]: {Reason: "because"}}
	if !reflect.DeepEqual(answers, want) {
		t.Errorf("answers are %v, want %v", answers, want)
	}
	d := repository.Deletion{Request: repository.Request{Method: repository.Delete, ID: "3"}, Key: key(t, "job/b"), Recursive: true}
	must(t, r.DeleteGroups(t.Context(), uuid.New(), soon(), d))
	r.put("m 2\n", "job/b")
	if err := r.DeleteGroups(t.Context(), uuid.New(), soon(), d); !errors.Is(err, repository.ErrSeen) {
		t.Errorf("a recursive delete seen before: %v", err)
	}
	r.expect(map[string]string{"job/b": "m=2"})
	if n := len(r.history()); n != 6 {
		t.Errorf("the history has %d rows, want 6", n)
	}
	none, err := r.Answers(t.Context(), nil)
	if err != nil || len(none) != 0 {
		t.Errorf("answers to nothing: %v, %v", none, err)
	}
}
