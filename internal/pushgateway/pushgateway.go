// Package pushgateway reads the groups that a Prometheus Pushgateway holds:
// those of a running one by its APIs, those of a stopped one from its
// persistence file.
package pushgateway

import (
	"fmt"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"

	dto "github.com/prometheus/client_model/go"
)

// Group is a group as a Pushgateway holds it.
type Group struct {
	Labels map[string]string // the grouping key, with job
	// Families are those that were pushed, with the labels that they are exposed
	// with.
	Families []exposition.Family
	// PushTime and PushFailureTime are zero if there was no such push.
	PushTime, PushFailureTime time.Time
	// FamilyTimes has the push time of each family.
	FamilyTimes map[string]time.Time
}

// heldFamily is a family in a group, and when it was pushed.
type heldFamily struct {
	family *dto.MetricFamily
	at     time.Time
}

// newGroup makes a group of its families. Those that hold the push times are
// read and left out.
func newGroup(labels map[string]string, held map[string]heldFamily) (Group, error) {
	g := Group{Labels: labels, FamilyTimes: make(map[string]time.Time, len(held))}
	var messages []*dto.MetricFamily
	for name, h := range held {
		switch name {
		case exposition.PushTimeName:
			g.PushTime = pushTime(h)
		case exposition.PushFailureTimeName:
			g.PushFailureTime = pushTime(h)
		default:
			messages = append(messages, h.family)
			g.FamilyTimes[name] = h.at
		}
	}
	var err error
	if g.Families, err = exposition.FamiliesFromProto(messages); err != nil {
		return Group{}, fmt.Errorf("group %v: %w", labels, err)
	}
	return g, nil
}

// pushTime is what one of the gauges with push times says. The time that the
// family itself was written is the same time without the rounding of a float,
// except for the zero that stands for never.
func pushTime(h heldFamily) time.Time {
	if len(h.family.GetMetric()) == 0 {
		return time.Time{}
	}
	seconds := h.family.GetMetric()[0].GetGauge().GetValue()
	if seconds == 0 {
		return time.Time{}
	}
	fromValue := time.UnixMicro(int64(seconds * 1e6))
	if difference := h.at.Sub(fromValue); difference.Abs() < time.Millisecond {
		return h.at
	}
	return fromValue
}
