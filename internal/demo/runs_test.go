package demo_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// run is a push that was accepted.
type run struct {
	repository.HistoryRow
	state   string
	samples map[string]float64
	types   map[string]exposition.Type
}

func (r run) seconds() (float64, bool) {
	v, ok := r.samples["job_duration_seconds"]
	return v, ok
}

// runs returns the pushes that were accepted, with their states: see the
// document.
func (h history) runs() []run {
	var runs []run
	verdicts := []string{}
	for _, row := range h.rows {
		if !row.Accepted || row.Method != repository.Put && row.Method != repository.Post {
			continue
		}
		families, err := exposition.DecodeFamilies(row.Families)
		if err != nil {
			panic(err)
		}
		r := run{HistoryRow: row, samples: map[string]float64{}, types: map[string]exposition.Type{}}
		verdict := ""
		for _, f := range families {
			r.types[f.Name] = f.Type
			if !f.Type.Scalar() {
				continue
			}
			for _, m := range f.Metrics {
				r.samples[series(f.Name, m.Labels)] = m.Value
			}
			if f.Name == "success" || strings.HasSuffix(f.Name, "_success") {
				verdict = fmt.Sprint(f.Metrics[0].Value)
			}
		}
		runs, verdicts = append(runs, r), append(verdicts, verdict)
	}
	for i := range runs {
		switch verdicts[i] {
		case "1":
			runs[i].state = "succeeded"
		case "0":
			runs[i].state = "failed"
			for j := i + 1; j < len(runs) && !runs[j].At.After(runs[i].At.Add(time.Hour)); j++ {
				if runs[j].Key.Digest() == runs[i].Key.Digest() && verdicts[j] == "1" {
					runs[i].state = "unknown" // the start of that run
				}
			}
		default:
			runs[i].state = "unknown"
		}
	}
	return runs
}

func series(name string, labels []exposition.Label) string {
	if len(labels) == 0 {
		return name
	}
	var pairs []string
	for _, l := range labels {
		pairs = append(pairs, fmt.Sprintf("%s=%q", l.Name, l.Value))
	}
	return name + "{" + strings.Join(pairs, ",") + "}"
}

func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05.999999")
}

func labels(key exposition.GroupingKey) string {
	if key.Job() == "" {
		return ""
	}
	text, _ := json.Marshal(key.Map())
	return string(text)
}

// monday is the beginning of the week.
func monday(t time.Time) time.Time {
	return t.Truncate(24*time.Hour).AddDate(0, 0, -(int(t.Weekday())+6)%7)
}

func date(t time.Time) string { return t.Format(time.DateOnly) }

// grouped returns the elements by key, with the keys in their order.
func grouped[K cmp.Ordered, T any](all []T, key func(T) K) (keys []K, groups map[K][]T) {
	groups = map[K][]T{}
	for _, e := range all {
		groups[key(e)] = append(groups[key(e)], e)
	}
	return slices.Sorted(maps.Keys(groups)), groups
}

func count(runs []run, state string) (n int) {
	for _, r := range runs {
		if r.state == state {
			n++
		}
	}
	return n
}

func last[T any](s []T) T { return s[len(s)-1] }
