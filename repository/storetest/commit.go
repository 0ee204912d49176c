package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// NewCommit returns a commit of one request to each path, such as job/j/a/b, with
// the text as its body.
func NewCommit(t testing.TB, epoch int64, deadline time.Time, method repository.Method, body string, paths ...string) *repository.Commit {
	t.Helper()
	c := &repository.Commit{ID: uuid.New(), Epoch: epoch, Deadline: deadline}
	families, err := exposition.ParseText(strings.NewReader(body), exposition.UTF8Names)
	must(t, err)
	for _, path := range paths {
		k := key(t, path)
		g := change(method, k, families)
		c.Groups = append(c.Groups, g)
		row := repository.HistoryRow{Request: repository.Request{Method: method}, Key: k, Accepted: true, Affected: 1}
		if method == repository.Delete {
			row.Affected = repository.AsExists
		} else {
			row.Families = g.Families // as of a Repository: the very same bytes
		}
		c.History = append(c.History, row)
	}
	slices.SortFunc(c.Groups, func(a, b repository.GroupChange) int {
		x, y := a.Key.Digest(), b.Key.Digest()
		return slices.Compare(x[:], y[:])
	})
	return c
}

func change(method repository.Method, k exposition.GroupingKey, families []exposition.Family) repository.GroupChange {
	g := repository.GroupChange{Key: k, Families: exposition.AppendFamilies(nil, families), FamilySet: exposition.FamilySet(families)}
	switch method {
	case repository.Delete:
		g.Delete, g.Reset = true, true
	case repository.Put:
		g.Replace, g.Pushed = true, true
	default:
		g.Pushed = true
	}
	return g
}
