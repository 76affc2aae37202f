package main

import (
	"flag"
	"io"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/source"
)

var lint = verb{
	name:  "lint",
	args:  "[-format FORMAT] [-addresses] [-provenance] [-never FILE]... [-max N] [-json] FILE...",
	short: "tell which lines of a list are refused, and what the resolver would make of the rest",
	long: `lint reads lists as the resolver would, plain or packed with gzip or zstd; "-" is
the standard input. It writes each refused line, then a summary of the file.

The address triggers of a policy zone (rpz-ip) are refused, as they are by the
resolver unless its configuration says "addresses on" for the list; -addresses
says so here.

A list that names the sources of its entries is the source of a list, and held
to the rules for one as well: docs/publisher.md. Each issue is an error, a
warning, or a hint, which may be nothing.

Exit code 1 says that a line or a whole file is refused, that a header
contradicts what follows it, or that there are errors or warnings.
`,
	run: runLint,
}

// lintFlags is what the command line of lint says.
type lintFlags struct {
	format    list.Format
	addresses bool
	max       int // refused lines to show of each file, and issues; 0 is all of them
	json      bool
	demand    bool // each file is the source of a list
	never     []string
}

func runLint(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c lintFlags
	fs.TextVar(&c.format, "format", list.Auto, "the `FORMAT` of the files, instead of finding out")
	fs.BoolVar(&c.addresses, "addresses", false, "use the address triggers of a policy zone")
	fs.IntVar(&c.max, "max", 1000, "show at most `N` refused lines of each file, and as many issues; 0 is all of them")
	fs.BoolVar(&c.demand, "provenance", false, "hold each file to the rules for the source of a list, even if it names no source")
	neverFlag(fs, &c.never)
	fs.BoolVar(&c.json, "json", false, "write a JSON array with an object for each file")
	files, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case c.max < 0:
		return wrong, usagef("-max %d is less than nothing", c.max)
	case len(files) == 0:
		return wrong, usagef("no file given")
	}
	return c.all(e, files)
}

// all reads every file that can be read, and writes what there is to say of it.
func (c lintFlags) all(e *env, files []string) (int, error) {
	code := fine
	reports := []*report{}
	for _, file := range files {
		r, err := c.file(e, file)
		if err != nil {
			e.note("%v", err)
			code = wrong
			continue
		}
		if !c.json {
			r.print(e.stdout)
		}
		reports = append(reports, r)
		if r.bad() {
			code = max(code, finding)
		}
	}
	if c.json {
		return code, writeJSON(e.stdout, reports)
	}
	return code, nil
}

// file reads one file. The error is for one that cannot be read; one that is
// no use has a report that says so.
func (c lintFlags) file(e *env, name string) (*report, error) {
	if strings.Contains(name, "://") {
		return nil, usagef("%s: lint reads files; 'nonudify fetch' tells the same of what a server has", source.Redact(name))
	}
	if name == "-" {
		return c.read(e, "stdin", openStdin(e), time.Time{})
	}
	body, err := openMetered(e, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return c.read(e, name, body, body.Modified)
}

// read has the file loaded as the server loads it, and watches.
func (c lintFlags) read(e *env, name string, r io.Reader, modified time.Time) (*report, error) {
	rep := &report{File: name, max: c.max}
	if !c.json {
		rep.lines = e.stdout
	}
	known, err := famousWith(e, c.never)
	if err != nil {
		return nil, err
	}
	rep.editor = &editor{now: e.now(), demand: c.demand, famous: known, report: rep.note}
	l, err := loadGuarded(r, modified, feed.LoadConfig{File: name, Format: c.format, Addresses: c.addresses, Refused: rep.refuse, Seen: rep.see})
	if l == nil {
		return nil, err
	}
	rep.fill(l, err)
	rep.judge(e.now())
	rep.noteAddresses(l.Stats.Addresses, c.addresses)
	return rep, nil
}
