package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func printEnvironment(p plan, theirs *original, ours *ours) {
	fmt.Printf("Compared with: %s\n", theirs.version)
	fmt.Printf("PostgreSQL %s, durable; %s; %s/%s, %d cores, shared by clients, gateways and PostgreSQL\n",
		ours.version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		fields := strings.Fields(string(load))
		fmt.Printf("Load average of the machine before: %s\n", fields[0])
	}
	fmt.Printf("A push: %d series in 10 families, %d bytes of text; %v for each figure, medians of %d rounds\n\n",
		seriesPerPush, len(appendBody(nil, 1)), p.time, p.rounds)
}

func (b *bench) print() {
	b.printPushes()
	fmt.Println()
	b.printScrapes()
	fmt.Println()
	b.printMemory()
}

func (b *bench) printPushes() {
	t := table{{"groups stored", "clients", "system", "pushes/s", "ratio", "p50 ms", "p99 ms", "CPU ms per push", "PostgreSQL's"}}
	for _, c := range b.plan.cells {
		for _, clients := range b.plan.clients {
			base := median(b.pushed[key{c, clients, pushgateway}])
			for which := range len(names) {
				rounds := b.pushed[key{c, clients, which}]
				if len(rounds) == 0 {
					continue
				}
				m := median(rounds)
				ratio, database := "", ""
				if which != pushgateway && base.rate > 0 {
					ratio = fmt.Sprintf("%.2f", m.rate/base.rate)
				}
				if m.database > 0 {
					database = millis(m.database)
				}
				t = append(t, []string{c.String(), strconv.Itoa(clients), names[which], perSecond(m.rate), ratio,
					millis(m.p50), millis(m.p99), millis(m.gateway + m.database), database})
			}
		}
	}
	t.print()
}

func (b *bench) printScrapes() {
	t := table{{"scrape of " + thousands(b.plan.scrapedGroups) + " groups", "encoding", "Pushgateway ms", "ours ms", "ratio",
		"Pushgateway CPU ms", "ours CPU ms", "ratio", "Pushgateway kB", "ours kB", "ratio"}}
	for _, r := range b.scrape {
		t = append(t, []string{r.state, r.encoding,
			millis(r.theirs.latency), millis(r.ours.latency), ratio(r.ours.latency, r.theirs.latency),
			millis(r.theirs.cpu), millis(r.ours.cpu), ratio(r.ours.cpu, r.theirs.cpu),
			strconv.FormatInt(r.theirs.bytes/1000, 10), strconv.FormatInt(r.ours.bytes/1000, 10), ratio(r.ours.bytes, r.theirs.bytes)})
	}
	t.print()
}

func (b *bench) printMemory() {
	t := table{{"system", "memory MB with " + thousands(b.plan.scrapedGroups) + " groups"}}
	for _, r := range b.memory {
		t = append(t, []string{names[r.system], strconv.FormatInt(r.bytes/1_000_000, 10)})
	}
	t.print()
}

// median takes the median of each figure by itself.
func median(rounds []pushed) pushed {
	if len(rounds) == 0 {
		return pushed{}
	}
	return pushed{
		rate: middle(rounds, func(p pushed) float64 { return p.rate }),
		p50:  middle(rounds, func(p pushed) time.Duration { return p.p50 }), p99: middle(rounds, func(p pushed) time.Duration { return p.p99 }),
		gateway:  middle(rounds, func(p pushed) time.Duration { return p.gateway }),
		database: middle(rounds, func(p pushed) time.Duration { return p.database }),
	}
}

func middle[T any, V cmp.Ordered](all []T, value func(T) V) V {
	values := make([]V, len(all))
	for i := range all {
		values[i] = value(all[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func ratio[T ~int64](ours, theirs T) string {
	return fmt.Sprintf("%.2f", float64(ours)/float64(max(theirs, 1)))
}

func perSecond(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}

func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms >= 100 {
		return fmt.Sprintf("%.0f", ms)
	}
	return fmt.Sprintf("%.2f", ms)
}

// thousands writes 10000 as 10,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// table is rows of cells, the first of which is the header.
type table [][]string

// print writes the table in Markdown, aligned.
func (t table) print() {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, text := range row {
			widths[i] = max(widths[i], len(text))
		}
	}
	for i, row := range t {
		for j, text := range row {
			fmt.Printf("| %-*s ", widths[j], text)
		}
		fmt.Println("|")
		if i == 0 {
			for _, width := range widths {
				fmt.Print("|", strings.Repeat("-", width+2))
			}
			fmt.Println("|")
		}
	}
}
