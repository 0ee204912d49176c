package exposition

import "strconv"

func storeSummary(dst []byte, s *SummaryValue) []byte {
	dst = append(dst, `,"count":"`...)
	dst = strconv.AppendUint(dst, s.Count, 10)
	dst = append(dst, `","sum":`...)
	dst = storeFloat(dst, s.Sum)
	dst = append(dst, `,"quantiles":[`...)
	for i, q := range s.Quantiles {
		dst = storeComma(dst, i)
		dst = append(dst, '[')
		dst = storeFloat(dst, q.Quantile)
		dst = append(dst, ',')
		dst = storeFloat(dst, q.Value)
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

func storeHistogram(dst []byte, h *HistogramValue) []byte {
	if h.Float {
		dst = append(dst, `,"float":true`...)
	}
	dst = append(dst, `,"count":`...)
	dst = h.storeCount(dst, h.Count, h.CountFloat)
	dst = append(dst, `,"sum":`...)
	dst = storeFloat(dst, h.Sum)
	dst = append(dst, `,"buckets":[`...)
	for i := range h.Buckets {
		dst = storeComma(dst, i)
		dst = h.storeBucket(dst, &h.Buckets[i])
	}
	dst = append(dst, ']')
	if h.Native != nil {
		dst = append(dst, `,"native":`...)
		dst = h.storeNative(dst, h.Native)
	}
	if len(h.Exemplars) > 0 {
		dst = append(dst, `,"exemplars":[`...)
		for i := range h.Exemplars {
			dst = storeComma(dst, i)
			dst = storeExemplar(dst, &h.Exemplars[i])
		}
		dst = append(dst, ']')
	}
	return dst
}

func (h *HistogramValue) storeCount(dst []byte, integer uint64, float float64) []byte {
	if h.Float {
		return storeFloat(dst, float)
	}
	dst = append(dst, '"')
	dst = strconv.AppendUint(dst, integer, 10)
	return append(dst, '"')
}

func (h *HistogramValue) storeBucket(dst []byte, b *Bucket) []byte {
	dst = append(dst, '[')
	dst = storeFloat(dst, b.UpperBound)
	dst = append(dst, ',')
	dst = h.storeCount(dst, b.Count, b.CountFloat)
	if b.Exemplar != nil {
		dst = append(dst, ',')
		dst = storeExemplar(dst, b.Exemplar)
	}
	return append(dst, ']')
}

func (h *HistogramValue) storeNative(dst []byte, n *NativeHistogram) []byte {
	dst = append(dst, `{"schema":`...)
	dst = strconv.AppendInt(dst, int64(n.Schema), 10)
	dst = append(dst, `,"zero_threshold":`...)
	dst = storeFloat(dst, n.ZeroThreshold)
	dst = append(dst, `,"zero_count":`...)
	dst = h.storeCount(dst, n.ZeroCount, n.ZeroCountFloat)
	dst = storeList(dst, "positive_spans", n.PositiveSpans, storeSpan)
	dst = storeList(dst, "positive_deltas", n.PositiveDeltas, storeDelta)
	dst = storeList(dst, "positive_counts", n.PositiveCounts, storeFloat)
	dst = storeList(dst, "negative_spans", n.NegativeSpans, storeSpan)
	dst = storeList(dst, "negative_deltas", n.NegativeDeltas, storeDelta)
	dst = storeList(dst, "negative_counts", n.NegativeCounts, storeFloat)
	return append(dst, '}')
}

// storeList appends a further member of an object, unless it is empty.
func storeList[T any](dst []byte, name string, list []T, storeOne func([]byte, T) []byte) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":[`...)
	for i, v := range list {
		dst = storeComma(dst, i)
		dst = storeOne(dst, v)
	}
	return append(dst, ']')
}

func storeSpan(dst []byte, s Span) []byte {
	dst = append(dst, '[')
	dst = strconv.AppendInt(dst, int64(s.Offset), 10)
	dst = append(dst, ',')
	dst = strconv.AppendUint(dst, uint64(s.Length), 10)
	return append(dst, ']')
}

func storeDelta(dst []byte, delta int64) []byte { return strconv.AppendInt(dst, delta, 10) }
