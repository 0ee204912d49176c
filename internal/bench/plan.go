package main

import "time"

// plan says how much is measured.
type plan struct {
	rounds       int
	warmUp, time time.Duration // of each load
	groups       int           // stored, unless a section says something else
	clients      []int
	stored       []int // how many groups are stored, in order
	slowPushes   int   // for a Pushgateway that checks, where each takes it long
	churn        int   // pushes after which the size of the table is looked at

	scraped, remembered []int // how many groups are stored for scrapes, and for memory
	started             int   // and at the start

	besideScrapers time.Duration // of each load beside scrapers
	soak           time.Duration
	history        historySize
	profile        string
}

// slow is from how many groups on Pushgateway, which reads all of them for each
// push, is measured by a number of pushes, once.
const slow = 10_000

func newPlan(quick bool) plan {
	p := plan{
		rounds: 5, warmUp: 300 * time.Millisecond, time: 1500 * time.Millisecond,
		groups: 10_000, clients: []int{1, 16, 64}, stored: []int{1, 1000, 10_000, 50_000},
		slowPushes: 20, churn: 1_000_000,
		scraped: []int{1000, 10_000, 50_000}, remembered: []int{10_000, 50_000}, started: 50_000,
		besideScrapers: scraperInterval,
	}
	if quick {
		p.rounds, p.time = 1, time.Second
		p.stored = []int{1, 1000, 10_000}
		p.slowPushes, p.churn = 5, 50_000
		p.scraped, p.remembered, p.started = []int{1000, 10_000}, []int{10_000}, 10_000
		p.besideScrapers = 5 * time.Second
	}
	return p
}

// most is the largest number of clients.
func (p plan) most() int { return p.clients[len(p.clients)-1] }
