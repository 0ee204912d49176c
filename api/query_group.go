package api

import (
	"fmt"
	"strings"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// queryFamily is a family in the query API.
type queryFamily struct {
	TimeStamp time.Time        `json:"time_stamp"`
	Type      string           `json:"type"`
	Help      string           `json:"help,omitempty"`
	Metrics   []map[string]any `json:"metrics"`
}

// queryGroup returns a group in the form of the query API: its families stand
// beside its labels, and win over them if they have one of their names.
func queryGroup(g exposition.Group) map[string]any {
	out := make(map[string]any, len(g.Families)+4)
	out["labels"] = g.Key.Map()
	out["last_push_successful"] = !g.PushFailureTime.After(g.PushTime)
	for _, f := range g.Families {
		out[f.Name] = familyOf(g, f)
	}
	out[exposition.PushTimeName] = gaugeOf(g, exposition.PushTimeHelp, g.PushTime, g.PushFailureTime)
	out[exposition.PushFailureTimeName] = gaugeOf(g, exposition.PushFailureTimeHelp, g.PushFailureTime, g.PushTime)
	return out
}

func familyOf(g exposition.Group, f exposition.Family) queryFamily {
	pushed, ok := g.FamilyTimes[f.Name]
	if !ok {
		pushed = g.PushTime
	}
	out := queryFamily{
		TimeStamp: pushed.UTC(),
		Type:      strings.ToUpper(f.Type.String()),
		Help:      f.Help,
		Metrics:   make([]map[string]any, len(f.Metrics)),
	}
	for i, m := range f.Metrics {
		out.Metrics[i] = queryMetric(g.Key, f.Type, m)
	}
	return out
}

// gaugeOf is the family that exposes the time t. What never happened is 0, and
// was pushed when the other thing happened.
func gaugeOf(g exposition.Group, help string, t, other time.Time) queryFamily {
	value, pushed := 0.0, other
	if !t.IsZero() {
		value, pushed = float64(t.UnixNano())/1e9, t
	}
	return queryFamily{
		TimeStamp: pushed.UTC(), Type: "GAUGE", Help: help,
		Metrics: []map[string]any{queryMetric(g.Key, exposition.Gauge, exposition.Metric{Value: value})},
	}
}

// queryMetric returns a metric with all values as strings.
func queryMetric(key exposition.GroupingKey, t exposition.Type, m exposition.Metric) map[string]any {
	labels := map[string]string{}
	for _, l := range key.FinalLabels(nil, m.Labels) {
		labels[l.Name] = l.Value
	}
	out := map[string]any{"labels": labels}
	switch {
	case m.Summary != nil:
		quantiles := map[string]string{}
		for _, q := range m.Summary.Quantiles {
			quantiles[fmt.Sprint(q.Quantile)] = fmt.Sprint(q.Value)
		}
		out["quantiles"], out["count"], out["sum"] = quantiles, fmt.Sprint(m.Summary.Count), fmt.Sprint(m.Summary.Sum)
	case m.Histogram != nil:
		h := m.Histogram
		out["buckets"], out["count"], out["sum"] = queryBuckets(h), queryCount(h.Float, h.Count, h.CountFloat), fmt.Sprint(h.Sum)
	case t.Scalar():
		out["value"] = fmt.Sprint(m.Value)
	}
	return out
}

// queryBuckets returns the buckets of a classic histogram by their upper
// bounds, and those of a native one as a list.
func queryBuckets(h *exposition.HistogramValue) any {
	if n := h.Native; n != nil && len(n.NegativeSpans)+len(n.PositiveSpans) > 0 {
		return nativeBuckets(n, h.Float)
	}
	buckets := map[string]string{}
	for _, b := range h.Buckets {
		buckets[fmt.Sprint(b.UpperBound)] = queryCount(h.Float, b.Count, b.CountFloat)
	}
	return buckets
}

func queryCount(float bool, count uint64, countFloat float64) string {
	if float {
		return fmt.Sprint(countFloat)
	}
	return fmt.Sprint(count)
}
