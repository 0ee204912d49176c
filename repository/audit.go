package repository

import (
	"strings"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// Payload says what the history keeps of what was pushed.
type Payload string

// The payloads. The zero value is PayloadFull.
const (
	PayloadFull   Payload = "full"   // families as they were pushed
	PayloadValues Payload = "values" // values, but neither help texts nor buckets and quantiles
	PayloadNone   Payload = "none"   // nothing
)

// Verdict is what a push says of its run: false if a scalar sample named
// success, or with that as its last word like backup_success, is 0; else true if
// one is 1; else nil.
func Verdict(families []exposition.Family) *bool {
	var verdict *bool
	for i := range families {
		f := &families[i]
		if !tellsSuccess(f.Name, f.Type) {
			continue
		}
		for j := range f.Metrics {
			switch f.Metrics[j].Value {
			case 0:
				return new(false)
			case 1:
				verdict = new(true)
			}
		}
	}
	return verdict
}

func tellsSuccess(family string, t exposition.Type) bool {
	return t.Scalar() && (family == "success" || strings.HasSuffix(family, "_success"))
}

// preparedVerdict is the Verdict of a push without its families.
func preparedVerdict(p *exposition.Prepared) *bool {
	var telling []exposition.Family
	for _, c := range p.Claims {
		if c.Name != c.Owner || !tellsSuccess(c.Owner, c.Type) {
			continue
		}
		if f, ok, err := exposition.DecodeFamily(p.JSON, c.Owner); err == nil && ok {
			telling = append(telling, f)
		}
	}
	return Verdict(telling)
}

// valuesOf returns the families without what PayloadValues leaves out: of
// histograms and summaries, count and sum stay.
func valuesOf(families []exposition.Family) []exposition.Family {
	bare := make([]exposition.Family, len(families))
	for i := range families {
		f := &families[i]
		bare[i] = exposition.Family{Name: f.Name, Type: f.Type, Metrics: make([]exposition.Metric, len(f.Metrics))}
		for j := range f.Metrics {
			m := &f.Metrics[j]
			bare[i].Metrics[j] = exposition.Metric{Labels: m.Labels, Value: m.Value}
			if s := m.Summary; s != nil {
				bare[i].Metrics[j].Summary = &exposition.SummaryValue{Count: s.Count, Sum: s.Sum}
			}
			if h := m.Histogram; h != nil {
				bare[i].Metrics[j].Histogram = &exposition.HistogramValue{Float: h.Float, Count: h.Count, CountFloat: h.CountFloat, Sum: h.Sum}
			}
		}
	}
	return bare
}
