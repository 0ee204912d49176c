package exposition

import (
	"fmt"
	"slices"
	"testing"
)

func TestSkipJob(t *testing.T) {
	t.Parallel()
	state := NewState()
	var groups []Group
	for _, job := range []struct {
		name   string
		groups int
	}{{"a", 1}, {"ab", 2}, {"b", 9}, {"c", 1}, {"c.", 40}, {"d", 33}} {
		for i := range job.groups {
			labels := map[string]string{"job": job.name}
			if i > 0 {
				labels["i"] = fmt.Sprint(i)
			}
			key, err := NewGroupingKey(labels, LegacyNames)
			if err != nil {
				t.Fatal(err)
			}
			groups = append(groups, Group{Key: key})
		}
	}
	state.Apply(Change{Groups: groups})
	s := state.Snapshot()
	var got []string
	for i := 0; i < s.Len(); {
		next := s.SkipJob(i)
		got = append(got, fmt.Sprintf("%s %d", s.At(i).Job(), next-i))
		i = next
	}
	want := []string{"a 1", "ab 2", "b 9", "c 1", "c. 40", "d 33"}
	if !slices.Equal(got, want) {
		t.Errorf("the groups that stand together are %v, want %v", got, want)
	}
	// From within, what follows counts.
	last := s.Len() - 1
	for i := last; i > last-33; i-- {
		if next := s.SkipJob(i); next != s.Len() {
			t.Errorf("after place %d of %d comes %d", i, s.Len(), next)
		}
	}
}
