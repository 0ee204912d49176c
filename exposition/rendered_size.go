package exposition

// Bounds on what a push may take to be exposed. Without them a push of a few
// kilobytes could take gigabytes: each sample repeats the labels of the
// grouping key, and each bucket those of its metric.
const (
	maxKeyBytes      = 32 << 10
	maxRenderedBytes = 64 << 20
)

// checkRenderedSize returns an ErrInconsistent for a push whose exposition
// would be far larger than the push.
func checkRenderedSize(key GroupingKey, families []Family) error {
	size := 0
	for _, f := range families {
		samples := SeriesCount(f)
		if samples == 0 {
			continue
		}
		for i := range f.Metrics {
			repeats := 1
			if !f.Type.Scalar() {
				repeats = SeriesCount(Family{Type: f.Type, Metrics: f.Metrics[i : i+1]})
			}
			size += repeats * labelBytes(f.Metrics[i].Labels)
		}
		size += samples * (len(f.Name) + len(key.canonical))
		if size > maxRenderedBytes {
			return inconsistent("exposed, the push would take more than %d MiB, because its samples repeat long labels: shorten them, or push less at once", maxRenderedBytes>>20)
		}
	}
	return nil
}

func labelBytes(labels []Label) int {
	n := 0
	for _, l := range labels {
		n += len(l.Name) + len(l.Value)
	}
	return n
}
