package demo_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/sqlpushgateway/sqlpushgateway/exposition"
	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// answers computes from the rows what queries should find: by question, rows
// that may have fewer columns.
func (h history) answers() map[string][][]string {
	runs := h.runs()
	of := func(job, state string, days int) []run {
		return slices.DeleteFunc(slices.Clone(runs), func(r run) bool {
			return job != "" && r.Key.Job() != job || state != "" && r.state != state || days > 0 && !r.At.After(now.AddDate(0, 0, -days))
		})
	}
	return map[string][][]string{
		"Two minutes":           failuresSince(time.Time{}, of("", "failed", 0))[:5],
		"Last run of each job":  h.lastRuns(runs),
		"Failed runs this week": failuresSince(monday(now), of("", "failed", 0)),
		"Starts without an end": startsWithoutEnd(of("sales_report", "failed", 0)),
		"Duration of the nightly export over 30 days, by week": percentiles(of("nightly_export", "succeeded", 30)),
		"Groups silent for 24 hours":                           h.silent(),
		"Jobs silent for longer than usual":                    h.overdue(runs),
		"Who wiped or deleted what":                            h.removals(),
		"Which push changed a metric's type":                   typeChanges(of("payments", "", 0)),
		"Runs per host":                                        perHost(of("backup", "", 7)),
		"Success rate by week":                                 successRate(of("", "", 56)),
		"Rejected pushes by reason and client":                 h.rejections(),
		"Pushes by hour":                                       h.byHour(),
		"The slowest ten runs of a week":                       slowest(of("", "", 7)),
		"What a group looked like at a given time":             h.groupAt(now.AddDate(0, 0, -10)),
		"First and last time a metric was seen":                firstAndLast(runs, "mails_sent_total"),
		"Gaps between runs longer than expected":               gaps(of("backup", "", 30)),
		"Two runs compared":                                    compared(of("nightly_export", "succeeded", 0)),
		"Who pushes, and with what":                            h.clients(),
	}
}

func (h history) lastRuns(runs []run) (rows [][]string) {
	_, by := grouped(runs, func(r run) string { return r.Key.Job() })
	jobs, _ := grouped(h.groups, func(g exposition.Group) string { return g.Key.Job() })
	for _, job := range jobs {
		r := last(by[job])
		rows = append(rows, []string{job, at(r.At), labels(r.Key), r.state})
	}
	return rows
}

func failuresSince(t time.Time, failed []run) (rows [][]string) {
	for _, r := range slices.Backward(failed) {
		if !r.At.Before(t) {
			rows = append(rows, []string{at(r.At), r.Key.Job(), labels(r.Key), r.Client})
		}
	}
	return rows
}

func startsWithoutEnd(failed []run) (rows [][]string) {
	for _, r := range slices.Backward(failed) {
		rows = append(rows, []string{at(r.At), r.Replica, r.ID})
	}
	return rows[:min(len(rows), 10)]
}

func percentiles(runs []run) (rows [][]string) {
	weeks, by := grouped(runs, func(r run) string { return date(monday(r.At)) })
	for _, week := range weeks {
		var seconds []float64
		for _, r := range by[week] {
			v, _ := r.seconds()
			seconds = append(seconds, v)
		}
		slices.Sort(seconds)
		nearest := func(p float64) string { return number(seconds[int(math.Ceil(p*float64(len(seconds))))-1]) }
		rows = append(rows, []string{week, fmt.Sprint(len(seconds)), nearest(0.5), nearest(0.95)})
	}
	return rows
}

func (h history) silent() (rows [][]string) {
	for _, g := range slices.SortedFunc(slices.Values(h.groups), func(a, b exposition.Group) int { return a.PushTime.Compare(b.PushTime) }) {
		if silent := now.Sub(g.PushTime); silent > 24*time.Hour {
			rows = append(rows, []string{g.Key.Job(), labels(g.Key), at(g.PushTime), number(math.Round(silent.Hours()*10) / 10)})
		}
	}
	return rows
}

func (h history) overdue(runs []run) (rows [][]string) {
	_, by := grouped(runs, func(r run) string { return r.Key.String() })
	for _, g := range slices.SortedFunc(slices.Values(h.groups), func(a, b exposition.Group) int { return a.PushTime.Compare(b.PushTime) }) {
		all := slices.DeleteFunc(by[g.Key.String()], func(r run) bool { return r.state == "unknown" && r.Success != nil })
		all = all[max(0, len(all)-10):]
		var gaps []time.Duration
		for i := 1; i < len(all); i++ {
			gaps = append(gaps, all[i].At.Sub(all[i-1].At))
		}
		slices.Sort(gaps)
		if n := len(gaps); n >= 4 && now.Sub(last(all).At) > 3*(gaps[n/2]+gaps[(n-1)/2])/2 {
			rows = append(rows, []string{g.Key.Job(), labels(g.Key), at(last(all).At)})
		}
	}
	return rows
}

func (h history) removals() (rows [][]string) {
	for _, r := range h.rows {
		if (r.Method == repository.Delete || r.Method == repository.Wipe) && r.At.After(now.AddDate(0, 0, -60)) {
			rows = append(rows, []string{at(r.At), string(r.Method), labels(r.Key), fmt.Sprint(r.Affected), r.Username, r.Client, r.UserAgent})
		}
	}
	return rows
}

