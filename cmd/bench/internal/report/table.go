package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Workloads are what is asked, in the order of the tables, with what each is.
var Workloads = []struct{ Name, Title string }{
	{"blocked", "Listed names, and two of five times names below them"},
	{"cached", "5,000 names that are not listed, again and again"},
	{"99:1", "99 of 100 are those, one is blocked"},
	{"miss", "Names that nobody has asked for before: each goes to the upstream"},
	{"steady", "The 99:1 mix at a fixed rate, for how long an answer takes"},
}

// Steady is the workload whose figures are durations.
const Steady = "steady"

// writer keeps the first error, so that the tables read as what they are.
type writer struct {
	io.Writer
	err error
}

func (w *writer) printf(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.Writer, format, args...)
	}
}

// row writes a row of a table.
func (w *writer) row(cells ...string) { w.printf("| %s |\n", strings.Join(cells, " | ")) }

// head writes the first rows of a table: the first columns hold text, the others
// numbers.
func (w *writer) head(text int, titles ...string) {
	w.row(titles...)
	rule := slices.Repeat([]string{"---:"}, len(titles))
	for i := range text {
		rule[i] = "---"
	}
	w.row(rule...)
}

// Markdown writes the report for people.
func (r *Report) Markdown(out io.Writer) error {
	w := &writer{Writer: out}
	r.preface(w)
	r.servers(w)
	r.table(w, "Processor time of the server, microseconds a query", throughput, 1, func(c *Cell) Sample { return c.CPU })
	r.table(w, "Right answers a second, in thousands", throughput, 1, func(c *Cell) Sample { return c.QPS.over(1000) })
	r.latency(w)
	r.memory(w)
	r.faults(w)
	return w.err
}

// throughput reports whether a workload is asked as fast as the server answers.
func throughput(workload string) bool { return workload != Steady }

func (r *Report) preface(w *writer) {
	m, s := r.Machine, r.Settings
	w.printf("`%s`, %s. %s, %d cores, %s of memory, %s. The server had core %d to itself, load and upstream core %d.\n",
		r.Command, r.Time.Format("2 January 2006"), m.Processor, m.Cores, memory(float64(m.Memory)), m.System, m.ServerCore, m.LoadCore)
	rounds := "One round of"
	if s.Rounds > 1 {
		rounds = fmt.Sprintf("Medians of %d rounds, in brackets the smallest and the largest; each of", s.Rounds)
	}
	w.printf("%s %.4g s, with %d queries under way at a time.\n\n", rounds, s.Seconds, s.Window)
	if r.Limit != nil {
		w.printf("The limit of the measuring: a server that does nothing but answer takes %s microseconds a query, %s thousand queries a second. "+
			"No figure below can be better; one close to it says more of the load than of the server.\n\n", plain(r.Limit.CPU, 1), plain(r.Limit.QPS.over(1000), 0))
	}
}

func (r *Report) servers(w *writer) {
	w.head(3, "server", "what it is", "version")
	for _, c := range r.Candidates {
		version := c.Version
		if c.Absent != "" {
			version = "not measured: " + c.Absent
		}
		w.row(c.Name, c.Title, escape(version))
	}
	w.printf("\n")
}

// escape makes a text one that fits into a table.
func escape(text string) string {
	return strings.NewReplacer("\n", " ", "|", "\\|").Replace(text)
}

// workloads returns those of which there is anything.
func (r *Report) workloads(keep func(string) bool) (names []string) {
	for _, l := range Workloads {
		if keep(l.Name) && slices.ContainsFunc(r.Rows, func(row *Row) bool { return row.Cells[l.Name] != nil }) {
			names = append(names, l.Name)
		}
	}
	return names
}

// table writes a table for each size, with a column for each workload.
func (r *Report) table(w *writer, title string, keep func(string) bool, digits int, figure func(*Cell) Sample) {
	workloads := r.workloads(keep)
	if len(workloads) == 0 {
		return
	}
	for _, size := range r.Sizes() {
		w.printf("### %s, %s names\n\n", title, thousands(size))
		w.head(1, append([]string{"server"}, workloads...)...)
		r.each(size, func(row *Row) {
			cells := []string{row.Candidate}
			for _, l := range workloads {
				text := "–"
				if c := row.Cells[l]; c != nil {
					text = cell(figure(c), digits, c)
				}
				cells = append(cells, text)
			}
			w.row(cells...)
		})
		w.printf("\n")
	}
}

