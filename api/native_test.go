package api

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

func TestNativeBounds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		index  int64
		schema int32
		want   float64
	}{
		{0, 0, 1}, {1, 0, 2}, {-1, 0, 0.5}, {0, 8, 1}, {256, 8, 2}, {-256, 8, 0.5}, {1, 1, math.Sqrt2}, {-1, 1, math.Sqrt2 / 2},
		{1, -1, 4}, {1, -4, 65536}, {-1, -4, 1.0 / 65536},
		{1023, 0, 0x1p1023}, {1024, 0, math.MaxFloat64}, {1025, 0, math.Inf(1)}, {64, -4, math.MaxFloat64}, {65, -4, math.Inf(1)},
		{256 * 1024, 8, math.MaxFloat64}, {256*1024 + 1, 8, math.Inf(1)},
		{-1074, 0, 0x1p-1074}, {-1 << 40, 0, 0}, {1 << 40, -4, math.Inf(1)},
	}
	for _, tt := range tests {
		if got := nativeBound(tt.index, tt.schema); math.Abs(got-tt.want) > tt.want*1e-15 {
			t.Errorf("bound %d of schema %d is %v, want %v", tt.index, tt.schema, got, tt.want)
		}
	}
}

// TestNativeBoundsHaveTheLastDigitOfPrometheus protects dashboards that compare
// what is pushed with what Prometheus shows.
func TestNativeBoundsHaveTheLastDigitOfPrometheus(t *testing.T) {
	t.Parallel()
	want := []float64{
		0.5, 0.5452538663326288, 0.5946035575013605, 0.6484197773255048,
		0.7071067811865475, 0.7711054127039704, 0.8408964152537144, 0.9170040432046711,
	}
	for i, bound := range want {
		if got := nativeBound(int64(i-len(want)), 3); got != bound {
			t.Errorf("bound %d is %v, want %v", i, got, bound)
		}
	}
}

func TestNativeBuckets(t *testing.T) {
	t.Parallel()
	// spans takes pairs of an offset and a length.
	spans := func(pairs ...int64) (all []exposition.Span) {
		for pair := range slices.Chunk(pairs, 2) {
			all = append(all, exposition.Span{Offset: int32(pair[0]), Length: uint32(pair[1])})
		}
		return all
	}
	tests := []struct {
		name  string
		h     exposition.NativeHistogram
		float bool
		want  string
	}{
		{"from the lowest to the highest, without empty ones", exposition.NativeHistogram{
			ZeroThreshold: 0.25, ZeroCount: 7,
			NegativeSpans: spans(0, 3), NegativeDeltas: []int64{1, -1, 2},
			PositiveSpans: spans(1, 1, 1, 1), PositiveDeltas: []int64{3, 1},
		}, false, "[[1 -4 -2 2] [1 -1 -0.5 1] [3 -0.25 0.25 7] [0 1 2 3] [0 4 8 4]]"},
		{"of a float histogram", exposition.NativeHistogram{
			ZeroCountFloat: 0.5, PositiveSpans: spans(0, 2), PositiveCounts: []float64{1.5, 0},
		}, true, "[[3 -0 0 0.5] [0 0.5 1 1.5]]"},
		{"of custom bounds", exposition.NativeHistogram{Schema: -53, PositiveSpans: spans(0, 1), PositiveDeltas: []int64{1}}, false, "[]"},
		{"of an absurd schema", exposition.NativeHistogram{Schema: math.MaxInt32, PositiveSpans: spans(0, 1), PositiveDeltas: []int64{1}}, false, "[]"},
		{"with spans longer than there are buckets", exposition.NativeHistogram{
			PositiveSpans: spans(0, math.MaxUint32, math.MaxInt32, math.MaxUint32), PositiveDeltas: []int64{1, 1},
		}, false, "[[0 0.5 1 1] [0 1 2 2]]"},
		{"with more buckets than in spans", exposition.NativeHistogram{PositiveSpans: spans(0, 1), PositiveDeltas: []int64{1, 1}}, false, "[[0 0.5 1 1]]"},
		{"beyond all numbers", exposition.NativeHistogram{
			PositiveSpans: spans(math.MaxInt32, 0, math.MaxInt32, 1), PositiveDeltas: []int64{1},
		}, false, "[[0 +Inf +Inf 1]]"},
		{"with a negative count", exposition.NativeHistogram{PositiveSpans: spans(0, 2), PositiveDeltas: []int64{1, -2}}, false, "[]"},
		{"whose counts overflow", exposition.NativeHistogram{PositiveSpans: spans(0, 2), PositiveDeltas: []int64{math.MaxInt64, 1}}, false, "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := fmt.Sprint(nativeBuckets(&tt.h, tt.float)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
