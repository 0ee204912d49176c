package api

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/query"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// maxPoints is how many values an answer has, as in Prometheus.
const maxPoints = 11_000

// runSeries is the values that one series had over the runs, oldest first, in the
// form of Prometheus' matrices.
type runSeries struct {
	Labels map[string]string `json:"labels"`
	Values []runValue        `json:"values"`
}

type runValue struct {
	at    time.Time
	value float64
}

// MarshalJSON returns [1700000000.123456, "42"].
func (v runValue) MarshalJSON() ([]byte, error) {
	text := strconv.AppendInt([]byte{'['}, v.at.Unix(), 10)
	if us := v.at.Nanosecond() / 1000; us > 0 {
		text = append(text, '.')
		text = append(text, strconv.Itoa(1_000_000 + us)[1:]...)
	}
	text = append(text, `,"`...)
	text = strconv.AppendFloat(text, v.value, 'f', -1, 64)
	return append(text, `"]`...), nil
}

var errNoMetric = errors.New("metric: name the metric whose values are wanted, like metric=backup_seconds")

// runSeries answers with the values of a metric over the runs.
func (s *Server) runSeries(c echo.Context) error {
	p := readParameters(c)
	f := readHistoryFilter(p)
	f.method, f.outcome, f.query.Only, f.query.Families = "", accepted, repository.AllRows, true
	f.query.Limit = p.limit(maxPoints, maxPoints)
	metric := p.text("metric")
	if metric == "" {
		p.fail(errNoMetric)
	}
	if cursor := cursorOf(p, query.ParseRowCursor); cursor != nil {
		f.query.After = repository.Place(*cursor)
	}
	if p.err != nil {
		return p.err
	}
	ctx, cancel := deadline(c.Request().Context(), s.opt.ScrapeTimeout)
	defer cancel()
	m := matrix{metric: metric, selectors: f.selectors, series: map[string]*runSeries{}}
	page, err := s.gateway.Search(ctx, f.query, m.add)
	if err != nil {
		return err
	}
	return respond(c, m.sorted(), nextRow(page))
}

// matrix collects the values of a metric.
type matrix struct {
	metric    string
	selectors query.Selectors
	series    map[string]*runSeries // by what tells their labels
	identity  []byte
}

// add adds the values that a push has, and returns how many they are. What it was
// is not needed any more.
func (m *matrix) add(r *repository.HistoryRow) (added int) {
	defer func() { r.Families = nil }()
	if !r.Accepted || r.Families == nil {
		return 0
	}
	f, ok, err := exposition.DecodeFamily(r.Families, m.metric)
	if !ok || err != nil || !f.Type.Scalar() {
		return 0
	}
	for sample := range exposition.Samples(r.Key, f) {
		if !m.selectors.SelectSeries(sample.Get, m.metric) {
			continue
		}
		m.identity = sample.AppendSeries(m.identity[:0])
		s := m.series[string(m.identity)]
		if s == nil {
			s = &runSeries{Labels: labelMap(sample.Labels)}
			m.series[string(m.identity)] = s
		}
		s.Values = append(s.Values, runValue{r.At, sample.Value})
		added++
	}
	return added
}

// labelMap returns the labels that are not empty.
func labelMap(labels []exposition.Label) map[string]string {
	m := make(map[string]string, len(labels))
	for _, l := range labels {
		if l.Value != "" {
			m[l.Name] = l.Value
		}
	}
	return m
}

// sorted returns the series by labels, with their values in the order of time.
func (m *matrix) sorted() []*runSeries {
	all := make([]*runSeries, 0, len(m.series))
	for _, name := range slices.Sorted(maps.Keys(m.series)) {
		s := m.series[name]
		slices.Reverse(s.Values)
		all = append(all, s)
	}
	return all
}
