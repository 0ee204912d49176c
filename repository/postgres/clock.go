package postgres

import (
	"sync/atomic"
	"time"
)

// clock estimates the database's clock, from the last answer that told it and
// the local monotonic clock. The estimate is never ahead of the database's,
// since an answer is older than its arrival.
type clock struct {
	last atomic.Pointer[reading]
}

type reading struct {
	database, local time.Time
}

// set notes what the database's clock showed just before an answer.
func (c *clock) set(database time.Time) {
	c.last.Store(&reading{database, time.Now()})
}

// at returns what the database's clock shows at the local time.
func (c *clock) at(local time.Time) time.Time {
	r := c.last.Load()
	if r == nil {
		return local
	}
	return r.database.Add(local.Sub(r.local))
}
