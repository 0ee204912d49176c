package exposition

import "slices"

// TimestampMode says what happens to the timestamps of a push.
type TimestampMode uint8

// The timestamp modes. A timestamp never tells two equal series apart.
const (
	RejectTimestamps TimestampMode = iota // refuse the push
	DropTimestamps                        // forget them
	KeepTimestamps                        // expose them
)

// Rules says what [Normalize] accepts. The zero value is the default.
type Rules struct {
	Names      NameScheme
	Timestamps TimestampMode
	// Unchecked lets equal series, colliding names and other types than those
	// in Own pass. What could never be exposed is refused nevertheless.
	Unchecked bool
	// Own has the names and types of the gateway's own families, if the push
	// will be exposed beside them.
	Own map[string]Type
}

// Normalize turns the families of a push, as the parsers return them, into
// what is stored under the key: metrics with own labels only, families sorted
// by name, without those that the gateway adds itself. It returns an
// ErrTimestamp or an ErrInconsistent, with the reason, for a push that could
// not be exposed, or only at great length. It changes nothing that families refers to, but the result
// may share memory with it.
func Normalize(key GroupingKey, families []Family, rules Rules) ([]Family, error) {
	if rules.Timestamps == RejectTimestamps {
		if err := checkTimestamps(families); err != nil {
			return nil, err
		}
	}
	normalized := make([]Family, 0, len(families))
	for _, f := range families {
		if f.Name == PushTimeName || f.Name == PushFailureTimeName {
			continue
		}
		if err := normalizeFamily(key, &f, rules); err != nil {
			return nil, err
		}
		normalized = append(normalized, f)
	}
	if !slices.IsSortedFunc(normalized, compareFamilies) {
		slices.SortFunc(normalized, compareFamilies)
	}
	if err := checkRenderedSize(key, normalized); err != nil {
		return nil, err
	}
	if rules.Unchecked {
		return normalized, nil
	}
	return normalized, checkCollisions(normalized, rules.Own)
}

func checkTimestamps(families []Family) error {
	for _, f := range families {
		for _, m := range f.Metrics {
			if m.TimestampMs != nil {
				return &refusal{ErrTimestamp, "pushed metrics must not have timestamps, but " + seriesText(oneLine(f.Name), m.Labels) +
					" has one: leave it out, since a scrape gives samples their time"}
			}
		}
	}
	return nil
}

// normalizeFamily checks f and gives it metrics with own labels.
func normalizeFamily(key GroupingKey, f *Family, rules Rules) error {
	if err := checkTexts(*f, rules.Names); err != nil {
		return err
	}
	metrics := make([]Metric, len(f.Metrics))
	for i, m := range f.Metrics {
		labels, err := ownLabels(key, m.Labels)
		if err != nil {
			return inconsistent("metric %s %s", seriesText(f.Name, m.Labels), err)
		}
		m.Labels = labels
		if rules.Timestamps == DropTimestamps {
			m.TimestampMs = nil
		}
		metrics[i] = m
	}
	f.Metrics = metrics
	if err := checkMetrics(key, *f, rules.Names); err != nil || rules.Unchecked {
		return err
	}
	return checkUnique(key, *f)
}

// ownLabels returns the labels, sorted, without those that the key forces.
func ownLabels(key GroupingKey, labels []Label) ([]Label, error) {
	if !slices.IsSortedFunc(labels, compareNames) {
		labels = sortedLabels(slices.Clone(labels))
	}
	if name, ok := repeatedName(labels); ok {
		return nil, repeatedLabel(name)
	}
	if !slices.ContainsFunc(labels, key.forces) {
		return labels, nil
	}
	return slices.DeleteFunc(slices.Clone(labels), key.forces), nil
}

// forces reports whether metrics of the group are exposed with the key's label
// instead of l, or with an instance that is as empty as l.
func (k GroupingKey) forces(l Label) bool {
	if _, ok := lookup(k.labels, l.Name); ok {
		return true
	}
	return l.Name == instanceLabel && l.Value == ""
}

// repeatedName returns a name that occurs twice in the sorted labels.
func repeatedName(labels []Label) (string, bool) {
	for i := 1; i < len(labels); i++ {
		if labels[i].Name == labels[i-1].Name {
			return labels[i].Name, true
		}
	}
	return "", false
}
