package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/source"
)

// headSize is the part of a file that decides what it is, in bytes: as much as
// package list looks at.
const headSize = 64 << 10

var lint = verb{
	name:  "lint",
	args:  "[-format FORMAT] [-max N] [-json] FILE...",
	short: "tell which lines of a list are refused, and what the resolver would make of the rest",
	long: `lint reads lists as the resolver would; "-" is the standard input. It writes each
refused line, then a summary of the file.

Exit code 1 says that a line or a whole file is refused, or that a header
contradicts what follows it.
`,
	run: runLint,
}

// lintFlags is what the command line of lint says.
type lintFlags struct {
	format list.Format
	max    int // refused lines to show of each file; 0 is all of them
	json   bool
}

func runLint(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c lintFlags
	fs.TextVar(&c.format, "format", list.Auto, "the `FORMAT` of the files, instead of finding out")
	fs.IntVar(&c.max, "max", 1000, "show at most `N` refused lines of each file; 0 is all of them")
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
	code := fine
	reports := []*report{}
	for _, file := range files {
		r, err := c.file(e, file)
		if err != nil {
			fmt.Fprintf(e.stderr, "nonudify: %v\n", err)
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

// writeJSON writes one indented document.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// file reads one file. The error is for one that cannot be read; one that is
// no use has a report that says so.
func (c lintFlags) file(e *env, name string) (*report, error) {
	if strings.Contains(name, "://") {
		return nil, usagef("%s: lint reads files", name)
	}
	if name == "-" {
		return c.read(e, "stdin", e.bar.reader("stdin", io.NopCloser(e.stdin)), time.Time{})
	}
	body, err := metered{source.File{Path: name}, e.bar, name}.Open(context.Background(), "")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return c.read(e, name, body, body.Modified)
}

// read has the file loaded as the server loads it, and watches.
func (c lintFlags) read(e *env, name string, r io.Reader, modified time.Time) (*report, error) {
	guard, err := directive.Guard()
	if err != nil {
		return nil, err
	}
	rep := &report{File: name, max: c.max}
	if !c.json {
		rep.lines = e.stdout
	}
	seen := &census{Checker: guard}
	f := &failing{Reader: r}
	in := bufio.NewReaderSize(f, headSize)
	rep.look(in, c.format)
	l, err := feed.Load(in, modified, feed.Config{File: name, Format: c.format, Check: seen, Refused: rep.refuse})
	if f.err != nil {
		return nil, fmt.Errorf("%s: %w", name, f.err)
	}
	rep.fill(l, err, seen)
	rep.judge(e.now())
	return rep, nil
}

// look finds out what the file is and says of itself, for the case that it is
// refused as a whole.
func (r *report) look(in *bufio.Reader, format list.Format) {
	head, _ := in.Peek(headSize) // an error comes again when the file is read
	s := list.NewScanner(bytes.NewReader(head), list.Config{Format: format})
	s.Scan()
	r.Header = newHeader(s.Header())
	r.Format = s.Format()
	if err := s.Err(); errors.Is(err, list.ErrHTML) || errors.Is(err, list.ErrBinary) {
		r.Format = list.Auto
	}
}

// failing remembers that its reader failed: the file was not read to its end.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// census counts the rules that pass by on their way into the set.
type census struct {
	feed.Checker
	names          map[nameOf]rule.Trigger
	blocks, passes int
	duplicates     int
}

// nameOf is a name with what is done with it.
type nameOf struct {
	name   string
	action rule.Action
}

// Check asks the guard, and counts the rule if it may be used.
func (c *census) Check(r rule.Rule) error {
	if err := c.Checker.Check(r); err != nil {
		return err
	}
	if r.Action == rule.Pass {
		c.passes++
	} else {
		c.blocks++
	}
	if c.names == nil {
		c.names = map[nameOf]rule.Trigger{}
	}
	k := nameOf{string(r.Name), r.Action}
	before := c.names[k]
	if before|r.Trigger == before {
		c.duplicates++
	}
	c.names[k] = before | r.Trigger
	return nil
}

// covered returns the number of blocked names that the list would block
// without their own lines: by a rule for a name above them.
func (c *census) covered() int {
	n := 0
	for k := range c.names {
		if k.action == rule.Block && c.above(k.name) == rule.Block {
			n++
		}
	}
	return n
}

// above returns what the nearest rule above a name does with it.
func (c *census) above(name string) rule.Action {
	for {
		_, parent, ok := strings.Cut(name, ".")
		if !ok {
			return rule.None
		}
		for _, a := range []rule.Action{rule.Pass, rule.Block} {
			if c.names[nameOf{parent, a}]&rule.Below != 0 {
				return a
			}
		}
		name = parent
	}
}
