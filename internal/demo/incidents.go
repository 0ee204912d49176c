package demo

import (
	"fmt"
	"math"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// People and their machines, and programs that are not quite right.
var (
	alice   = &client{"10.20.3.5", "alice", "curl/8.5.0", false}
	bob     = &client{"10.20.3.8", "bob", "curl/8.5.0", false}
	carol   = &client{"10.20.3.12", "carol", "curl/7.81.0", true}
	sensor  = &client{"10.20.9.77", "facilities", "legacy-agent/0.3", false}
	watcher = &client{"10.20.9.80", "", "Wget/1.21.3", false}
)

// payments runs every three hours in two regions. Its count is a gauge until a
// new version makes a counter of it: see typeChange.
func payments(d *day) {
	for i, region := range []string{"eu", "us"} {
		for hour := i; hour < 24; hour += 3 {
			seconds := d.around(90, 0.3)
			end := after(d.at(hour, 40), seconds)
			path := "job/payments/region/" + region
			b, count := run(end, seconds, !d.chance(1.5)), math.Round(d.around(12_000, 0.3))
			if end.Before(newVersion(d, region)) {
				b.gauge("payments_checked", "Payments that were checked.", count)
			} else {
				b.counter("payments_checked", "Payments that were checked.", count)
			}
			d.send(end, collector, repository.Put, path, b)
		}
	}
}

// newVersion is when the new version is in use: in us as soon as somebody has
// seen why its pushes are refused in eu.
func newVersion(d *day, region string) time.Time {
	eu := d.first().AddDate(0, 0, d.part(40)).Add(11 * time.Hour)
	if region == "eu" {
		return eu
	}
	return eu.Add(46 * time.Hour)
}

// typeChange is the end of two days on which pushes are refused, since the
// other region has the metric as a gauge: bob deletes both groups.
func typeChange(d *day) {
	at := newVersion(d, "us")
	if at.Sub(d.start) < 0 || at.Sub(d.start) >= 24*time.Hour {
		return
	}
	for i, region := range []string{"eu", "us"} {
		d.send(after(at, 20*float64(i)+d.rand.Float64()), bob, repository.Delete, "job/payments/region/"+region, nil)
	}
}

// timestamps are pushed by a device that has not been told better for a
// while.
func timestamps(d *day) {
	if d.index < d.part(30) || d.index > d.part(55) {
		return
	}
	for hour := 3; hour < 24; hour += 8 {
		b, at := &body{}, d.at(hour, 30)
		b.family("gauge", "room_temperature_celsius", "Temperature of a room.")
		fmt.Fprintf(b, "room_temperature_celsius{room=\"server\"} %g %d\n", tenths(d.around(21, 0.1)), at.UnixMilli())
		d.send(at, sensor, repository.Put, "job/sensors/instance/basement", b)
	}
}

// queues is a script that now and then lists a queue twice, or pushes an error
// message of its own.
func queues(d *day) {
	for hour := 0; hour < 24; hour += 2 {
		b, at := &body{}, d.at(hour, 50)
		b.family("gauge", "queue_length", "Messages that wait.")
		names := []string{"mail", "print"}
		if d.chance(4) {
			names = append(names, "mail")
		}
		for _, name := range names {
			b.sample("queue_length", fmt.Sprintf("queue=%q", name), float64(d.rand.IntN(50)))
		}
		if d.chance(1) {
			b = &body{}
			b.WriteString("queues: connection refused\n")
		}
		d.send(at, watcher, repository.Post, "job/queues", b)
	}
}

// cleaning is what people do when they clean up, or believe that they do.
func cleaning(d *day) {
	switch d.index {
	case d.part(50):
		at := d.at(10, 12)
		d.events = append(d.events, event{at: at, by: alice, method: repository.Delete, path: "job/ci_build/repo/mobile", recursive: true})
	case d.part(62):
		d.events = append(d.events, event{at: d.at(16, 42), by: carol, method: repository.Wipe})
	case d.part(66):
		d.send(d.at(9, 3), alice, repository.Delete, "job/backup/instance/db6", nil)
	case d.part(90):
		d.send(d.at(14, 20), bob, repository.Delete, "job/backup/instance/db66", nil) // there is none
	}
}
