package demo

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// gateway does what a gateway does with requests.
type gateway struct {
	rand   *rand.Rand
	seq    int64
	groups map[exposition.Digest]exposition.Group
	types  map[string]exposition.Type // of the families that were stored last
}

func newGateway(seed uint64) *gateway {
	return &gateway{
		rand:   rand.New(rand.NewPCG(seed, 1<<63)),
		groups: map[exposition.Digest]exposition.Group{},
		types:  map[string]exposition.Type{},
	}
}

// sorted returns the groups that exist, by key.
func (g *gateway) sorted() []exposition.Group {
	groups := make([]exposition.Group, 0, len(g.groups))
	for _, group := range g.groups {
		groups = append(groups, group)
	}
	slices.SortFunc(groups, byKey)
	return groups
}

// apply answers a request, and returns its rows in the history.
func (g *gateway) apply(e event) ([]repository.HistoryRow, error) {
	row := repository.HistoryRow{
		Request: repository.Request{Method: e.method, Client: e.by.address, Username: e.by.user, UserAgent: e.by.agent, Bytes: len(e.body)},
		At:      e.at, Accepted: true, Affected: 1, Commit: uuid.UUID(g.random()),
		Replica: fmt.Sprintf("gateway-%d:9091", 1+g.rand.IntN(3)),
	}
	if id := g.random(); e.by.proxied {
		row.ID = hex.EncodeToString(id[:])
	}
	if e.method == repository.Wipe {
		row.Affected = len(g.groups)
		clear(g.groups)
		return g.number(row), nil
	}
	var err error
	if row.Key, err = exposition.ParseGroupingKey(e.path, exposition.LegacyNames); err != nil {
		return nil, err
	}
	if e.method == repository.Delete {
		return g.number(g.delete(row, e.recursive)...), nil
	}
	g.push(&row, e.body)
	return g.number(row), nil
}

// random is what commits and requests are named by.
func (g *gateway) random() (id [16]byte) {
	binary.LittleEndian.PutUint64(id[:8], g.rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], g.rand.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4
	return id
}

// number gives the rows their place in the history.
func (g *gateway) number(rows ...repository.HistoryRow) []repository.HistoryRow {
	for i := range rows {
		g.seq++
		rows[i].Seq = g.seq
	}
	return rows
}

// delete removes the group of the row, or all that have its labels, and returns
// a row for each.
func (g *gateway) delete(row repository.HistoryRow, recursive bool) []repository.HistoryRow {
	if !recursive {
		if _, ok := g.groups[row.Key.Digest()]; !ok {
			row.Affected = 0
		}
		delete(g.groups, row.Key.Digest())
		return []repository.HistoryRow{row}
	}
	var rows []repository.HistoryRow
	for _, group := range g.sorted() {
		if !contains(group.Key, row.Key) {
			continue
		}
		delete(g.groups, group.Key.Digest())
		rows = append(rows, row)
		rows[len(rows)-1].Key = group.Key
	}
	return rows
}

// contains reports whether the key has all labels of the other.
func contains(key, other exposition.GroupingKey) bool {
	for _, l := range other.Labels() {
		if !slices.Contains(key.Labels(), l) {
			return false
		}
	}
	return true
}

// push stores a push, or refuses it, and completes its row.
func (g *gateway) push(row *repository.HistoryRow, text string) {
	families, err := exposition.ParseText(strings.NewReader(text), exposition.LegacyNames)
	if err != nil {
		row.Accepted, row.Reason, row.Affected = false, err.Error(), 0
		return
	}
	group := g.groups[row.Key.Digest()]
	group.Key = row.Key
	families, err = exposition.Normalize(row.Key, families, exposition.Rules{})
	if err == nil {
		row.Families = exposition.AppendFamilies(nil, families)
		for _, f := range families {
			row.Series += exposition.SeriesCount(f)
		}
		err = g.check(row, families)
	}
	if err != nil {
		row.Accepted, row.Reason = false, err.Error()
		group.PushFailureTime = row.At
	} else {
		row.Success = repository.Verdict(families)
		store(&group, row.Method, families, row.At)
	}
	g.groups[row.Key.Digest()] = group
}

// check returns why the families would contradict other groups. Those of types
// that were stored before do not.
func (g *gateway) check(row *repository.HistoryRow, families []exposition.Family) error {
	known := !slices.ContainsFunc(families, func(f exposition.Family) bool {
		t, ok := g.types[f.Name]
		return !ok || t != f.Type
	})
	if known {
		return nil
	}
	state := exposition.NewState()
	state.Apply(exposition.Change{Groups: g.sorted()})
	if err := state.CheckNames(row.Key, row.Method == repository.Put, families); err != nil {
		return err
	}
	for _, f := range families {
		g.types[f.Name] = f.Type
	}
	return nil
}

// store changes the group's families as the method says. What both share is
// never changed.
func store(group *exposition.Group, method repository.Method, families []exposition.Family, at time.Time) {
	times := map[string]time.Time{}
	if method == repository.Post {
		for _, f := range group.Families {
			if slices.ContainsFunc(families, func(n exposition.Family) bool { return n.Name == f.Name }) {
				continue
			}
			families = append(families, f)
			times[f.Name] = group.PushTime
			if older, ok := group.FamilyTimes[f.Name]; ok {
				times[f.Name] = older
			}
		}
		slices.SortFunc(families, func(a, b exposition.Family) int { return strings.Compare(a.Name, b.Name) })
	}
	group.Families, group.FamilyTimes, group.PushTime = families, times, at
}
