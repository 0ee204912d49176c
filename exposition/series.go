package exposition

import (
	"encoding/binary"
	"slices"
	"time"
)

// CheckSeries returns an ErrInconsistent if families, stored under key, would
// expose a series that other exposes: one of a family of the same name, or
// push_time_seconds, if only an empty instance tells the keys apart. Families
// are as [Normalize] returns them. A group never collides with itself. The
// cost is linear in the size of the families that both have.
func CheckSeries(key GroupingKey, families []Family, other Group) error {
	if key.Job() != other.Key.Job() || key.Digest() == other.Key.Digest() {
		return nil
	}
	if final := key.FinalLabels(nil, nil); slices.Equal(final, other.Key.FinalLabels(nil, nil)) {
		return sharedSeries(PushTimeName, final, other)
	}
	theirs := other.Families
	for _, f := range families {
		for len(theirs) > 0 && theirs[0].Name < f.Name {
			theirs = theirs[1:]
		}
		if len(theirs) == 0 || theirs[0].Name != f.Name {
			continue
		}
		if final := sharedLabels(key, f, other.Key, theirs[0]); final != nil {
			return sharedSeries(f.Name, final, other)
		}
	}
	return nil
}

// sharedLabels returns the final labels of a metric that both families have,
// or nil. There are always some: at least the job.
func sharedLabels(key GroupingKey, f Family, otherKey GroupingKey, other Family) []Label {
	if len(f.Metrics) == 0 {
		return nil
	}
	var final []Label
	var identity []byte
	exposed := make(map[string]struct{}, len(other.Metrics))
	for _, m := range other.Metrics {
		final = otherKey.FinalLabels(final[:0], m.Labels)
		identity = appendIdentity(identity[:0], final)
		exposed[string(identity)] = struct{}{}
	}
	for _, m := range f.Metrics {
		final = key.FinalLabels(final[:0], m.Labels)
		identity = appendIdentity(identity[:0], final)
		if _, ok := exposed[string(identity)]; ok {
			return final
		}
	}
	return nil
}

// appendIdentity appends bytes that are equal for equal labels only.
func appendIdentity(dst []byte, labels []Label) []byte {
	for _, l := range labels {
		dst = binary.AppendUvarint(dst, uint64(len(l.Name)))
		dst = append(dst, l.Name...)
		dst = binary.AppendUvarint(dst, uint64(len(l.Value)))
		dst = append(dst, l.Value...)
	}
	return dst
}

func sharedSeries(name string, final []Label, other Group) error {
	pushed := "which was pushed at " + other.PushTime.UTC().Format(time.RFC3339)
	if other.PushTime.IsZero() {
		pushed = "to which no push succeeded yet"
	}
	return inconsistent("the series %s is exposed by group %s already, %s: rename a label, or delete that group first",
		seriesText(name, final), excerpt(other.Key.String()), pushed)
}
