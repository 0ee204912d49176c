package repository_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// model is the semantics of the gateway in its simplest form: all groups in a
// map, and every push checked against all of them.
type model struct {
	groups map[exposition.Digest]exposition.Group
}

func newModel() *model { return &model{groups: map[exposition.Digest]exposition.Group{}} }

// once is the time that stands for any push time.
var once = time.Unix(1, 0)

// push applies a PUT or POST and reports whether it is accepted.
func (m *model) push(method repository.Method, key exposition.GroupingKey, families []exposition.Family, refused bool) bool {
	after := m.after(method, key, families)
	if !refused && m.consistentWith(after) {
		m.groups[key.Digest()] = after
		return true
	}
	group, exists := m.groups[key.Digest()]
	group.Key, group.PushFailureTime = key, once
	if exists || m.consistentWith(group) {
		m.groups[key.Digest()] = group
	}
	return false
}

// after is what the group would be after the push.
func (m *model) after(method repository.Method, key exposition.GroupingKey, families []exposition.Family) exposition.Group {
	group := m.groups[key.Digest()]
	group.Key, group.PushTime = key, once
	old := group.Families
	group.Families = nil
	if method == repository.Post {
		for _, f := range old {
			if !slices.ContainsFunc(families, func(g exposition.Family) bool { return g.Name == f.Name }) {
				group.Families = append(group.Families, f)
			}
		}
	}
	for _, f := range families {
		if len(f.Metrics) > 0 {
			group.Families = append(group.Families, f)
		}
	}
	slices.SortFunc(group.Families, func(a, b exposition.Family) int { return strings.Compare(a.Name, b.Name) })
	return group
}

// consistentWith reports whether all groups, with this one in place of the one
// of the same key, can be exposed together.
func (m *model) consistentWith(group exposition.Group) bool {
	series := map[string]bool{}
	owners := map[string]string{}
	add := func(g exposition.Group) bool {
		pushTime := fmt.Sprint(g.Key.FinalLabels(nil, nil))
		if series[pushTime] {
			return false
		}
		series[pushTime] = true
		for _, f := range g.Families {
			owner := fmt.Sprint(f.Name, " ", f.Type)
			for _, c := range exposition.Claims(f) {
				if o, ok := owners[c.Name]; ok && o != owner {
					return false
				}
				owners[c.Name] = owner
			}
			for _, metric := range f.Metrics {
				s := fmt.Sprint(f.Name, g.Key.FinalLabels(nil, metric.Labels))
				if series[s] {
					return false
				}
				series[s] = true
			}
		}
		return true
	}
	if !add(group) {
		return false
	}
	for digest, g := range m.groups {
		if digest != group.Key.Digest() && !add(g) {
			return false
		}
	}
	return true
}

func (m *model) delete(key exposition.GroupingKey) { delete(m.groups, key.Digest()) }

func (m *model) deleteMatching(key exposition.GroupingKey) {
	for digest, g := range m.groups {
		matches := true
		for _, l := range key.Labels() {
			v, ok := g.Key.Map()[l.Name]
			matches = matches && ok && v == l.Value
		}
		if matches {
			delete(m.groups, digest)
		}
	}
}

func (m *model) wipe() { clear(m.groups) }

// exposition renders the model from nothing.
func (m *model) exposition() string {
	state := exposition.NewState()
	change := exposition.Change{}
	for _, g := range m.groups {
		change.Groups = append(change.Groups, g)
	}
	state.Apply(change)
	return timeless(text(state.Snapshot()))
}

// replay makes a model from the history.
func replay(rows []repository.HistoryRow) (*model, error) {
	m := newModel()
	for _, row := range rows {
		switch {
		case row.Method == repository.Wipe:
			m.wipe()
		case row.Method == repository.Delete:
			// A DELETE may have found nothing and yet have a later number than
			// a PUT that creates the group at the same time.
			if row.Affected == 0 {
				continue
			}
			if _, exists := m.groups[row.Key.Digest()]; !exists {
				return nil, fmt.Errorf("row %d: DELETE of %s removed a group that was not there", row.Seq, row.Key)
			}
			m.delete(row.Key)
		case !row.Accepted:
			if row.Affected == 1 && m.push(row.Method, row.Key, nil, true) {
				return nil, fmt.Errorf("row %d: a rejected push was accepted", row.Seq)
			}
		default:
			var families []exposition.Family
			if row.Families != nil {
				var err error
				if families, err = exposition.DecodeFamilies(row.Families); err != nil {
					return nil, fmt.Errorf("row %d: %w", row.Seq, err)
				}
			}
			if !m.push(row.Method, row.Key, families, false) {
				return nil, fmt.Errorf("row %d: %s to %s was accepted though it clashes", row.Seq, row.Method, row.Key)
			}
		}
	}
	return m, nil
}

func text(s *exposition.Snapshot) string {
	var b bytes.Buffer
	if err := s.WriteExposition(&b, exposition.Encoding{}); err != nil {
		panic(err)
	}
	return b.String()
}

var times = regexp.MustCompile(`(?m)^(push(?:_failure)?_time_seconds\{.*\}) (\S+)$`)

// timeless replaces all push times that are not 0 by 1.
func timeless(exposition string) string {
	return times.ReplaceAllStringFunc(exposition, func(line string) string {
		parts := times.FindStringSubmatch(line)
		if parts[2] != "0" {
			parts[2] = "1"
		}
		return parts[1] + " " + parts[2]
	})
}
