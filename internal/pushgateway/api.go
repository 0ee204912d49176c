package pushgateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// apiGroup is a group as /api/v1/metrics tells it.
type apiGroup struct {
	labels   map[string]string
	families map[string]apiFamily
}

type apiFamily struct {
	Timestamp time.Time   `json:"time_stamp"`
	Type      string      `json:"type"`
	Help      string      `json:"help"`
	Metrics   []apiMetric `json:"metrics"`
}

type apiMetric struct {
	Labels    map[string]string `json:"labels"`
	Value     string            `json:"value"`
	Count     string            `json:"count"`
	Sum       string            `json:"sum"`
	Quantiles map[string]string `json:"quantiles"`
	// Buckets are an object for classic histograms and an array for native ones.
	Buckets json.RawMessage `json:"buckets"`
}

// groups reads the groups from the API, by groupKey.
func (s server) groups(ctx context.Context) (map[string]apiGroup, error) {
	body, err := s.get(ctx, "api/v1/metrics", "application/json")
	var failed *statusError
	if errors.As(err, &failed) && failed.code == http.StatusNotFound {
		return nil, fmt.Errorf("%w (a Pushgateway with a route prefix has it in its URL)", failed)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var answer struct {
		Status string
		Data   []map[string]json.RawMessage
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s does not answer like a Pushgateway: %w", s.base.JoinPath("api/v1/metrics").Redacted(), err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s answers with the status %q", s.base.JoinPath("api/v1/metrics").Redacted(), answer.Status)
	}
	groups := make(map[string]apiGroup, len(answer.Data))
	for _, fields := range answer.Data {
		g, err := newAPIGroup(fields)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", s.base.JoinPath("api/v1/metrics").Redacted(), err)
		}
		groups[groupKey(g.labels)] = g
	}
	return groups, nil
}

// newAPIGroup reads a group. In the answer its families stand beside its
// labels: one that is named "labels" takes their place, and they have to be
// found on a series.
func newAPIGroup(fields map[string]json.RawMessage) (apiGroup, error) {
	g := apiGroup{families: map[string]apiFamily{}}
	for name, text := range fields {
		var f apiFamily
		err := json.Unmarshal(text, &f)
		switch {
		case err == nil && f.Type != "" && !f.Timestamp.IsZero():
			g.families[name] = f
		case name == "labels":
			if err := json.Unmarshal(text, &g.labels); err != nil {
				return g, fmt.Errorf("labels: %w", err)
			}
		case name == "last_push_successful":
		default:
			return g, fmt.Errorf("family %q: %w", name, cmp.Or(err, errors.New("it has no type or no time")))
		}
	}
	if g.labels == nil {
		pushed := g.families[exposition.PushTimeName].Metrics
		if len(pushed) == 0 {
			return g, errors.New("a group has no labels")
		}
		g.labels = maps.Clone(pushed[0].Labels)
		if g.labels["instance"] == "" {
			delete(g.labels, "instance")
		}
	}
	return g, nil
}

// equal reports whether nothing has been pushed between g and earlier.
func (g apiGroup) equal(earlier apiGroup) bool {
	return maps.EqualFunc(g.families, earlier.families, func(a, b apiFamily) bool {
		return a.Timestamp.Equal(b.Timestamp)
	})
}

// group makes a Group of g, with the series of a scrape where there are such.
func (g apiGroup) group(scraped series) (Group, error) {
	held := make(map[string]heldFamily, len(g.families))
	for name, f := range g.families {
		message, err := f.message(name, scraped)
		if err != nil {
			return Group{}, fmt.Errorf("group %v: family %q: %w", g.labels, name, err)
		}
		held[name] = heldFamily{message, f.Timestamp}
	}
	return newGroup(g.labels, held)
}

func (f apiFamily) message(name string, scraped series) (*dto.MetricFamily, error) {
	t, ok := dto.MetricType_value[f.Type]
	if !ok {
		return nil, fmt.Errorf("it has the unknown type %q", f.Type)
	}
	message := &dto.MetricFamily{Name: &name, Type: dto.MetricType(t).Enum()}
	if f.Help != "" {
		message.Help = &f.Help
	}
	for _, m := range f.Metrics {
		metric, ok := scraped[seriesKey(name, m.Labels)]
		if !ok || !hasType(metric, message.GetType()) {
			var err error
			if metric, err = m.message(message.GetType()); err != nil {
				return nil, err
			}
		}
		message.Metric = append(message.Metric, metric)
	}
	return message, nil
}

