package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// chart is lines over logarithmic axes, drawn as SVG.
type chart struct {
	file, title string
	x, y        string // what the axes are
	lines       []line
}

// line is drawn in colour if it is ours.
type line struct {
	name   string
	ours   bool
	points []point
}

type point struct{ x, y float64 }

// add adds a point if something was measured there.
func (l *line) add(x int, y float64) {
	if x > 0 && y > 0 {
		l.points = append(l.points, point{float64(x), y})
	}
}

const (
	chartWidth, chartHeight = 760, 440
	chartLeft, chartTop     = 70, 50
	chartRight, chartBottom = 560, 390 // of the axes; names of lines are to the right
	labelHeight             = 16
	chartStyle              = `
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.theirs { stroke: #9a6700 } .theirs-dot, .theirs-text { fill: #9a6700 }
.ours { stroke: #0969da } .ours-dot, .ours-text { fill: #0969da }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.grid { stroke: #3d444d }
.theirs { stroke: #d29922 } .theirs-dot, .theirs-text { fill: #d29922 }
.ours { stroke: #58a6ff } .ours-dot, .ours-text { fill: #58a6ff }
}
`
)

// axis maps values to coordinates, by their logarithms.
type axis struct{ low, high, from, to float64 }

func (a axis) at(value float64) float64 {
	return a.from + (math.Log10(value)-a.low)/(a.high-a.low)*(a.to-a.from)
}

// values returns all different values of the points, sorted.
func (c *chart) values(value func(point) float64) []float64 {
	var all []float64
	for _, l := range c.lines {
		for _, p := range l.points {
			all = append(all, value(p))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// svg returns the chart, and nothing if it has no points.
func (c *chart) svg() string {
	c.lines = slices.DeleteFunc(c.lines, func(l line) bool { return len(l.points) == 0 })
	if len(c.lines) == 0 {
		return ""
	}
	xs := c.values(func(p point) float64 { return p.x })
	ys := c.values(func(p point) float64 { return p.y })
	first, last := math.Log10(xs[0]), math.Log10(xs[len(xs)-1])
	x := axis{first, max(last, first+1), chartLeft, chartRight}
	y := axis{math.Floor(math.Log10(ys[0])), math.Floor(math.Log10(ys[len(ys)-1])) + 1, chartBottom, chartTop}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n<style>%s</style>\n",
		chartWidth, chartHeight, html.EscapeString(c.title), chartStyle)
	text := func(class, anchor string, x, y float64, text string) {
		fmt.Fprintf(&out, `<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`+"\n", class, anchor, x, y, html.EscapeString(text))
	}
	text("title", "start", chartLeft, 20, c.title)
	text("", "start", chartLeft, 40, c.y)
	text("", "middle", (chartLeft+chartRight)/2, chartBottom+42, c.x)
	for _, value := range xs {
		fmt.Fprintf(&out, `<path class="grid" d="M%.1f %dV%d"/>`+"\n", x.at(value), chartTop, chartBottom)
		text("", "middle", x.at(value), chartBottom+20, thousands(int(value)))
	}
	for power := y.low; power <= y.high; power++ {
		at := y.at(math.Pow(10, power))
		fmt.Fprintf(&out, `<path class="grid" d="M%d %.1fH%d"/>`+"\n", chartLeft, at, chartRight)
		text("", "end", chartLeft-8, at+4, powerOfTen(power))
	}
	labels := c.labels(y)
	drawn := map[string]int{} // lines of each colour
	for i, l := range c.lines {
		class := "theirs"
		if l.ours {
			class = "ours"
		}
		dashes := [...]string{"none", "8 4", "2 3"}[drawn[class]%3]
		drawn[class]++
		var path []string
		for _, p := range l.points {
			path = append(path, fmt.Sprintf("%.1f %.1f", x.at(p.x), y.at(p.y)))
			fmt.Fprintf(&out, `<circle class="%s-dot" cx="%.1f" cy="%.1f" r="3.5"/>`+"\n", class, x.at(p.x), y.at(p.y))
		}
		fmt.Fprintf(&out, `<path class="line %s" stroke-dasharray="%s" d="M%s"/>`+"\n", class, dashes, strings.Join(path, "L"))
		text(class+"-text", "start", x.at(l.points[len(l.points)-1].x)+10, labels[i], l.name)
	}
	return out.String() + "</svg>\n"
}

// labels returns how high the lines' names stand: at the lines' ends, but apart.
func (c *chart) labels(y axis) []float64 {
	order := make([]int, len(c.lines))
	heights := make([]float64, len(c.lines))
	for i, l := range c.lines {
		order[i], heights[i] = i, y.at(l.points[len(l.points)-1].y)+4
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(heights[a], heights[b]) })
	for n, i := range order[1:] { // n counts from 0: it is the one above
		heights[i] = max(heights[i], heights[order[n]]+labelHeight)
	}
	return heights
}

func powerOfTen(power float64) string {
	if power < 0 {
		return fmt.Sprintf("%.*f", int(-power), math.Pow(10, power))
	}
	return thousands(int(math.Pow(10, power) + 0.5))
}

// writeCharts draws what was measured into a folder.
func (b *bench) writeCharts(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, c := range b.charts {
		if svg := c.svg(); svg != "" {
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(svg), 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}
