package repository

import "time"

// Rest puts the next catch-up for scrapes off by d.
func (r *Repository) Rest(d time.Duration) {
	r.follow.callMu.Lock()
	defer r.follow.callMu.Unlock()
	r.follow.restUntil = time.Now().Add(d)
}

// CatchUpWaits reports whether somebody waits for a catch-up that has not begun.
func (r *Repository) CatchUpWaits() bool {
	r.follow.callMu.Lock()
	defer r.follow.callMu.Unlock()
	return r.follow.next != nil
}
