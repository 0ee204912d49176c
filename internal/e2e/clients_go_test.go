package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/prometheus/common/expfmt"
)

// TestGoClient drives three replicas with the push package of Go's client
// library.
func TestGoClient(t *testing.T) {
	t.Parallel()
	formats := map[string]expfmt.Format{
		"protobuf": expfmt.NewFormat(expfmt.TypeProtoDelim),
		"text":     expfmt.NewFormat(expfmt.TypeTextPlain),
	}
	for name, format := range formats {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driveGoClient(t, newFleet(t, 3), format)
		})
	}
}

func driveGoClient(t *testing.T, f *fleet, format expfmt.Format) {
	var values map[string]string
	if err := json.Unmarshal([]byte(oddValues), &values); err != nil {
		t.Fatal(err)
	}
	pusher := func(job string, key map[string]string, collectors ...prometheus.Collector) *push.Pusher {
		p := push.New(f.nextURL(), job).Format(format)
		for name, value := range key {
			p.Grouping(name, value)
		}
		for _, c := range collectors {
			p.Collector(c)
		}
		return p
	}
	labels := oddLabels + `,job="go/job"`
	group := "\ngroup{" + labels + "} pushed"

	check(t, pusher("go/job", values, newGauge("gone", 1)).Push())
	check(t, pusher("go/job", values, newGauge("m", 1.5)).Push())
	f.exposes(t, `m{`+labels+`} 1.5`+group)

	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1, 5}})
	h.Observe(2)
	check(t, pusher("go/job", values, newGauge("n", 2), h).Add())
	f.exposes(t, strings.ReplaceAll(pushedByScripts, "LABELS", labels)+`
		m{`+labels+`} 1.5
		n{`+labels+`} 2`+group)

	check(t, pusher("go/job", values).Delete())
	f.exposes(t, "")

	blank := map[string]string{"blank": "a b"}
	check(t, pusher("blank", blank, newGauge("m", 1)).Push())
	f.exposes(t, blankGroup("a+b"))
	check(t, pusher("blank", blank).Delete())
	f.exposes(t, "")

	check(t, pusher("other", nil, newGauge("m", 1)).Push())
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "m"})
	if err := pusher("j", nil, counter).Push(); err == nil || !strings.Contains(err.Error(), "unexpected status code 400") || !strings.Contains(err.Error(), inconsistent) {
		t.Errorf("a push that clashes: %v", err)
	}
}

// TestGoClientPushesADefaultRegistry protects the program that pushes all it
// has: its names are those of the gateway's own metrics.
func TestGoClientPushesADefaultRegistry(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"separate", "merged"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 3, "--web.self-metrics="+mode)
			for _, job := range []string{"a", "b"} {
				check(t, push.New(f.nextURL(), job).Gatherer(prometheus.DefaultGatherer).Push())
			}
			for _, url := range f.urls {
				got := ask(t, "GET", url+"/metrics", "").body
				for _, job := range []string{"a", "b"} {
					if want := "\ngo_goroutines{instance=\"\",job=\"" + job + "\"} "; strings.Count(got, want) != 1 {
						t.Errorf("%q is not in the exposition, once:\n%s", want, got)
					}
				}
			}
		})
	}
}

func newGauge(name string, value float64) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "A gauge."})
	g.Set(value)
	return g
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