// each calls f with each row of a size that was measured, in the order of the
// candidates.
func (r *Report) each(size int, f func(*Row)) {
	for _, c := range r.Candidates {
		if row := r.find(c.Name, size); row != nil && row.Skipped == "" && c.Absent == "" {
			f(row)
		}
	}
}

func (r *Report) latency(w *writer) {
	if len(r.workloads(func(name string) bool { return name == Steady })) == 0 {
		return
	}
	for _, size := range r.Sizes() {
		w.printf("### Microseconds until an answer is there, %s queries a second of the 99:1 mix, %s names\n\n", thousands(int(r.Settings.Rate)), thousands(size))
		w.head(1, "server", "half of them", "99 of 100", "processor time a query")
		r.each(size, func(row *Row) {
			if c := row.Cells[Steady]; c != nil {
				w.row(row.Candidate, cell(c.P50, 0, c), cell(c.P99, 0, c), cell(c.CPU, 1, c))
			}
		})
		w.printf("\n")
	}
}

func (r *Report) memory(w *writer) {
	w.printf("### Start and memory\n\n")
	w.head(1, "server", "names", "start, s", "memory at rest, MB", "after the load, MB")
	for _, c := range r.Candidates {
		for _, row := range r.Rows {
			if row.Candidate != c.Name || c.Absent != "" {
				continue
			}
			size := "–"
			if row.Size > 0 {
				size = thousands(row.Size)
			}
			if row.Skipped != "" {
				w.row(row.Candidate, size, row.Skipped, "–", "–")
				continue
			}
			w.row(row.Candidate, size, bold(row.Start, 2), bold(row.Rest.over(1e6), 0), bold(row.Loaded.over(1e6), 0))
		}
	}
	w.printf("\n")
}

func (r *Report) faults(w *writer) {
	right := 0
	for _, row := range r.Rows {
		for _, c := range row.Cells {
			right += c.Right
		}
	}
	wrong, lost := r.Faults()
	if wrong+lost > 0 {
		w.printf("An asterisk marks figures of which not all answers were right. ")
	}
	w.printf("Of %s answers %s were wrong; %s queries had none.\n", thousands(right+wrong), thousands(wrong), thousands(lost))
	for _, row := range r.Rows {
		for _, l := range Workloads {
			if c := row.Cells[l.Name]; c != nil && c.Wrong+c.Lost > 0 {
				w.printf("\n- %s, %s names, %s: %d wrong, %d lost. %s", row.Candidate, thousands(row.Size), l.Name, c.Wrong, c.Lost, strings.Join(c.Samples, "; "))
			}
		}
	}
	w.printf("\n")
}

// cell shows a figure, and marks one of which not all answers were right.
func cell(s Sample, digits int, c *Cell) string {
	mark := ""
	if c.Wrong+c.Lost > 0 {
		mark = " *"
	}
	return bold(s, digits) + mark
}

// bold shows the median, and the spread behind it if there is one.
func bold(s Sample, digits int) string {
	if len(s) == 0 {
		return "–"
	}
	median := fmt.Sprintf("**%.*f**", digits, s.Median())
	if low, high := s.Spread(); len(s) > 1 {
		median += fmt.Sprintf(" (%.*f–%.*f)", digits, low, digits, high)
	}
	return median
}

func plain(s Sample, digits int) string { return strings.ReplaceAll(bold(s, digits), "**", "") }

// over returns the sample in another unit.
func (s Sample) over(unit float64) Sample {
	out := slices.Clone(s)
	for i := range out {
		out[i] /= unit
	}
	return out
}

// thousands writes a number with a comma after each three digits.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// memory writes a size for a person.
func memory(n float64) string {
	if n >= 1e9 {
		return fmt.Sprintf("%.0f GB", n/1e9)
	}
	return fmt.Sprintf("%.0f MB", n/1e6)
}
