package api

import (
	"fmt"
	"math"
	"slices"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
)

// What a bucket's bounds include: the first number of a native bucket in the
// query API, as in Prometheus'.
const (
	upperIncluded = 0
	lowerIncluded = 1
	bothIncluded  = 3
)

// nativeBucket is [boundaries, "lower", "upper", "count"].
type nativeBucket [4]any

// nativeBuckets returns the buckets that are not empty, from the lowest to the
// highest. It returns none if the histogram makes no sense: what was pushed is
// shown as it is elsewhere, and must not cost more than it is long here.
func nativeBuckets(n *exposition.NativeHistogram, float bool) []nativeBucket {
	none := []nativeBucket{}
	if n.Schema < -4 || n.Schema > 8 {
		return none
	}
	negative, ok := bucketCounts(float, n.NegativeDeltas, n.NegativeCounts)
	if !ok {
		return none
	}
	positive, ok := bucketCounts(float, n.PositiveDeltas, n.PositiveCounts)
	if !ok {
		return none
	}
	buckets := none
	spread(n.NegativeSpans, negative, func(index int64, count string) {
		lower, upper := -nativeBound(index, n.Schema), -nativeBound(index-1, n.Schema)
		buckets = append(buckets, nativeBucket{lowerIncluded, fmt.Sprint(lower), fmt.Sprint(upper), count})
	})
	slices.Reverse(buckets)
	if zero := queryCount(float, n.ZeroCount, n.ZeroCountFloat); zero != "0" {
		z := n.ZeroThreshold
		buckets = append(buckets, nativeBucket{bothIncluded, fmt.Sprint(-z), fmt.Sprint(z), zero})
	}
	spread(n.PositiveSpans, positive, func(index int64, count string) {
		lower, upper := nativeBound(index-1, n.Schema), nativeBound(index, n.Schema)
		buckets = append(buckets, nativeBucket{upperIncluded, fmt.Sprint(lower), fmt.Sprint(upper), count})
	})
	return buckets
}

// bucketCounts returns the counts of one side's buckets, and false if an
// integer one is negative.
func bucketCounts(float bool, deltas []int64, counts []float64) ([]string, bool) {
	var out []string
	if float {
		for _, c := range counts {
			out = append(out, fmt.Sprint(c))
		}
		return out, true
	}
	count := int64(0)
	for _, d := range deltas {
		count += d
		if count < 0 {
			return nil, false
		}
		out = append(out, fmt.Sprint(count))
	}
	return out, true
}

// spread calls yield for the buckets that are not empty, with their indexes.
// Spans that promise more buckets than there are end with the last one.
func spread(spans []exposition.Span, counts []string, yield func(index int64, count string)) {
	index := int64(0)
	for _, s := range spans {
		index += int64(s.Offset)
		n := min(int(s.Length), len(counts))
		for _, count := range counts[:n] {
			if count != "0" {
				yield(index, count)
			}
			index++
		}
		counts = counts[n:]
	}
}

// nativeBound returns the upper bound of the positive bucket of the given
// index: 2^(index/2^schema). The last bucket that is finite ends with the
// largest number, so that an infinite observation is beyond it.
func nativeBound(index int64, schema int32) float64 {
	exponent, fraction := index, 0.5
	if schema < 0 {
		exponent = index << -schema
	} else {
		exponent = index >> schema
		fraction = boundFraction(index&(1<<schema-1), schema)
	}
	if fraction == 0.5 && exponent == 1024 {
		return math.MaxFloat64
	}
	return math.Ldexp(fraction, int(exponent)+1)
}

// boundFraction returns 2^(i/2^schema-1), for i from 0 to 2^schema-1. It takes
// the steps by which the bounds of Prometheus were found, so that the last digit
// is theirs, too.
func boundFraction(i int64, schema int32) float64 {
	switch {
	case i == 0:
		return 0.5
	case i%2 == 0:
		return boundFraction(i/2, schema-1)
	default:
		return boundFraction(i-1, schema) * math.Exp2(math.Exp2(-float64(schema)))
	}
}
