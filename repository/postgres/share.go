package postgres

import "sync"

// share estimates which part of a server's transactions are a store's own
// commits, from the numbers of those: what others write lies between them.
type share struct {
	mu   sync.Mutex
	last int64   // number of the latest commit
	step float64 // from one to the next: the mean of the latest steps
}

const (
	// shareWeight is that of the latest step in the mean.
	shareWeight = 1.0 / 16
	// maxStep bounds what one step counts, as the commits before a pause say nothing.
	maxStep = 16
)

// committed notes the number of a commit. If they do not come in order, some steps
// are negative, which leaves the mean as it is.
func (s *share) committed(number int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last > 0 {
		step := min(max(number-s.last, -maxStep), maxStep)
		s.step += (float64(step) - s.step) * shareWeight
	}
	s.last = number
}

// share returns it: 1 if nobody else writes.
func (s *share) share() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return 1 / max(s.step, 1)
}
