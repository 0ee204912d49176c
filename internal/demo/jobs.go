package demo

import (
	"fmt"
	"math"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// stories are what happens, one after the other: their order is part of what a
// seed means.
func stories() []func(*day) {
	return []func(*day){
		nightlyExport, backups, builds, salesReport, invoiceMailer, warehouseLoad, payments,
		typeChange, timestamps, queues, cleaning,
	}
}

// The machines that run jobs.
var (
	exporter  = &client{"10.20.1.10", "etl", "Go-http-client/1.1", true}
	loader    = &client{"10.20.1.11", "etl", "Go-http-client/1.1", true}
	mailer    = &client{"10.20.4.2", "billing", "Go-http-client/1.1", true}
	reporter  = &client{"10.20.4.9", "reporting", "Python-urllib/3.11", true}
	runner    = &client{"2001:db8:20::c1", "ci", "python-requests/2.31.0", true}
	collector = &client{"10.20.4.30", "billing", "Java-http-client/17.0.9", true}
)

// nightlyExport runs at 02:30. It takes longer by the day, and longest on
// Mondays. When it fails, it is run again 2½ hours later.
func nightlyExport(d *day) {
	rows := d.around(180_000+900*float64(d.index), 0.05)
	switch {
	case d.weekend():
		rows *= 0.6
	case d.start.Weekday() == time.Monday:
		rows *= 1.35
	}
	seconds := d.around(rows/150, 0.12)
	if d.chance(3) {
		seconds *= 2 // the disk is busy
	}
	start := d.at(2, 30)
	if d.chance(6) {
		failure := after(start, seconds*0.3)
		d.send(failure, exporter, repository.Put, "job/nightly_export", exportRun(run(failure, seconds*0.3, false), 0, seconds*0.3))
		start = d.at(5, 0)
	}
	end := after(start, seconds)
	d.send(end, exporter, repository.Put, "job/nightly_export", exportRun(run(end, seconds, true), rows, seconds))
}

func exportRun(b *body, rows, seconds float64) *body {
	b.gauge("export_rows", "Rows that were exported.", math.Round(rows))
	b.family("gauge", "export_step_seconds", "How long each step took.")
	for _, step := range []struct {
		name  string
		share float64
	}{{"read", 0.2}, {"transform", 0.5}, {"write", 0.3}} {
		b.sample("export_step_seconds", fmt.Sprintf("step=%q", step.name), tenths(seconds*step.share))
	}
	return b
}

// backups run every hour on six hosts. When three quarters are over, db2 is
// down for a night; db3 breaks down 30 hours before the end; and db6 is taken
// out of service when two thirds are over.
func backups(d *day) {
	for host := 1; host <= 6; host++ {
		by := &client{address: fmt.Sprintf("10.20.2.%d", 10+host), user: "backup", agent: "curl/7.88.1"}
		for hour := range 24 {
			start := d.at(hour, 5+2*host)
			size := d.around(float64(host)*4e9+float64(d.index)*2e7, 0.02)
			seconds := d.around(120+size/1e8, 0.1)
			failed := d.chance(0.7)
			if failed {
				seconds, size = d.around(15, 0.5), 0
			}
			end := after(start, seconds)
			if host == 2 && d.index == d.part(75) && hour < 9 ||
				host == 3 && end.After(d.until.Add(-30*time.Hour)) || host == 6 && d.index >= d.part(66) {
				continue
			}
			b := run(end, seconds, !failed)
			b.family("gauge", "backup_size_bytes", "Size of the backup.")
			b.sample("backup_size_bytes", `database="orders"`, math.Round(size*0.7))
			b.sample("backup_size_bytes", `database="users"`, math.Round(size*0.3))
			d.send(end, by, repository.Put, fmt.Sprintf("job/backup/instance/db%d", host), b)
		}
	}
}

// builds run all day, and seldom on weekends. Builds of one branch are more
// than an hour apart, so that each that fails counts as failed. The repository
// mobile is given up when half is over; on one bad day api is broken.
func builds(d *day) {
	for _, branch := range []struct {
		repo, name string
		seconds    float64
	}{{"api", "main", 240}, {"api", "next", 250}, {"mobile", "main", 420}, {"mobile", "release", 430}, {"web", "main", 130}, {"web", "next", 140}} {
		for slot := range 9 {
			start := after(d.at(7, 80*slot), 180*d.rand.Float64())
			seconds := d.around(branch.seconds, 0.15)
			failures := 9.0
			if branch.repo == "api" && d.index == d.part(80) {
				failures = 70
			}
			success, happens := !d.chance(failures), d.chance(75)
			if d.weekend() {
				happens = d.chance(12)
			}
			if !happens || branch.repo == "mobile" && d.index >= d.part(50) {
				continue
			}
			end := after(start, seconds)
			path := fmt.Sprintf("job/ci_build/repo/%s/branch/%s", branch.repo, branch.name)
			d.send(end, runner, repository.Post, path, tests(d, run(end, seconds, success), success))
		}
	}
}

// tests adds what became of the tests of a build.
func tests(d *day, b *body, success bool) *body {
	failed := 0
	if !success {
		failed = 1 + d.rand.IntN(5)
	}
	b.family("gauge", "ci_tests", "Tests by their result.")
	b.sample("ci_tests", `result="failed"`, float64(failed))
	b.sample("ci_tests", `result="passed"`, float64(400+d.index-failed))
	b.family("histogram", "ci_test_seconds", "How long tests took.")
	count, sum := 0, 0.0
	for _, bucket := range []struct {
		le   string
		mean float64
		sum  float64
	}{{"0.1", 300, 0.03}, {"1", 80, 0.4}, {"10", 15, 3}, {"+Inf", 2, 20}} {
		n := int(d.around(bucket.mean, 0.2))
		count, sum = count+n, sum+float64(n)*bucket.sum
		b.sample("ci_test_seconds_bucket", fmt.Sprintf("le=%q", bucket.le), float64(count))
	}
	b.sample("ci_test_seconds_sum", "", tenths(sum))
	b.sample("ci_test_seconds_count", "", float64(count))
	return b
}

// salesReport runs every four hours, and pushes 0 when it starts and 1 when it
// ends. Some runs never end.
func salesReport(d *day) {
	const path, help = "job/sales_report", "0 while the report is being made, 1 when it is ready."
	for hour := 0; hour < 24; hour += 4 {
		start := d.at(hour, 0)
		seconds := d.around(1500, 0.4)
		d.send(start, reporter, repository.Put, path, (&body{}).gauge("report_success", help, 0))
		if pages := d.around(40, 0.3); !d.chance(4) {
			b := (&body{}).gauge("job_duration_seconds", "How long the run took.", tenths(seconds))
			b.gauge("report_pages", "Pages of the report.", math.Round(pages)).gauge("report_success", help, 1)
			d.send(after(start, seconds), reporter, repository.Put, path, b)
		}
	}
}

// invoiceMailer runs every six hours, until it falls silent in the last tenth of
// the time.
func invoiceMailer(d *day) {
	for hour := 1; hour < 24; hour += 6 {
		seconds := d.around(35, 0.5)
		end := after(d.at(hour, 15), seconds)
		sent, failed := math.Round(d.around(220, 0.5)), d.chance(2)
		if end.After(d.until.AddDate(0, 0, -d.days/10)) {
			continue
		}
		b := run(end, seconds, !failed).counter("mails_sent_total", "Mails that were sent.", sent)
		b.family("counter", "mails_refused_total", "Mails that were refused, by reason.")
		b.sample("mails_refused_total", `reason="mailbox full"`, float64(d.rand.IntN(3)))
		b.sample("mails_refused_total", `reason="no such \"user\""`, float64(d.rand.IntN(5)))
		d.send(end, mailer, repository.Put, "job/invoice_mailer", b)
	}
}

// warehouseLoad runs every two hours for each stage, and says nothing of
// success. Its counts and its times are pushed one after the other.
func warehouseLoad(d *day) {
	for i, stage := range []string{"customers", "events", "orders"} {
		for hour := i % 2; hour < 24; hour += 2 {
			end := after(d.at(hour, 20+5*i), 300*d.rand.Float64())
			rows := math.Round(d.around(50_000, 0.6))
			if d.chance(2) {
				rows = 0
			}
			b := (&body{}).gauge("load_rows", "Rows that were loaded.", rows)
			b.gauge("load_rejected_ratio", "Share of the rows that were rejected, NaN if there were none.", math.Round(rows*0.002*d.rand.Float64())/rows)
			d.send(end, loader, repository.Post, "job/warehouse_load/stage/"+stage, b)
			if hour%4 != 0 {
				continue
			}
			median := d.around(0.4, 0.3)
			b = &body{}
			b.family("summary", "load_batch_seconds", "How long batches took.")
			for _, q := range []struct{ quantile, factor float64 }{{0.5, 1}, {0.9, 2.1}, {0.99, 4.5}} {
				b.sample("load_batch_seconds", fmt.Sprintf("quantile=\"%g\"", q.quantile), math.Round(median*q.factor*1000)/1000)
			}
			b.sample("load_batch_seconds_sum", "", tenths(median*1.2*math.Ceil(rows/1000)))
			b.sample("load_batch_seconds_count", "", math.Ceil(rows/1000))
			d.send(after(end, 1+d.rand.Float64()), loader, repository.Post, "job/warehouse_load/stage/"+stage, b)
		}
	}
}
