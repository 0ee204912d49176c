package exposition

// Bounds on what a push may take to be exposed. Without them a push of a few
// kilobytes could take gigabytes: each sample repeats the labels of the
// grouping key, and each bucket those of its metric.
const (
	maxKeyBytes      = 32 << 10
	maxRenderedBytes = 64 << 20
)

// checkRenderedSize returns an ErrInconsistent for a push whose exposition
// would be far larger than the push. It runs on each push, and adds up lengths
// only.
func checkRenderedSize(key GroupingKey, families []Family) error {
	size := 0
	for i := range families {
		f := &families[i]
		each := len(f.Name) + len(key.canonical)
		for j := range f.Metrics {
			m := &f.Metrics[j]
			size += m.samples(f.Type) * (each + labelBytes(m.Labels))
		}
		if size > maxRenderedBytes {
			return inconsistent("exposed, the push would take more than %d MiB, because its samples repeat long names and labels: shorten them, or push less at once", maxRenderedBytes>>20)
		}
	}
	return nil
}

func labelBytes(labels []Label) int {
	n := 0
	for i := range labels {
		n += len(labels[i].Name) + len(labels[i].Value)
	}
	return n
}
