package exposition

// histogram puts a histogram together. Only now is known whether its counts
// are floats.
func (d *decoder) histogram(raw rawMetric) *HistogramValue {
	d.histograms = append(d.histograms, HistogramValue{Float: raw.float, Sum: d.parseFloat(raw.sum), Exemplars: raw.exemplars})
	h := &d.histograms[len(d.histograms)-1]
	h.Count, h.CountFloat = d.count(h, raw.count)
	if raw.buckets > 0 {
		d.at(raw.buckets, func() { h.Buckets = d.bucketList(h) })
	}
	if raw.native > 0 {
		d.at(raw.native, func() { h.Native = d.nativeHistogram(h) })
	}
	return h
}

func (d *decoder) count(h *HistogramValue, text string) (uint64, float64) {
	if h.Float {
		return 0, d.parseFloat(text)
	}
	return d.parseUint(text), 0
}

func (d *decoder) bucketList(h *HistogramValue) []Bucket {
	start := len(d.buckets)
	for more := d.open('[', ']'); more; more = d.more(']') {
		d.buckets = append(d.buckets, d.bucket(h))
	}
	if start == len(d.buckets) {
		return nil
	}
	return d.buckets[start:len(d.buckets):len(d.buckets)]
}

func (d *decoder) bucket(h *HistogramValue) (b Bucket) {
	d.expect('[')
	b.UpperBound = d.float()
	d.expect(',')
	b.Count, b.CountFloat = d.count(h, d.string())
	if d.peek() == ',' {
		d.pos++
		b.Exemplar = d.exemplarPointer()
	}
	d.expect(']')
	return b
}

func (d *decoder) nativeHistogram(h *HistogramValue) *NativeHistogram {
	n := &NativeHistogram{}
	for more := d.open('{', '}'); more; more = d.more('}') {
		switch d.key() {
		case "schema":
			n.Schema = int32(d.integer(32))
		case "zero_threshold":
			n.ZeroThreshold = d.float()
		case "zero_count":
			n.ZeroCount, n.ZeroCountFloat = d.count(h, d.string())
		case "positive_spans":
			n.PositiveSpans = list(d, d.span)
		case "positive_deltas":
			n.PositiveDeltas = list(d, d.delta)
		case "positive_counts":
			n.PositiveCounts = list(d, d.float)
		case "negative_spans":
			n.NegativeSpans = list(d, d.span)
		case "negative_deltas":
			n.NegativeDeltas = list(d, d.delta)
		case "negative_counts":
			n.NegativeCounts = list(d, d.float)
		default:
			d.skip()
		}
	}
	return n
}

func (d *decoder) span() (s Span) {
	d.expect('[')
	s.Offset = int32(d.integer(32))
	d.expect(',')
	length := d.integer(64)
	if length < 0 || length > 1<<32-1 {
		d.fail("span of length %d", length)
	}
	s.Length = uint32(length)
	d.expect(']')
	return s
}

func (d *decoder) delta() int64 { return d.integer(64) }
