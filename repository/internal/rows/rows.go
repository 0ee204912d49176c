// Package rows is what the rows of all databases have in common.
package rows

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// The outcomes of requests.
const (
	Accepted = "accepted"
	Rejected = "rejected"
)

// Outcome is how the outcome of a request is stored.
func Outcome(accepted bool) string {
	if accepted {
		return Accepted
	}
	return Rejected
}

// Labels is a grouping key's labels as JSON.
func Labels(k exposition.GroupingKey) string {
	return string(k.AppendJSON(nil))
}

// Key reads what Labels returned.
func Key(labels []byte) (exposition.GroupingKey, error) {
	var m map[string]string
	if err := json.Unmarshal(labels, &m); err != nil {
		return exposition.GroupingKey{}, fmt.Errorf("read labels: %w", err)
	}
	k, err := exposition.NewGroupingKey(m, exposition.UTF8Names)
	if err != nil {
		return exposition.GroupingKey{}, fmt.Errorf("read labels: %w", err)
	}
	return k, nil
}

// Group reads a row of push_group but for its times.
func Group(key, labels, families []byte) (exposition.Group, error) {
	var g exposition.Group
	var err error
	if g.Key, err = Key(labels); err != nil {
		return g, err
	}
	if digest := g.Key.Digest(); !bytes.Equal(digest[:], key) {
		return g, fmt.Errorf("the key is not that of the labels %s", g.Key)
	}
	if g.Families, err = exposition.DecodeFamilies(families); err != nil {
		return g, fmt.Errorf("read families: %w", err)
	}
	return g, nil
}
