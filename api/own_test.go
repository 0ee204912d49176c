package api_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlpushgateway/sqlpushgateway/api"
)

// countingCollector counts how often it is asked for its metrics, which are
// those of another collector.
type countingCollector struct {
	prometheus.Collector
	asked int
}

func (c *countingCollector) Collect(ch chan<- prometheus.Metric) {
	c.asked++
	c.Collector.Collect(ch)
}

// TestPushesDoNotGatherOwnMetrics protects the price of a push where the
// gateway's own metrics are part of the scrape.
func TestPushesDoNotGatherOwnMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		counting := &countingCollector{Collector: prometheus.NewGauge(prometheus.GaugeOpts{Name: "own"})}
		registry.MustRegister(counting)
		s := newServer(t, &fakeGateway{}, api.Options{Registry: registry, MergeSelfMetrics: true})
		push := func(name string, code int) {
			t.Helper()
			if w := send(s, "PUT", "/metrics/job/a", "# TYPE "+name+" counter\n"+name+" 1\n"); w.Code != code {
				t.Errorf("code %d for %s, want %d: %s", w.Code, name, code, w.Body)
			}
		}
		asked := func(want int) {
			t.Helper()
			if counting.asked != want {
				t.Errorf("the metrics were gathered %d times, want %d", counting.asked, want)
			}
		}
		push("own", 400)
		push("own", 400)
		push("later", 200)
		asked(1)

		registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "later"}))
		time.Sleep(9 * time.Second) // the bubble's clock
		push("later", 200)
		asked(1)
		time.Sleep(time.Second)
		push("later", 400)
		asked(2)

		registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "last"}))
		push("last", 200)
		send(s, "GET", "/metrics", "")
		push("last", 400)
		asked(3)
	})
}

func TestOwnMetricsThatCannotBeGathered(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(brokenCollector{prometheus.NewGauge(prometheus.GaugeOpts{Name: "own"})})
	s := newServer(t, &fakeGateway{}, api.Options{Registry: registry, MergeSelfMetrics: true})
	if w := send(s, "PUT", "/metrics/job/a", body); w.Code != 500 {
		t.Errorf("code %d for a push, want 500", w.Code)
	}
	if w := send(s, "GET", "/metrics", ""); w.Code != 503 {
		t.Errorf("code %d for a scrape, want 503", w.Code)
	}
}

// brokenCollector fails to collect.
type brokenCollector struct{ prometheus.Collector }

func (c brokenCollector) Collect(ch chan<- prometheus.Metric) {
	desc := make(chan *prometheus.Desc, 1)
	c.Describe(desc)
	ch <- prometheus.NewInvalidMetric(<-desc, errors.New("broken"))
}
