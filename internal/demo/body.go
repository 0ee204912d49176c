package demo

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// body is the body of a push, in the text format.
type body struct{ strings.Builder }

func (b *body) family(kind, name, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample adds a line. The labels are as in the text format, or empty.
func (b *body) sample(name, labels string, value float64) {
	if labels != "" {
		name += "{" + labels + "}"
	}
	fmt.Fprintf(b, "%s %s\n", name, strconv.FormatFloat(value, 'g', -1, 64))
}

func (b *body) gauge(name, help string, value float64) *body {
	b.family("gauge", name, help)
	b.sample(name, "", value)
	return b
}

func (b *body) counter(name, help string, value float64) *body {
	b.family("counter", name, help)
	b.sample(name, "", value)
	return b
}

// run is what most jobs push when they end.
func run(end time.Time, seconds float64, success bool) *body {
	b := &body{}
	b.gauge("job_duration_seconds", "How long the run took.", tenths(seconds))
	b.gauge("job_last_run_timestamp", "When the run ended, in seconds since 1970.", float64(end.Unix()))
	result := 0.0
	if success {
		result = 1
	}
	return b.gauge("job_success", "Whether the run succeeded.", result)
}

// tenths rounds to one digit after the point.
func tenths(v float64) float64 { return math.Round(v*10) / 10 }
