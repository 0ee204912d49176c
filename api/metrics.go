package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the gateway's own metrics of HTTP. Those that a Pushgateway has
// keep their names, labels and meaning.
type metrics struct {
	requests *prometheus.CounterVec
	pushes   map[string]pushMetrics // by method
	rejected *prometheus.CounterVec
}

// pushMetrics are those of pushes with one method.
type pushMetrics struct{ duration, size prometheus.Observer }

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	objectives := map[float64]float64{0.1: 0.01, 0.5: 0.05, 0.9: 0.01}
	duration := prometheus.NewSummaryVec(prometheus.SummaryOpts{
		Name: "pushgateway_http_push_duration_seconds", Objectives: objectives,
		Help: "Time from the request to the answer of a push.",
	}, []string{"method"})
	size := prometheus.NewSummaryVec(prometheus.SummaryOpts{
		Name: "pushgateway_http_push_size_bytes", Objectives: objectives,
		Help: "Size of a push as it was sent, headers included.",
	}, []string{"method"})
	m := &metrics{
		pushes: map[string]pushMetrics{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pushgateway_http_requests_total",
			Help: "HTTP requests answered, scrapes excluded.",
		}, []string{"handler", "code", "method"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sqlpushgateway_pushes_rejected_total",
			Help: "Pushes that were not accepted, by reason.",
		}, []string{"reason"}),
	}
	for _, c := range []prometheus.Collector{m.requests, duration, size, m.rejected} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register own metrics: %w", err)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodPost} {
		label := strings.ToLower(method)
		m.pushes[method] = pushMetrics{duration.WithLabelValues(label), size.WithLabelValues(label)}
	}
	for _, reason := range reasons {
		m.rejected.WithLabelValues(reason)
	}
	return m, nil
}

// observe counts a request to the endpoint of the given name.
func (m *metrics) observe(name string, r *http.Request, code int, took time.Duration) {
	if name == "" {
		return
	}
	m.requests.WithLabelValues(name, strconv.Itoa(code), strings.ToLower(r.Method)).Inc()
	if of, ok := m.pushes[r.Method]; ok && name == pushName {
		of.duration.Observe(took.Seconds())
		of.size.Observe(float64(requestSize(r)))
	}
}

// requestSize is about what the request took on the wire.
func requestSize(r *http.Request) int64 {
	size := len(r.Method) + len(r.URL.Path) + len(r.Proto) + len(r.Host)
	for name, values := range r.Header {
		size += len(name)
		for _, v := range values {
			size += len(v)
		}
	}
	return int64(size) + max(r.ContentLength, 0)
}