// hasType reports whether a scraped metric has a value of that type.
func hasType(m *dto.Metric, t dto.MetricType) bool {
	switch t {
	case dto.MetricType_COUNTER:
		return m.Counter != nil
	case dto.MetricType_GAUGE:
		return m.Gauge != nil
	case dto.MetricType_SUMMARY:
		return m.Summary != nil
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		return m.Histogram != nil
	default:
		return m.Untyped != nil
	}
}

// message makes a metric of what the API alone tells of it.
func (m apiMetric) message(t dto.MetricType) (*dto.Metric, error) {
	metric := &dto.Metric{}
	for _, name := range slices.Sorted(maps.Keys(m.Labels)) {
		metric.Label = append(metric.Label, &dto.LabelPair{Name: &name, Value: new(m.Labels[name])})
	}
	var p numbers
	switch t {
	case dto.MetricType_COUNTER:
		metric.Counter = &dto.Counter{Value: p.float(m.Value)}
	case dto.MetricType_GAUGE:
		metric.Gauge = &dto.Gauge{Value: p.float(m.Value)}
	case dto.MetricType_UNTYPED:
		metric.Untyped = &dto.Untyped{Value: p.float(m.Value)}
	case dto.MetricType_SUMMARY:
		metric.Summary = p.summary(m)
	case dto.MetricType_HISTOGRAM:
		metric.Histogram = p.histogram(m)
	default:
		p.err = errors.New("the API does not tell the values of its type, and it could not be scraped: import the persistence file")
	}
	return metric, p.err
}

// numbers reads the API's numbers. err is the first error.
type numbers struct{ err error }

func (p *numbers) float(s string) *float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && p.err == nil {
		p.err = err
	}
	return &v
}

func (p *numbers) summary(m apiMetric) *dto.Summary {
	s := &dto.Summary{SampleCount: new(uint64(*p.float(m.Count))), SampleSum: p.float(m.Sum)}
	for q, v := range m.Quantiles {
		s.Quantile = append(s.Quantile, &dto.Quantile{Quantile: p.float(q), Value: p.float(v)})
	}
	slices.SortFunc(s.Quantile, func(a, b *dto.Quantile) int { return cmp.Compare(a.GetQuantile(), b.GetQuantile()) })
	return s
}

func (p *numbers) histogram(m apiMetric) *dto.Histogram {
	var buckets map[string]string
	if err := json.Unmarshal(m.Buckets, &buckets); err != nil && p.err == nil {
		p.err = errors.New("the API does not tell native histograms, and it could not be scraped: import the persistence file")
	}
	h := &dto.Histogram{SampleSum: p.float(m.Sum)}
	count := p.float(m.Count)
	fractional := strings.Contains(strconv.FormatFloat(*count, 'f', -1, 64), ".")
	for bound, v := range buckets {
		b := &dto.Bucket{UpperBound: p.float(bound), CumulativeCountFloat: p.float(v)}
		fractional = fractional || b.GetCumulativeCountFloat() != float64(uint64(b.GetCumulativeCountFloat()))
		h.Bucket = append(h.Bucket, b)
	}
	slices.SortFunc(h.Bucket, func(a, b *dto.Bucket) int { return cmp.Compare(a.GetUpperBound(), b.GetUpperBound()) })
	if fractional {
		h.SampleCountFloat = count
		return h
	}
	h.SampleCount = new(uint64(*count))
	for _, b := range h.Bucket {
		b.CumulativeCount, b.CumulativeCountFloat = new(uint64(b.GetCumulativeCountFloat())), nil
	}
	return h
}

// seriesKey tells series apart. Labels that are empty do so, too.
func seriesKey(name string, labels map[string]string) string {
	return strconv.Quote(name) + groupKey(labels)
}

// groupKey tells groups apart.
func groupKey(labels map[string]string) string {
	var key []byte
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		key = strconv.AppendQuote(strconv.AppendQuote(key, name), labels[name])
	}
	return string(key)
}

// sortGroups makes the order of groups the same each time.
func sortGroups(groups []Group) {
	slices.SortFunc(groups, func(a, b Group) int { return strings.Compare(groupKey(a.Labels), groupKey(b.Labels)) })
}
