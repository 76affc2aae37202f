package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// version is that of this project, stamped by the Makefile.
var version = "devel"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// The exit codes.
const (
	fine    = 0
	finding = 1 // what was asked about is not as one would wish
	wrong   = 2 // wrong use, or something could not be read or written
)

// verb is one thing that the tool does.
type verb struct {
	name  string
	args  string // what it takes, for the line of usage
	short string // what it does, in a line
	long  string // the rest of its usage, in whole lines
	// run declares its flags, has them parsed by parse, and does the work. An
	// error means exit code wrong.
	run func(e *env, fs *flag.FlagSet, args []string) (int, error)
}

// verbs are in the order of the help text.
var verbs = []verb{check, lint, diff, convert, compile, combine, suggest, stats, publish, fetch, approve, keygen, sign, verify, page, initialize, doctor, serverStatus, transparency}

// env is what a verb knows of the world outside.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	bar            *progress
}

// errUsage marks an error of the person at the keyboard.
var errUsage = errors.New("wrong use")

// usagef returns an errUsage that reads as given.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

type usageError struct{ error }

func (usageError) Is(target error) bool { return target == errUsage }

func (e usageError) Unwrap() error { return e.error }

// run is the program: it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	bar := &progress{now: time.Now}
	if isTerminal(stderr) {
		bar.w = stderr
	}
	out := bufio.NewWriter(behindBar{stdout, bar})
	e := &env{stdin: stdin, stdout: out, stderr: stderr, now: time.Now, bar: bar}
	code := e.run(args)
	if err := out.Flush(); err != nil {
		return e.fail("", err)
	}
	return code
}

func (e *env) run(args []string) int {
	if len(args) == 0 {
		help(e.stderr)
		return wrong
	}
	switch name := args[0]; name {
	case "help", "-h", "-help", "--help":
		if len(args) == 1 {
			help(e.stdout)
			return fine
		}
		return e.verb(args[1], []string{"-h"})
	case "version", "-version", "--version":
		fmt.Fprintln(e.stdout, "nonudify", version)
		return fine
	case "completion":
		return e.completion(args[1:])
	}
	return e.verb(args[0], args[1:])
}

// verb runs the verb of a name.
func (e *env) verb(name string, args []string) int {
	for _, v := range verbs {
		if v.name == name {
			return e.do(v, args)
		}
	}
	e.note("unknown verb %q", name)
	e.note("'nonudify help' names them all")
	return wrong
}

// do runs one verb.
func (e *env) do(v verb, args []string) int {
	fs := flag.NewFlagSet(v.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	e.bar.start()
	code, err := v.run(e, fs, args)
	e.bar.clear()
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage(e.stdout, v, fs)
		return fine
	case err != nil:
		return e.fail(v.name, err)
	}
	return code
}

// fail says why there is no result.
func (e *env) fail(verb string, err error) int {
	e.note("%v", err)
	if errors.Is(err, errUsage) {
		e.note("'nonudify %s -h' tells how it is used", verb)
	}
	return wrong
}

// note tells the person something beside the results, a line in a terminal that has no
// bar in it.
func (e *env) note(format string, args ...any) {
	e.bar.clear()
	io.WriteString(e.stderr, "nonudify: "+fmt.Sprintf(format, args...)+"\n")
}

// parse reads flags and returns all other arguments. The two may come in any
// order; nothing after "--" is a flag.
func parse(fs *flag.FlagSet, args []string) (operands []string, err error) {
	var rest []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, rest = args[:i], args[i+1:]
	}
	for {
		if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, usagef("%w", err)
		}
		if args = fs.Args(); len(args) == 0 {
			return append(operands, rest...), nil
		}
		operands, args = append(operands, args[0]), args[1:]
	}
}

// help names all verbs.
func help(w io.Writer) {
	fmt.Fprint(w, "nonudify reads lists of \"nudify\" names as the resolver does, fetches, compares, merges, converts, signs\n"+
		"and publishes them, and shows the page that helps those who were led to such a site.\n\n"+
		"usage: nonudify VERB [FLAGS] [ARGUMENTS]\n\n")
	all := append(slices.Clone(verbs),
		verb{name: "help", short: "show this text, or the usage of a verb: help VERB"},
		verb{name: "version", short: "show the version"})
	for _, v := range all {
		fmt.Fprintf(w, "    %-*s  %s\n", len("version"), v.name, v.short)
	}
	fmt.Fprint(w, "\nExit code 0 is fine, 1 a finding, 2 wrong use or something unreadable.\n")
}

// usage tells how one verb is used.
func usage(w io.Writer, v verb, fs *flag.FlagSet) {
	fmt.Fprintf(w, "usage: nonudify %s\n\n%s\n", v.name+" "+v.args, v.long)
	var flags []*flag.Flag
	fs.VisitAll(func(f *flag.Flag) { flags = append(flags, f) })
	if len(flags) == 0 {
		return
	}
	fmt.Fprintln(w, "flags:")
	width := 0
	for _, f := range flags {
		width = max(width, len(flagTitle(f)))
	}
	for _, f := range flags {
		_, text := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "    %-*s  %s\n", width, flagTitle(f), text)
	}
}

// flagTitle is a flag with the name of its value.
func flagTitle(f *flag.Flag) string {
	if value, _ := flag.UnquoteUsage(f); value != "" {
		return "-" + f.Name + " " + value
	}
	return "-" + f.Name
}
