package main

import (
	"errors"
	"flag"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/nonudify/nonudify/plugin/totals"
)

var transparency = verb{
	name:  "report",
	args:  "[-state DIR]... [-prometheus URL] [-month YYYY-MM] [-from DATE] [-to DATE] [-k N] [-school] [-handled FILE] [-organization NAME] [-to-format FORMAT] [-o FILE]",
	short: "write a transparency report: what was denied in a month, in numbers that tell of nobody",
	long: `report writes a transparency report of a period that is over: which editions of
lists were in force, how many queries were denied for which reason and by which
list, and how many reports of wrong blocks were handled. Without a period, it is
the last month.

The numbers come from the daily totals of servers ("totals on" in the Corefile),
of which each -state names one, or from a Prometheus server, which knows less. A
number is shown only if at least 20 clients were behind it (with -school 50), or,
from Prometheus, which knows no clients, if it is 20 or more; it is rounded to
tens. No sum holds a number that is not shown, so that nothing can be subtracted.
docs/transparency.md tells how to read a report, and what not to publish beside it.

A line of the FILE of -handled is about one report of a wrong block: when it was
received, when it was answered, and what came of it: unblocked, kept, or passed-on
(to the publisher of the list). One that is open has the first day alone. There is
no room for a name of anybody in it, nor for one of a site.

    2026-10-03 2026-10-05 unblocked
`,
	run: runTransparency,
}

// The least numbers of clients behind a number that is shown.
const (
	leastClients = 20
	leastPupils  = 50
	mostClients  = 1000 // that the totals tell apart
)

// minPeriod is the shortest period, in days: of single days there would be many numbers
// to compare with one another.
const minPeriod = 7

// transparencyFlags is what the command line of report says.
type transparencyFlags struct {
	states       []string
	prometheus   string
	from, to     string
	month        string
	k            int
	school       bool
	handled      string
	organization string
	form         string
	out          string
}

func runTransparency(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c transparencyFlags
	c.declare(fs)
	rest, err := parse(fs, args)
	if err != nil {
		return wrong, err
	}
	if len(rest) > 0 {
		return wrong, usagef("report takes flags only, not %q", rest[0])
	}
	r, err := c.begin(e.now())
	if err != nil {
		return wrong, err
	}
	if c.prometheus != "" {
		err = r.ask(e, c.prometheus)
	} else {
		err = r.read(c.states)
	}
	if err != nil {
		return wrong, err
	}
	if r.Handled, err = c.readHandled(r); err != nil {
		return wrong, err
	}
	text, err := r.in(c.form)
	if err != nil {
		return wrong, err
	}
	r.tell(e)
	return fine, e.save(c.out, text, nil)
}

func (c *transparencyFlags) declare(fs *flag.FlagSet) {
	fs.Func("state", "read the daily totals in the state directory `DIR`; may be given again, for the directories of other servers", appendTo(&c.states))
	fs.StringVar(&c.prometheus, "prometheus", "", "ask the Prometheus server at `URL`, such as http://localhost:9090")
	fs.StringVar(&c.from, "from", "", "the first `DATE` of the period (UTC)")
	fs.StringVar(&c.to, "to", "", "the last `DATE` of the period, a week after the first at least")
	fs.StringVar(&c.month, "month", "", "the period is the month `YYYY-MM`")
	fs.IntVar(&c.k, "k", 0, "show only numbers with at least `N` clients behind them; 20 or more, and of a school 50")
	fs.BoolVar(&c.school, "school", false, "the clients are pupils: at least 50")
	fs.StringVar(&c.handled, "handled", "", "count the reports of wrong blocks in `FILE`")
	fs.StringVar(&c.organization, "organization", "", "`NAME` of whoever filters")
	fs.StringVar(&c.form, "to-format", "markdown", "write `FORMAT`: markdown, html or json")
	fs.StringVar(&c.out, "o", "", "write to `FILE`, which takes the place of its predecessor")
}

// begin returns a report without figures.
func (c *transparencyFlags) begin(now time.Time) (*transparencyReport, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	first, last, err := c.period(now)
	if err != nil {
		return nil, err
	}
	least := leastClients
	if c.school {
		least = leastPupils
	}
	if c.k == 0 {
		c.k = least
	}
	if c.k < least || c.k > mostClients {
		return nil, usagef("-k %d: want %d to %d", c.k, least, mostClients)
	}
	r := newTransparencyReport(first, last, c.k)
	r.Organization = printable(c.organization)
	return r, nil
}

func (c *transparencyFlags) check() error {
	switch {
	case (len(c.states) == 0) == (c.prometheus == ""):
		return usagef("either -state or -prometheus says where the numbers come from")
	case !slices.Contains([]string{"markdown", "html", "json"}, c.form):
		return usagef("unknown format %q: want markdown, html or json", c.form)
	case c.prometheus == "":
		return c.checkStates()
	}
	u, err := url.Parse(c.prometheus)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return usagef("the address of a Prometheus server is wanted, such as http://localhost:9090")
	}
	return nil
}

// checkStates refuses a directory that would be counted twice.
func (c *transparencyFlags) checkStates() error {
	for i, state := range c.states {
		c.states[i] = filepath.Clean(state)
		if slices.Contains(c.states[:i], c.states[i]) {
			return usagef("-state %s is given twice", state)
		}
	}
	return nil
}

// period returns the first and the last day.
func (c *transparencyFlags) period(now time.Time) (first, last time.Time, err error) {
	today := now.UTC().Truncate(24 * time.Hour)
	switch {
	case c.from == "" && c.to == "" && c.month == "":
		last = today.AddDate(0, 0, -today.Day())
		first = last.AddDate(0, 0, 1-last.Day())
	case c.month != "" && c.from == "" && c.to == "":
		if first, err = time.Parse("2006-01", c.month); err != nil {
			return first, last, usagef("-month %q: want YYYY-MM", c.month)
		}
		last = first.AddDate(0, 1, -1)
	case c.month != "" || c.from == "" || c.to == "":
		return first, last, usagef("a period is a -month, or all days -from one -to another")
	default:
		var errs [2]error
		first, errs[0] = time.Parse(time.DateOnly, c.from)
		last, errs[1] = time.Parse(time.DateOnly, c.to)
		if errors.Join(errs[:]...) != nil {
			return first, last, usagef("-from %q -to %q: want YYYY-MM-DD", c.from, c.to)
		}
	}
	days := int(last.Sub(first)/(24*time.Hour)) + 1
	switch {
	case days < minPeriod:
		return first, last, usagef("a period has %d days at least: numbers of single days can be compared until they tell of somebody", minPeriod)
	case days > totals.MaxDays:
		return first, last, usagef("a period has %d days at most", totals.MaxDays)
	case !last.Before(today):
		return first, last, usagef("the period is not over: two reports that differ by a day would tell of that day")
	}
	return first, last, nil
}
