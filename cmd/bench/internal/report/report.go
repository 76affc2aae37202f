// Package report says what was measured: as JSON, as tables in Markdown, and as a plot.
package report

import (
	"slices"
	"time"
)

// Report is all that one run of the program has measured.
type Report struct {
	Command    string      `json:"command"`
	Time       time.Time   `json:"time"`
	Machine    Machine     `json:"machine"`
	Settings   Settings    `json:"settings"`
	Candidates []Candidate `json:"candidates"`
	Limit      *Cell       `json:"limit,omitempty"` // the load's own: a server that answers at once
	Rows       []*Row      `json:"rows"`
}

// Machine is where it was measured.
type Machine struct {
	Processor  string `json:"processor"`
	Cores      int    `json:"cores"`
	System     string `json:"system"`
	Memory     int64  `json:"memory"` // bytes
	ServerCore int    `json:"server_core"`
	LoadCore   int    `json:"load_core"`
}

// Settings are how it was measured.
type Settings struct {
	Rounds  int     `json:"rounds"`
	Seconds float64 `json:"seconds"` // of one measurement
	Window  int     `json:"window"`  // queries under way at a time
	Rate    float64 `json:"rate"`    // of the steady workload, queries a second
}

// Candidate is a server that was to be measured.
type Candidate struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Version string `json:"version,omitempty"`
	Absent  string `json:"absent,omitempty"` // why it was not
}

// Row is a candidate with a list of a size.
type Row struct {
	Candidate string           `json:"candidate"`
	Size      int              `json:"size"`              // names; 0 for one that has no list
	Skipped   string           `json:"skipped,omitempty"` // why it was not measured
	Start     Sample           `json:"start"`             // seconds until the first right answer
	Rest      Sample           `json:"rest"`              // resident memory before the load, bytes
	Loaded    Sample           `json:"loaded"`            // and after it
	Cells     map[string]*Cell `json:"cells"`             // by workload
}

// Cell is what came of one workload.
type Cell struct {
	CPU Sample `json:"cpu"` // microseconds of the server's processor time a query
	QPS Sample `json:"qps"` // right answers a second
	P50 Sample `json:"p50"` // microseconds until half of the answers were there
	P99 Sample `json:"p99"`

	Right   int      `json:"right"`
	Wrong   int      `json:"wrong"`
	Lost    int      `json:"lost"` // queries without an answer in time
	Samples []string `json:"samples,omitempty"`
}

// Sample is what was measured in each round.
type Sample []float64

// Median returns the middle one, or the mean of the two in the middle; 0 of none.
func (s Sample) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// Spread returns the smallest and the largest one; 0 of none.
func (s Sample) Spread() (low, high float64) {
	if len(s) == 0 {
		return 0, 0
	}
	return slices.Min(s), slices.Max(s)
}

// Row returns the row of a candidate and a size, and makes it if there is none.
func (r *Report) Row(candidate string, size int) *Row {
	for _, row := range r.Rows {
		if row.Candidate == candidate && row.Size == size {
			return row
		}
	}
	row := &Row{Candidate: candidate, Size: size, Cells: map[string]*Cell{}}
	r.Rows = append(r.Rows, row)
	return row
}

// Cell returns the cell of a workload, and makes it if there is none.
func (r *Row) Cell(workload string) *Cell {
	if r.Cells[workload] == nil {
		r.Cells[workload] = &Cell{}
	}
	return r.Cells[workload]
}

// Faults returns how many answers were wrong and how many queries were lost in all.
func (r *Report) Faults() (wrong, lost int) {
	for _, row := range r.Rows {
		for _, c := range row.Cells {
			wrong, lost = wrong+c.Wrong, lost+c.Lost
		}
	}
	return wrong, lost
}

// Sizes returns the sizes of lists, the smallest first.
func (r *Report) Sizes() []int {
	var sizes []int
	for _, row := range r.Rows {
		if row.Size > 0 {
			sizes = append(sizes, row.Size)
		}
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// find returns a row, nil if there is none. A candidate without a list is the same
// with each.
func (r *Report) find(candidate string, size int) *Row {
	for _, row := range r.Rows {
		if row.Candidate == candidate && (row.Size == size || row.Size == 0) {
			return row
		}
	}
	return nil
}
