package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// TestBody protects what the figures are said to be of.
func TestBody(t *testing.T) {
	t.Parallel()
	families, err := exposition.ParseText(bytes.NewReader(appendBody(nil, 7)), exposition.LegacyNames)
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, f := range families {
		series += exposition.SeriesCount(f)
	}
	if len(families) != 10 || series != seriesPerPush {
		t.Errorf("a push has %d families and %d series, want 10 and %d", len(families), series, seriesPerPush)
	}
	if bytes.Equal(appendBody(nil, 7), appendBody(nil, 8)) {
		t.Error("two pushes are equal")
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	m := median([]pushed{{rate: 3, p50: 1}, {rate: 1, p50: 2}, {rate: 2, p50: 3}})
	if m.rate != 2 || m.p50 != 2 {
		t.Errorf("medians are %v and %v, want 2 and 2", m.rate, m.p50)
	}
	if q := quantile([]time.Duration{1, 2, 3}, 0.99); q != 3 {
		t.Errorf("the 99th percentile of 1, 2, 3 is %d, want 3", q)
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "1", 1000: "1,000", 10_000: "10,000", 1_234_567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}
