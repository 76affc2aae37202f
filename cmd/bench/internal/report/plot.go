package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// The plot, in units of its view box.
const (
	plotWidth, plotHeight = 760, 440
	plotLeft, plotRight   = 60, 580 // of the area of the lines; their names are to its right
	plotTop, plotBottom   = 56, 380
	labelHeight           = 17
)

// strokes tell the lines apart without colours too: each has a dash of its own, and a
// name at its end.
var strokes = []struct{ color, dash string }{
	{"#0b5cad", ""}, {"#b3261e", ""}, {"#5f6368", dashed("2 4")}, {"#1e7d34", dashed("10 4")}, {"#1e7d34", dashed("2 3")},
	{"#7b3fb5", dashed("10 4")}, {"#a05a00", dashed("6 3")}, {"#00798c", dashed("10 3 2 3")}, {"#c2185b", dashed("6 3")}, {"#3d4b00", dashed("10 3 2 3")},
}

func dashed(pattern string) string { return ` stroke-dasharray="` + pattern + `"` }

// line is a candidate in the plot.
type line struct {
	name   string
	points []point
	stroke int
	label  float64 // where its name stands
}

type point struct {
	size int
	cost float64
}

// lines returns the cost of a workload by the size of the list, for candidates with a
// list and one figure or more.
func (r *Report) lines(workload string) (lines []line) {
	for i, c := range r.Candidates {
		l := line{name: c.Name, stroke: i % len(strokes)}
		for _, size := range r.Sizes() {
			if row := r.find(c.Name, size); row != nil && row.Cells[workload] != nil && len(row.Cells[workload].CPU) > 0 {
				l.points = append(l.points, point{size, row.Cells[workload].CPU.Median()})
			}
		}
		if len(l.points) > 0 {
			lines = append(lines, l)
		}
	}
	return lines
}

// scale says where figures are in the plot: sizes by their logarithm, costs from 0 on.
type scale struct {
	low, high float64 // of sizes
	top, step float64 // of costs
}

func newScale(lines []line) scale {
	s := scale{low: math.Inf(1)}
	most := 0.0
	for _, l := range lines {
		for _, p := range l.points {
			s.low, s.high = min(s.low, float64(p.size)), max(s.high, float64(p.size))
			most = max(most, p.cost)
		}
	}
	s.step = math.Pow(10, math.Floor(math.Log10(max(most, 1e-3))))
	for _, part := range []float64{0.2, 0.5} {
		if most/(s.step*part) <= 8 {
			s.step *= part
			break
		}
	}
	s.top = math.Ceil(most/s.step) * s.step
	return s
}

func (s scale) x(size float64) float64 {
	if s.high <= s.low {
		return (plotLeft + plotRight) / 2
	}
	return plotLeft + 20 + (plotRight-plotLeft-40)*math.Log(size/s.low)/math.Log(s.high/s.low)
}

func (s scale) y(cost float64) float64 { return plotBottom - (plotBottom-plotTop)*cost/s.top }

// SVG writes a plot of the processor time that a query of a workload takes by the size
// of the list. It reads by its text alone, too: title and description say what it shows.
func (r *Report) SVG(out io.Writer, workload string) error {
	lines := r.lines(workload)
	if len(lines) == 0 {
		return fmt.Errorf("nothing of %q was measured that could be plotted", workload)
	}
	s, w := newScale(lines), &writer{Writer: out}
	w.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc" font-family="sans-serif" font-size="13">`+"\n",
		plotWidth, plotHeight)
	w.printf("<title id=\"title\">Processor time of a query by the size of the list, workload %s</title>\n", text(workload))
	w.printf("<desc id=\"desc\">%s</desc>\n", text(describe(lines)))
	w.printf("<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n")
	w.printf("<text x=\"%d\" y=\"24\" font-size=\"16\" font-weight=\"bold\">Workload %s: microseconds of processor time a query</text>\n", plotLeft, text(workload))
	s.axes(w, r.Sizes())
	s.place(lines)
	for _, l := range lines {
		s.draw(w, l)
	}
	w.printf("</svg>\n")
	return w.err
}

// describe says in words what the lines are.
func describe(lines []line) string {
	var b strings.Builder
	b.WriteString("A line for each server, from the smallest list to the largest.")
	for _, l := range lines {
		b.WriteString(" " + l.name)
		for i, p := range l.points {
			sep := ", "
			if i == 0 {
				sep = ": "
			}
			fmt.Fprintf(&b, "%s%.1f µs with %s names", sep, p.cost, thousands(p.size))
		}
		b.WriteString(".")
	}
	return b.String()
}

func (s scale) axes(w *writer, sizes []int) {
	for cost := 0.0; cost <= s.top+s.step/2; cost += s.step {
		w.printf("<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
			plotLeft, s.y(cost), plotRight, plotLeft-8, s.y(cost)+4, cost)
	}
	for _, size := range sizes {
		w.printf("<path d=\"M%.1f %dv6\" stroke=\"#333\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
			s.x(float64(size)), plotBottom, s.x(float64(size)), plotBottom+22, thousands(size))
	}
	w.printf("<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">names in the list</text>\n", (plotLeft+plotRight)/2, plotBottom+46)
}

// place gives each line's name a place beside its end, where no other name is.
func (s scale) place(lines []line) {
	order := make([]*line, len(lines))
	for i := range lines {
		order[i] = &lines[i]
		order[i].label = s.y(lines[i].points[len(lines[i].points)-1].cost) + 4
	}
	slices.SortStableFunc(order, func(a, b *line) int { return int(math.Round(a.label*1000)) - int(math.Round(b.label*1000)) })
	for i, l := range order {
		if i > 0 {
			l.label = max(l.label, order[i-1].label+labelHeight)
		}
	}
	floor := float64(plotBottom + 40)
	for _, l := range slices.Backward(order) { // and none below the plot
		l.label = min(l.label, floor)
		floor = l.label - labelHeight
	}
}

func (s scale) draw(w *writer, l line) {
	stroke := strokes[l.stroke]
	var path strings.Builder
	for i, p := range l.points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", command, s.x(float64(p.size)), s.y(p.cost))
	}
	w.printf("<g stroke=\"%s\" fill=\"none\"><path d=\"%s\" stroke-width=\"2\"%s/>", stroke.color, path.String(), stroke.dash)
	for _, p := range l.points {
		w.printf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>", s.x(float64(p.size)), s.y(p.cost), stroke.color)
	}
	last := l.points[len(l.points)-1]
	w.printf("<path d=\"M%.1f %.1fL%d %.1f\" stroke-width=\"0.7\"/></g>", s.x(float64(last.size))+5, s.y(last.cost), plotRight+4, l.label-4)
	w.printf("<text x=\"%d\" y=\"%.1f\" fill=\"%s\">%s, %.1f</text>\n", plotRight+8, l.label, stroke.color, text(l.name), last.cost)
}

// text makes a text one that fits between tags.
func text(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
