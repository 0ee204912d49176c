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
	var size renderedSize
	for i := range families {
		if size.add(&families[i]); size.of(key) > maxRenderedBytes {
			return inconsistent("exposed, the push would take more than %d MiB, because its samples repeat long names and labels: shorten them, or push less at once", maxRenderedBytes>>20)
		}
	}
	return nil
}

// renderedSize adds up what families take, which depends on the grouping key.
type renderedSize struct{ bytes, samples int }

func (s *renderedSize) add(f *Family) {
	for i := range f.Metrics {
		m := &f.Metrics[i]
		n := m.samples(f.Type)
		s.bytes += n * (len(f.Name) + labelBytes(m.Labels))
		s.samples += n
	}
}

func (s renderedSize) of(key GroupingKey) int { return s.bytes + s.samples*len(key.canonical) }

func labelBytes(labels []Label) int {
	n := 0
	for i := range labels {
		n += len(labels[i].Name) + len(labels[i].Value)
	}
	return n
}
