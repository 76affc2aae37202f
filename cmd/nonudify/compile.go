package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/set"
)

var compile = verb{
	name:  "compile",
	args:  "[-format FORMAT] [-o OUT] [-json] LIST",
	short: "write a list in the form in which the resolver has it in memory",
	long: `compile reads a list, or "builtin", as the resolver does, and writes what is used of
it as a compiled list, which a resolver opens in a twentieth of the time, and which it
needs next to no memory for if it has a state directory. Header and rules are those of
the list; comments behind the rules are left out. The same list makes the same bytes.
`,
	run: runCompile,
}

// compileFlags is what the command line of compile says.
type compileFlags struct {
	format list.Format
	out    string
	json   bool
	strict bool // write nothing if entries are refused
}

func runCompile(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c compileFlags
	fs.TextVar(&c.format, "format", list.Auto, "the `FORMAT` of the list, instead of finding out")
	fs.StringVar(&c.out, "o", "", "write to `OUT` and not to the standard output")
	fs.BoolVar(&c.json, "json", false, "with -o, write a JSON object that tells what was written")
	lists, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(lists) != 1:
		return wrong, usagef("%d lists given, one wanted", len(lists))
	case c.json && c.out == "":
		return wrong, usagef("-json goes with -o")
	case sameFile(c.out, lists[0]):
		return wrong, usagef("-o %s: is the list itself, whose comments would be lost", c.out)
	}
	return c.file(e, lists[0])
}

// file compiles one list.
func (c compileFlags) file(e *env, name string) (int, error) {
	l, err := (&convertFlags{format: c.format}).load(e, name)
	if err != nil {
		return wrong, err
	}
	e.bar.clear()
	if n := l.Stats.Refused; n > 0 {
		e.note("warning: %s: resolvers refuse entries of it, %d in all, which 'nonudify lint' shows: they are left out", name, n)
		if c.strict {
			e.note("%s: nothing is written, as -strict is given", name)
			return finding, nil
		}
	}
	if c.out == "" {
		return fine, c.cannot(name, feed.Compile(e.stdout, l.List))
	}
	return fine, c.write(e, l, name)
}

// write writes the list to a file.
func (c compileFlags) write(e *env, l *converted, name string) error {
	size := sized{}
	d, err := newDraftBy(c.out, func(w io.Writer) error {
		size.Writer = w
		return feed.Compile(&size, l.List)
	}, 0o644)
	if err != nil {
		return c.cannot(name, err)
	}
	defer d.drop()
	if err := d.replace(); err != nil {
		return err
	}
	return c.report(e, l.List, size.n)
}

// cannot names the list in an error that is about it.
func (c compileFlags) cannot(name string, err error) error {
	if errors.Is(err, set.ErrBlindCompiled) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// report tells what was written to a file.
func (c compileFlags) report(e *env, l *feed.List, size int64) error {
	if c.json {
		return writeJSON(e.stdout, struct {
			File    string `json:"file"`
			Rules   int    `json:"rules"`
			Refused int    `json:"refused"`
			Bytes   int64  `json:"bytes"`
		}{c.out, l.Set.Len(), l.Stats.Refused, size})
	}
	_, err := fmt.Fprintf(e.stdout, "%s: %d rules written, in %d bytes\n", c.out, l.Set.Len(), size)
	return err
}

// sized counts what is written.
type sized struct {
	io.Writer
	n int64
}

func (s *sized) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	s.n += int64(n)
	return n, err
}
