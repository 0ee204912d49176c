package model

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// Model is what the gateway should hold after the requests it was told of.
type Model struct {
	groups map[exposition.Digest]exposition.Group
}

// New returns a Model without groups.
func New() *Model { return &Model{groups: map[exposition.Digest]exposition.Group{}} }

// once is the time that stands for any push time.
var once = time.Unix(1, 0)

// Push applies a PUT or POST and reports whether it is accepted. If not, or if
// refused says that it contradicts itself, it marks the group as failed.
func (m *Model) Push(method repository.Method, key exposition.GroupingKey, families []exposition.Family, refused bool) bool {
	if !refused && m.Fits(method, key, families) {
		m.store(method, key, families)
		return true
	}
	group, exists := m.groups[key.Digest()]
	group.Key, group.PushFailureTime = key, once
	if exists || m.fits(group, nil) {
		m.groups[key.Digest()] = group
	}
	return false
}

// Fits reports whether a push clashes neither with itself nor with what would
// be stored beside it.
func (m *Model) Fits(method repository.Method, key exposition.GroupingKey, families []exposition.Family) bool {
	return m.fits(m.after(method, key, families), families)
}

// store makes the group what it is after a push, clash or not.
func (m *Model) store(method repository.Method, key exposition.GroupingKey, families []exposition.Family) {
	m.groups[key.Digest()] = m.after(method, key, families)
}

// after is what the group would be after the push.
func (m *Model) after(method repository.Method, key exposition.GroupingKey, families []exposition.Family) exposition.Group {
	group := m.groups[key.Digest()]
	group.Key, group.PushTime = key, once
	old := group.Families
	group.Families = nil
	if method == repository.Post {
		for _, f := range old {
			if !has(families, f.Name) {
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

func has(families []exposition.Family, name string) bool {
	return slices.ContainsFunc(families, func(f exposition.Family) bool { return f.Name == name })
}

// exposed is what a push exposes.
type exposed struct {
	owners map[string]string // of names
	series map[string]bool
}

// add adds a family, and reports whether that was possible without a clash.
func (e exposed) add(key exposition.GroupingKey, f exposition.Family) bool {
	free := !e.clashes(key, f)
	for _, c := range exposition.Claims(f) {
		e.owners[c.Name] = owner(f)
	}
	for _, metric := range f.Metrics {
		s := series(key, f.Name, metric)
		free = free && !e.series[s]
		e.series[s] = true
	}
	return free
}

// clashes reports whether the family cannot be exposed beside what is there.
func (e exposed) clashes(key exposition.GroupingKey, f exposition.Family) bool {
	for _, c := range exposition.Claims(f) {
		if o, ok := e.owners[c.Name]; ok && o != owner(f) {
			return true
		}
	}
	if _, ok := e.owners[f.Name]; !ok {
		return false
	}
	return slices.ContainsFunc(f.Metrics, func(metric exposition.Metric) bool { return e.series[series(key, f.Name, metric)] })
}

func owner(f exposition.Family) string { return fmt.Sprint(f.Name, " ", f.Type) }

func series(key exposition.GroupingKey, name string, metric exposition.Metric) string {
	return fmt.Sprint(name, key.FinalLabels(nil, metric.Labels))
}

// fits reports whether the pushed families of the group, and its push times,
// clash neither with each other nor with what the group keeps nor with other
// groups.
func (m *Model) fits(group exposition.Group, pushed []exposition.Family) bool {
	e := exposed{owners: map[string]string{}, series: map[string]bool{}}
	for _, f := range pushed {
		if len(f.Metrics) > 0 && !e.add(group.Key, f) {
			return false
		}
	}
	for _, f := range group.Families {
		if !has(pushed, f.Name) && e.clashes(group.Key, f) {
			return false
		}
	}
	digest, times := group.Key.Digest(), group.Key.FinalLabels(nil, nil)
	for d, other := range m.groups {
		if d == digest {
			continue
		}
		if slices.Equal(times, other.Key.FinalLabels(nil, nil)) {
			return false
		}
		for _, f := range other.Families {
			if e.clashes(other.Key, f) {
				return false
			}
		}
	}
	return true
}

// Delete applies a DELETE of one group, and reports whether there was one.
func (m *Model) Delete(key exposition.GroupingKey) bool {
	_, exists := m.groups[key.Digest()]
	delete(m.groups, key.Digest())
	return exists
}

// DeleteMatching applies a recursive DELETE.
func (m *Model) DeleteMatching(key exposition.GroupingKey) {
	maps.DeleteFunc(m.groups, func(_ exposition.Digest, g exposition.Group) bool {
		for _, l := range key.Labels() {
			if v, ok := g.Key.Map()[l.Name]; !ok || v != l.Value {
				return false
			}
		}
		return true
	})
}

// Wipe removes all groups.
func (m *Model) Wipe() { m.groups = map[exposition.Digest]exposition.Group{} }

func (m *Model) clone() *Model { return &Model{groups: maps.Clone(m.groups)} }

// Snapshot renders the model from nothing. All push times that are not 0 are
// 1, as [Timeless] makes them.
func (m *Model) Snapshot() *exposition.Snapshot {
	state := exposition.NewState()
	state.EnableProtobuf()
	change := exposition.Change{Reset: true}
	for _, g := range m.groups {
		change.Groups = append(change.Groups, g)
	}
	state.Apply(change)
	return state.Snapshot()
}

// Exposition returns the model's text exposition, with push times of 1.
func (m *Model) Exposition() string { return Timeless(Text(m.Snapshot())) }

// Text returns the text exposition of a snapshot.
func Text(s *exposition.Snapshot) string {
	var b bytes.Buffer
	if err := s.WriteExposition(&b, exposition.Encoding{}); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}
