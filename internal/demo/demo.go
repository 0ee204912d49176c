// Package demo invents months of job runs: what the history and the groups of a
// gateway look like after nightly exports, backups, builds, mistakes and people
// who clean up. It is for trying out queries, and for tests of those.
package demo

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// The limits of Options.Days: what happens needs some days, and each day is a
// table in PostgreSQL, which a query of all has to lock.
const (
	MinDays = 14
	MaxDays = 366
)

// Options say what to invent. Equal options give equal results.
type Options struct {
	Until time.Time // when the history ends
	Days  int       // how long it is, from MinDays to MaxDays
	Seed  uint64
}

// Generate passes a history to yield, row by row in the order in which it
// happened, and returns the groups that are left in the end. The rows are as a
// Store returns them. Pushes are read and checked as those of clients are. The
// error is the first one of yield.
func Generate(o Options, yield func(repository.HistoryRow) error) ([]exposition.Group, error) {
	until := o.Until.UTC().Truncate(time.Microsecond)
	since := until.AddDate(0, 0, -o.Days)
	g := newGateway(o.Seed)
	var waiting []event // what begins on one day can end on the next
	for index := range o.Days + 1 {
		d := day{until: until, start: since.Truncate(24*time.Hour).AddDate(0, 0, index), index: index, days: o.Days, events: waiting}
		for i, tell := range stories() {
			d.rand = rand.New(rand.NewPCG(o.Seed, uint64(index)<<8|uint64(i)))
			tell(&d)
		}
		slices.SortStableFunc(d.events, func(a, b event) int { return a.at.Compare(b.at) })
		tomorrow, _ := slices.BinarySearchFunc(d.events, d.start.AddDate(0, 0, 1), func(e event, t time.Time) int { return e.at.Compare(t) })
		for _, e := range d.events[:tomorrow] {
			if e.at.Before(since) || !e.at.Before(until) {
				continue
			}
			rows, err := g.apply(e)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				if err := yield(row); err != nil {
					return nil, err
				}
			}
		}
		waiting = slices.Clone(d.events[tomorrow:])
	}
	return g.sorted(), nil
}

// day is one day of all stories. What a story does on a day depends on that day
// and on the seed alone.
type day struct {
	until  time.Time // when the history ends
	start  time.Time // midnight, UTC
	index  int       // 0 for the first, days for the last
	days   int
	rand   *rand.Rand
	events []event
}

// event is a request that reaches the gateway.
type event struct {
	at        time.Time
	by        *client
	method    repository.Method
	path      string // after /metrics/
	recursive bool   // of a deletion
	body      string
}

// client is who sends requests.
type client struct {
	address, user, agent string
	proxied              bool // through a proxy that numbers requests
}

// at returns a time of the day, with microseconds.
func (d *day) at(hour, minute int) time.Time {
	return d.start.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(d.rand.Int64N(1e6))*time.Microsecond)
}

// first is the first day.
func (d *day) first() time.Time { return d.start.AddDate(0, 0, -d.index) }

// part is the number of the day at which so many percent of the days are over.
func (d *day) part(percent int) int { return d.days * percent / 100 }

func (d *day) weekend() bool {
	return d.start.Weekday() == time.Saturday || d.start.Weekday() == time.Sunday
}

// chance reports true in so many percent of all cases.
func (d *day) chance(percent float64) bool { return d.rand.Float64()*100 < percent }

// around is about the mean, and mostly off by less than the share of it.
func (d *day) around(mean, share float64) float64 {
	return mean * max(0.4, 1+share*d.rand.NormFloat64()/2)
}

// send adds an event.
func (d *day) send(at time.Time, by *client, method repository.Method, path string, b *body) {
	e := event{at: at, by: by, method: method, path: path}
	if b != nil {
		e.body = b.String()
	}
	d.events = append(d.events, e)
}

// after is so many seconds later.
func after(t time.Time, seconds float64) time.Time {
	return t.Add(time.Duration(seconds * float64(time.Second))).Truncate(time.Microsecond)
}

// byKey orders groups by their keys.
func byKey(a, b exposition.Group) int { return a.Key.Compare(b.Key) }
