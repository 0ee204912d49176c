package api

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/internal/query"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// exportFormat is a form in which the history is exported.
type exportFormat struct {
	contentType string
	// samples says that it has samples, and not requests.
	samples bool
	new     func(w *bufio.Writer, f historyFilter) exporter
}

var exportFormats = map[string]exportFormat{
	"openmetrics": {"application/openmetrics-text; version=1.0.0; charset=utf-8", true, newOpenMetrics},
	"csv":         {"text/csv; charset=utf-8; header=present", true, newTable},
	"jsonl":       {"application/jsonl; charset=utf-8", false, newLines},
}

// exporter writes rows of the history, oldest first.
type exporter interface {
	row(*repository.HistoryRow) error
	end() error
}

// historyExport streams the history, oldest first, at the pace of the client.
func (s *Server) historyExport(c echo.Context) error {
	p := readParameters(c)
	name := p.oneOf("format", "openmetrics", "csv", "jsonl")
	f := readHistoryFilter(p)
	format := exportFormats[name]
	if format.samples && f.outcome == "" {
		f.outcome = accepted // nothing else was ever exposed
	}
	f.query.Families, f.query.OldestFirst = true, true
	if p.err != nil {
		return p.err
	}
	pushes := f
	if format.samples {
		pushes.selectors = nil // they select series
	}
	answer := &exportAnswer{c.Response(), http.NewResponseController(c.Response()), name, format.contentType}
	w := bufio.NewWriterSize(answer, 16<<10)
	e := format.new(w, f)
	err := s.gateway.EachRow(c.Request().Context(), f.query, func(row *repository.HistoryRow) error {
		if !pushes.wants(row) {
			return nil
		}
		return e.row(row)
	})
	if err == nil {
		err = e.end()
	}
	if err != nil {
		return err
	}
	answer.announce() // also if there is nothing
	return w.Flush()
}

// exportPatience is for how long a client may take nothing of an export.
const exportPatience = time.Minute

// exportAnswer is written at the pace of a client, as long as that takes anything.
// Errors that come before are answered as such.
type exportAnswer struct {
	*echo.Response
	control           *http.ResponseController
	name, contentType string
}

func (a *exportAnswer) Write(b []byte) (int, error) {
	a.announce()
	// That of the server is for answers of bounded size. Not every connection has one.
	_ = a.control.SetWriteDeadline(time.Now().Add(exportPatience))
	return a.Response.Write(b)
}

// announce says what comes.
func (a *exportAnswer) announce() {
	a.Header().Set(echo.HeaderContentType, a.contentType)
	a.Header().Set(echo.HeaderContentDisposition, `attachment; filename="history.`+a.name+`"`)
	a.Header().Set(echo.HeaderXContentTypeOptions, "nosniff")
}

// pushed calls yield with the samples of a push that the selectors select. What
// cannot be read is left out.
func pushed(r *repository.HistoryRow, selectors query.Selectors, yield func(exposition.Type, exposition.Sample) error) error {
	if r.Families == nil {
		return nil
	}
	families, err := exposition.DecodeFamilies(r.Families)
	if err != nil {
		return nil // somebody else has written it
	}
	for _, f := range families {
		for sample := range exposition.Samples(r.Key, f) {
			if !selectors.SelectSeries(sample.Get, f.Name) {
				continue
			}
			if err := yield(f.Type, sample); err != nil {
				return err
			}
		}
	}
	return nil
}

// openMetrics writes samples in the order of time. Their series have no types: all
// that a family ever had would have to stand together, and blocks, which are made
// of it, have none. A series has one sample a millisecond, the last, since that is
// all that Prometheus can have.
type openMetrics struct {
	w           *bufio.Writer
	selectors   query.Selectors
	millisecond int64
	lines       []openMetricsLine // of the present millisecond
	bySeries    map[string]int    // their places
	scratch     []byte
}

type openMetricsLine struct {
	series string
	value  exposition.Sample
	at     time.Time
}

func newOpenMetrics(w *bufio.Writer, f historyFilter) exporter {
	return &openMetrics{w: w, selectors: f.selectors, bySeries: map[string]int{}}
}

func (o *openMetrics) row(r *repository.HistoryRow) error {
	// As Prometheus reads it: not every fraction is exact.
	if ms := int64(float64(r.At.UnixMilli()) / 1000 * 1000); ms != o.millisecond {
		if err := o.flush(); err != nil {
			return err
		}
		o.millisecond = ms
	}
	return pushed(r, o.selectors, func(_ exposition.Type, s exposition.Sample) error {
		o.scratch = s.AppendSeries(o.scratch[:0])
		i, ok := o.bySeries[string(o.scratch)]
		if !ok {
			i = len(o.lines)
			o.lines = append(o.lines, openMetricsLine{series: string(o.scratch)})
			o.bySeries[o.lines[i].series] = i
		}
		o.lines[i].value, o.lines[i].at = exposition.Sample{Value: s.Value}, r.At
		return nil
	})
}

func (o *openMetrics) flush() error {
	for _, l := range o.lines {
		o.scratch = l.value.AppendOpenMetrics(append(o.scratch[:0], l.series...), l.at)
		if _, err := o.w.Write(o.scratch); err != nil {
			return err
		}
	}
	o.lines = o.lines[:0]
	clear(o.bySeries)
	return nil
}

func (o *openMetrics) end() error {
	if err := o.flush(); err != nil {
		return err
	}
	_, err := o.w.WriteString("# EOF\n")
	return err
}

// table writes a row of CSV for each sample.
type table struct {
	w         *csv.Writer
	selectors query.Selectors
}

func newTable(w *bufio.Writer, f historyFilter) exporter {
	t := &table{csv.NewWriter(w), f.selectors}
	_ = t.w.Write([]string{"id", "time", "job", "labels", "metric", "type", "value"}) // an error sticks
	return t
}

func (t *table) row(r *repository.HistoryRow) error {
	id, at, job := strconv.FormatInt(r.Seq, 10), query.FormatTime(r.At), r.Key.Job()
	return pushed(r, t.selectors, func(kind exposition.Type, s exposition.Sample) error {
		labels, err := json.Marshal(labelMap(s.Labels))
		if err != nil {
			return err
		}
		return t.w.Write([]string{id, at, job, string(labels), s.Metric, kind.String(), strconv.FormatFloat(s.Value, 'g', -1, 64)})
	})
}

func (t *table) end() error {
	t.w.Flush()
	return t.w.Error()
}

// lines writes a line of JSON for each row.
type lines struct{ e *json.Encoder }

func newLines(w *bufio.Writer, _ historyFilter) exporter {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return lines{e}
}

func (l lines) row(r *repository.HistoryRow) error { return l.e.Encode(newHistoryEntry(r)) }

func (l lines) end() error { return nil }
