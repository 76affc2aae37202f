package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/totals"
)

// transparencyReport is what report writes. The package documentation describes its JSON
// form, which must stay as it is.
type transparencyReport struct {
	Format       string            `json:"format"`
	Organization string            `json:"organization,omitempty"`
	From         string            `json:"from"`
	To           string            `json:"to"`
	Source       string            `json:"source"`
	Rule         publishingRule    `json:"rule"`
	Days         daysCovered       `json:"days"`
	Total        publicFigure      `json:"total"`
	Reasons      []publicRow       `json:"reasons"`
	Lists        []publicRow       `json:"lists"`
	Bypass       publicFigure      `json:"bypass"`
	Editions     []*totals.Edition `json:"editions"`
	Handled      *handledInPeriod  `json:"handled,omitempty"`

	first, last time.Time
	cells       map[figureKey]*figureCell
	notes       []string // for whoever makes the report
}

// publishingRule says which numbers are shown.
type publishingRule struct {
	K        int    `json:"k"`
	Of       string `json:"of"`       // clients or queries: of which there must be k
	Rounding int    `json:"rounding"` // to the nearest multiple of it
}

// daysCovered says of how many days of the period anything is known.
type daysCovered struct {
	Period     int `json:"period"`
	Covered    int `json:"covered"`
	Incomplete int `json:"incomplete"`
}

// publicFigure is two numbers that are shown; nil: that is not.
type publicFigure struct {
	Denied *uint64 `json:"denied"`
	Shadow *uint64 `json:"shadow"` // would have been denied
}

// publicRow is a figure by something.
type publicRow struct {
	Name string `json:"name"`
	publicFigure
}

// figureKey is what is shown, or is not, as a whole. The actions by which a query is
// denied are not told apart: each of them would have fewer clients.
type figureKey struct {
	list, reason string
	shadow       bool
}

// figureCell is what is known of a figureKey.
type figureCell struct {
	queries uint64
	clients int
}

// The names of the sources.
const (
	fromTotals     = "totals"
	fromPrometheus = "prometheus"
)

const (
	transparencyFormat = "nonudify-report/v1"
	roundedTo          = 10
	shadowed           = "shadow"
)

func newTransparencyReport(first, last time.Time, k int) *transparencyReport {
	return &transparencyReport{
		Format: transparencyFormat, From: first.Format(time.DateOnly), To: last.Format(time.DateOnly), Rule: publishingRule{K: k, Rounding: roundedTo},
		Days: daysCovered{Period: int(last.Sub(first)/(24*time.Hour)) + 1}, first: first, last: last, cells: map[figureKey]*figureCell{},
	}
}

// read makes the figures of the daily totals in state directories.
func (r *transparencyReport) read(states []string) error {
	r.Source, r.Rule.Of = fromTotals, "clients"
	covered := map[string]bool{} // and incomplete
	for _, state := range states {
		if _, err := os.Stat(filepath.Join(state, totals.Dir)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: has no daily totals: they are kept where the Corefile says 'totals on'", state)
		}
		days, err := totals.Read(state, r.first, r.last)
		if err != nil {
			return err
		}
		for _, d := range days {
			covered[d.Day] = covered[d.Day] || d.Damaged
			r.addDay(d)
		}
		if n := r.Days.Period - len(days); n > 0 {
			r.notes = append(r.notes, fmt.Sprintf("%s: there are no totals of %s in the period", state, count(n, "day", "days")))
		}
	}
	r.Days.Covered = len(covered)
	for _, incomplete := range covered {
		if incomplete {
			r.Days.Incomplete++
		}
	}
	r.publish(func(c *figureCell) bool { return c.clients >= r.Rule.K })
	return nil
}

// addDay adds the totals of a day of one server. Who asks on two days, or two servers, is
// one client, so of clients the greatest number counts.
func (r *transparencyReport) addDay(d totals.Day) {
	for _, c := range d.Counts {
		r.add(figureKey{printable(c.List), printable(c.Reason), c.Action == shadowed}, c.Queries, c.Clients)
	}
	for _, e := range d.Editions {
		r.addEdition(e.List, e.ID, e.Serial, e.From)
	}
}

func (r *transparencyReport) add(k figureKey, queries uint64, clients int) {
	c := r.cells[k]
	if c == nil {
		c = new(figureCell)
		r.cells[k] = c
	}
	c.queries += queries
	c.clients = max(c.clients, clients)
}

// addEdition takes note of an edition of a list, once, as of its first day.
func (r *transparencyReport) addEdition(list, id string, serial uint32, from time.Time) {
	e := &totals.Edition{List: printable(list), ID: printable(id), Serial: serial, From: from.UTC()}
	i := slices.IndexFunc(r.Editions, func(other *totals.Edition) bool {
		return other.List == e.List && other.ID == e.ID && other.Serial == e.Serial
	})
	switch {
	case i < 0:
		r.Editions = append(r.Editions, e)
	case e.From.Before(r.Editions[i].From):
		r.Editions[i].From = e.From
	}
}

// publish makes the figures of the cells that may be shown, and of no others: every sum
// is one of rounded numbers that are shown themselves. So what is not shown has no
// influence on what is, and nothing has to be hidden besides. A row is there for each
// reason and for each list that was in force, whether there was anything to count or not.
func (r *transparencyReport) publish(shown func(*figureCell) bool) {
	reasons, lists := map[string]*publicFigure{}, map[string]*publicFigure{}
	for i := range policy.Reasons {
		reasons[policy.Reason(i).String()] = new(publicFigure)
	}
	for _, e := range r.Editions {
		lists[e.List] = new(publicFigure)
	}
	for k, c := range r.cells {
		if !shown(c) {
			continue
		}
		n := rounded(c.queries)
		if k.list == policy.BypassList {
			r.Bypass.add(n, k.shadow)
			continue
		}
		r.Total.add(n, k.shadow)
		for _, of := range []struct {
			rows map[string]*publicFigure
			name string
		}{{reasons, k.reason}, {lists, k.list}} {
			if of.rows[of.name] == nil {
				of.rows[of.name] = new(publicFigure)
			}
			of.rows[of.name].add(n, k.shadow)
		}
	}
	r.Reasons, r.Lists = rowsOf(reasons), rowsOf(lists)
	slices.SortFunc(r.Editions, func(a, b *totals.Edition) int {
		return cmp.Or(strings.Compare(a.List, b.List), a.From.Compare(b.From), cmp.Compare(a.Serial, b.Serial))
	})
}

// rounded returns the nearest multiple of roundedTo, of two the greater one.
func rounded(n uint64) uint64 { return (n + roundedTo/2) / roundedTo * roundedTo }

func (f *publicFigure) add(n uint64, shadow bool) {
	to := &f.Denied
	if shadow {
		to = &f.Shadow
	}
	if *to == nil {
		*to = new(uint64)
	}
	**to += n
}

// rowsOf returns the figures in the order of their names, but what is without one.
func rowsOf(figures map[string]*publicFigure) []publicRow {
	rows := []publicRow{}
	for name, f := range figures {
		if name != "" {
			rows = append(rows, publicRow{name, *f})
		}
	}
	slices.SortFunc(rows, func(a, b publicRow) int { return strings.Compare(a.Name, b.Name) })
	return rows
}

// tell says what the maker of the report should know, and its readers need not.
func (r *transparencyReport) tell(e *env) {
	for _, n := range r.notes {
		e.note("%s", n)
	}
	if r.Days.Incomplete > 0 {
		e.note("of %s, some totals were damaged and are not in the report", count(r.Days.Incomplete, "day", "days"))
	}
}
