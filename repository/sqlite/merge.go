package sqlite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
	"github.com/sqlpushgateway/sqlpushgateway/repository/internal/rows"
)

// merge returns what a change that keeps the families it does not name makes
// of a row. Members of families that this version does not know are kept.
func merge(old stored, g *repository.GroupChange) (stored, error) {
	var families, changed map[string]json.RawMessage
	if err := json.Unmarshal(old.families, &families); err != nil {
		return stored{}, fmt.Errorf("%w: the stored families cannot be read: %w", repository.ErrData, err)
	}
	if err := json.Unmarshal(rows.OrEmpty(g.Families), &changed); err != nil {
		return stored{}, fmt.Errorf("%w: read families: %w", repository.ErrData, err)
	}
	for _, name := range g.Cleared {
		delete(families, name)
	}
	for name := range changed {
		delete(families, name)
	}
	row := stored{families: rows.OrEmpty(g.Families), times: old.times}
	if g.Pushed {
		var err error
		if row.times, err = olderTimes(families, old); err != nil {
			return stored{}, err
		}
	}
	if len(families) > 0 {
		for name, family := range changed {
			families[name] = family
		}
		row.families = appendObject(nil, families)
	}
	return row, nil
}

// olderTimes is family_times after a push that leaves the families alone:
// their own times, or else that of the push before.
func olderTimes(left map[string]json.RawMessage, old stored) ([]byte, error) {
	if len(left) == 0 {
		return []byte("{}"), nil
	}
	var times map[string]string
	if err := json.Unmarshal(old.times, &times); err != nil {
		return nil, fmt.Errorf("%w: the stored family_times cannot be read: %w", repository.ErrData, err)
	}
	older := make(map[string]string, len(left))
	for name := range left {
		if t, ok := times[name]; ok {
			older[name] = t
		} else if old.pushedAt != nil {
			older[name] = *old.pushedAt
		}
	}
	return json.Marshal(older)
}

// appendObject appends the object, its members sorted and their values as
// they are.
func appendObject(dst []byte, members map[string]json.RawMessage) []byte {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		quoted, _ := json.Marshal(name) // strings cannot fail
		dst = append(append(append(dst, quoted...), ':'), bytes.TrimSpace(members[name])...)
	}
	return append(dst, '}')
}