func typeChanges(runs []run) (rows [][]string) {
	types := map[string]string{}
	for _, r := range runs {
		t, ok := r.types["payments_checked"]
		if !ok {
			continue
		}
		key := labels(r.Key)
		if was := types[key]; was != "" && was != t.String() {
			rows = append(rows, []string{at(r.At), key, was, t.String(), r.Username, r.Client})
		}
		types[key] = t.String()
	}
	return rows
}

func perHost(runs []run) (rows [][]string) {
	hosts, by := grouped(runs, func(r run) string { return r.Key.Get("instance") })
	for _, host := range hosts {
		rows = append(rows, []string{host, fmt.Sprint(len(by[host])), fmt.Sprint(count(by[host], "failed")), at(last(by[host]).At)})
	}
	return rows
}

func successRate(runs []run) (rows [][]string) {
	weeks, by := grouped(runs, func(r run) string { return date(monday(r.At)) })
	for _, week := range weeks {
		succeeded := count(by[week], "succeeded")
		known := succeeded + count(by[week], "failed")
		rows = append(rows, []string{week, fmt.Sprint(known), number(math.Round(1e4*float64(succeeded)/float64(known)) / 100)})
	}
	return rows
}

func (h history) rejections() (rows [][]string) {
	rejected := slices.DeleteFunc(slices.Clone(h.rows), func(r repository.HistoryRow) bool {
		return r.Accepted || !r.At.After(now.AddDate(0, 0, -60))
	})
	kinds, by := grouped(rejected, func(r repository.HistoryRow) string { return r.Reason[:60] + r.Client })
	slices.SortStableFunc(kinds, func(a, b string) int { return len(by[b]) - len(by[a]) })
	for _, kind := range kinds {
		r := last(by[kind])
		rows = append(rows, []string{r.Reason[:60], r.Client, r.Username, r.UserAgent, fmt.Sprint(len(by[kind])), at(r.At)})
	}
	return rows
}

func (h history) byHour() (rows [][]string) {
	recent := slices.DeleteFunc(slices.Clone(h.rows), func(r repository.HistoryRow) bool {
		return !r.At.After(now.Add(-24*time.Hour)) || r.Method != repository.Put && r.Method != repository.Post
	})
	hours, by := grouped(recent, func(r repository.HistoryRow) string { return at(r.At.Truncate(time.Hour)) })
	for _, hour := range hours {
		series, bytes := 0, 0
		for _, r := range by[hour] {
			series, bytes = series+r.Series, bytes+r.Bytes
		}
		rows = append(rows, []string{hour, fmt.Sprint(len(by[hour])), fmt.Sprint(series), fmt.Sprint(bytes)})
	}
	return rows
}

func slowest(runs []run) (rows [][]string) {
	slices.SortStableFunc(runs, func(a, b run) int {
		x, _ := a.seconds()
		y, _ := b.seconds()
		return cmp.Compare(y, x)
	})
	for _, r := range runs[:10] {
		v, _ := r.seconds()
		rows = append(rows, []string{at(r.At), labels(r.Key), number(v)})
	}
	return rows
}

// groupAt follows what happened to a group until then.
func (h history) groupAt(then time.Time) (rows [][]string) {
	const group = `{"job":"warehouse_load","stage":"orders"}`
	has := map[string][]string{}
	for _, r := range h.rows {
		if r.At.After(then) || !r.Accepted || r.Method != repository.Wipe && labels(r.Key) != group {
			continue
		}
		if r.Method != repository.Post {
			clear(has)
		}
		families, _ := exposition.DecodeFamilies(r.Families)
		for _, f := range families {
			has[f.Name] = []string{f.Name, fmt.Sprint(r.Seq), f.Type.String()}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		rows = append(rows, has[name])
	}
	return rows
}

func firstAndLast(runs []run, metric string) [][]string {
	with := slices.DeleteFunc(slices.Clone(runs), func(r run) bool {
		_, ok := r.types[metric]
		return !ok
	})
	return [][]string{{with[0].Key.Job(), at(with[0].At), at(last(with).At), fmt.Sprint(len(with))}}
}

func gaps(runs []run) (rows [][]string) {
	before := map[string]time.Time{}
	for _, r := range runs {
		host := r.Key.Get("instance")
		if b, ok := before[host]; ok && r.At.Sub(b) > 2*time.Hour {
			rows = append(rows, []string{host, at(b), at(r.At)})
		}
		before[host] = r.At
	}
	return rows
}

func compared(runs []run) (rows [][]string) {
	before, after := runs[len(runs)-2], last(runs)
	for _, name := range slices.Sorted(maps.Keys(after.samples)) {
		rows = append(rows, []string{name, number(before.samples[name]), number(after.samples[name])})
	}
	return rows
}

func (h history) clients() (rows [][]string) {
	recent := slices.DeleteFunc(slices.Clone(h.rows), func(r repository.HistoryRow) bool { return !r.At.After(now.Add(-24 * time.Hour)) })
	clients, by := grouped(recent, func(r repository.HistoryRow) string { return r.Client })
	slices.SortStableFunc(clients, func(a, b string) int { return len(by[b]) - len(by[a]) })
	for _, client := range clients {
		r := last(by[client])
		rows = append(rows, []string{r.Username, client, r.UserAgent, fmt.Sprint(len(by[client])), "1", at(r.At)})
	}
	return rows
}
