package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func (b *bench) printEnvironment() {
	fmt.Printf("Compared with: %s\n", b.theirs.version)
	fmt.Printf("PostgreSQL %s, durable; %s; %s/%s, %d cores, shared by clients, gateways and PostgreSQL\n",
		b.ours.version, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		fields := strings.Fields(string(load))
		fmt.Printf("Load average of the machine before: %s\n", fields[0])
	}
	fmt.Printf("A push: %d series in 10 families, %.0f bytes of text; %v for each figure, medians of %d rounds\n",
		seriesPerPush, bodySize(), b.plan.time, b.plan.rounds)
}

// target is a figure that should be at least, or at most, a limit.
type target struct {
	what, ours, theirs string
	figure, limit      float64
	atMost             bool
}

// holds is false for what was not measured.
func (t target) holds() bool {
	switch {
	case math.IsInf(t.figure, 0) || math.IsNaN(t.figure):
		return false
	case t.atMost:
		return t.figure <= t.limit
	}
	return t.figure >= t.limit
}

// atLeast and atMost judge ours in relation to what it is compared with; the
// texts show both.
func (b *bench) atLeast(limit, ours, theirs float64, what, oursText, theirsText string) {
	b.targets = append(b.targets, target{what, oursText, theirsText, ours / theirs, limit, false})
}

func (b *bench) atMost(limit, ours, theirs float64, what, oursText, theirsText string) {
	b.targets = append(b.targets, target{what, oursText, theirsText, ours / theirs, limit, true})
}

func (b *bench) printTargets() {
	if len(b.targets) == 0 {
		return
	}
	fmt.Printf("\n## Targets\n\n")
	t := table{{"target", "ours", "compared with", "ratio", "wanted", "holds"}}
	for _, g := range b.targets {
		sign, holds := "≥ ", "yes"
		if g.atMost {
			sign = "≤ "
		}
		if !g.holds() {
			holds = "no"
		}
		t = append(t, []string{g.what, g.ours, g.theirs, factor(g.figure), sign + factor(g.limit), holds})
	}
	t.print()
}

func factor(f float64) string {
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		return "?"
	case f >= 100:
		return thousands(int(f + 0.5))
	case f >= 0.1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'g', 2, 64)
}

// ratio is factor, or nothing if there is nothing to compare with.
func ratio(ours, theirs float64) string {
	if ours == 0 || theirs == 0 {
		return ""
	}
	return factor(ours / theirs)
}

func perSecond(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return thousands(int(rate + 0.5))
}

func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms >= 100 {
		return thousands(int(ms + 0.5))
	}
	return fmt.Sprintf("%.2f", ms)
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

func megabytes(n int64) string { return thousands(int((n + 500_000) / 1_000_000)) }

// thousands writes 10000 as 10,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

func clientsText(n int) string {
	if n == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", n)
}

// table is rows of cells, the first of which is the header.
type table [][]string

// add adds a row.
func (t *table) add(cells ...string) { *t = append(*t, cells) }

// print writes the table in Markdown, aligned.
func (t table) print() {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i, text := range row {
			widths[i] = max(widths[i], len([]rune(text)))
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

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
