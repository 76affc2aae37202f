package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/nonudify/nonudify/cmd/bench/internal/load"
	"github.com/nonudify/nonudify/cmd/bench/internal/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	fine    = 0
	finding = 1
	wrong   = 2
)

// errUsage marks an error of the person at the keyboard, who was told already.
var errUsage = errors.New("wrong use")

// verb is one thing that the program does. Its error means exit code wrong.
type verb func(ctx context.Context, args []string, e env) (int, error)

// env is what a verb knows of the world outside.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

func (e env) say(format string, args ...any) { fmt.Fprintf(e.stderr, format+"\n", args...) }

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	do, e := verb(measure), env{stdin, stdout, stderr}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verbs := map[string]verb{"soak": soak, "overload": overload, responderVerb: respond}
		if do = verbs[args[0]]; do == nil {
			e.say("bench: unknown verb %q: want soak, overload, or none to measure; 'bench -h' tells more", args[0])
			return wrong
		}
		args = args[1:]
	}
	code, err := do(ctx, args, e)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return fine
	case ctx.Err() != nil:
		e.say("bench: interrupted; all servers are stopped, and what they had on disk is removed")
		return wrong
	case errors.Is(err, errUsage):
		return wrong
	case err != nil:
		e.say("bench: %v", err)
		return wrong
	}
	return code
}

// parse reads flags; there are no other arguments.
func parse(fs *flag.FlagSet, args []string, e env, about string) error {
	fs.SetOutput(e.stderr)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: %s [FLAGS]\n\n%s\n\nflags:\n", fs.Name(), about)
		fs.PrintDefaults()
	}
	for _, a := range args {
		if a == "-h" || a == "-help" || a == "--help" {
			fs.SetOutput(e.stdout)
		}
	}
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%q is too much: there are only flags", fs.Arg(0))
	}
	return nil
}

// cores are where the server and the load run.
type cores struct{ server, load int }

// String returns them as on the command line.
func (c *cores) String() string {
	if c.server == c.load {
		return ""
	}
	return fmt.Sprintf("%d,%d", c.server, c.load)
}

// Set reads two numbers of cores.
func (c *cores) Set(text string) error {
	a, b, ok := strings.Cut(text, ",")
	var errs [2]error
	c.server, errs[0] = strconv.Atoi(a)
	c.load, errs[1] = strconv.Atoi(b)
	if err := errors.Join(errs[:]...); !ok || err != nil || c.server < 0 || c.load < 0 || c.server == c.load {
		return errors.New("want two different cores, such as 0,1")
	}
	return nil
}

// choose takes the first and the last core, which have the least in common, if none
// were given, and puts this process on the one of the load.
func (c *cores) choose(e env) error {
	if *c == (cores{}) {
		free, err := server.Cores()
		if err != nil {
			return err
		}
		c.server, c.load = free[0], free[len(free)-1]
	}
	if c.server == c.load {
		e.say("There is only one core: server and load take it from each other, and the figures say little.")
	}
	return server.Pin(c.load)
}

// count is a number as people write it: 500k, 5M.
type count int

func (c *count) String() string { return fmt.Sprint(int(*c)) }

// Set reads a number.
func (c *count) Set(text string) error {
	unit := 1
	switch text[max(0, len(text)-1):] {
	case "k":
		unit = 1_000
	case "M":
		unit = 1_000_000
	}
	n, err := strconv.Atoi(strings.TrimRight(text, "kM"))
	if err != nil || n < 1 || n > 1_000_000_000/unit {
		return fmt.Errorf("%q is no number such as 5k or 5M", text)
	}
	*c = count(n * unit)
	return nil
}

// responderVerb is how the program calls itself for the limit of the measuring.
const responderVerb = "respond"

// respond answers every query on an address until its input ends, as it does when the
// caller is gone.
func respond(_ context.Context, args []string, e env) (int, error) {
	if len(args) != 1 {
		return wrong, errors.New("respond wants an address")
	}
	addr, err := netip.ParseAddrPort(args[0])
	if err != nil || !addr.Addr().IsLoopback() {
		return wrong, fmt.Errorf("%q is no address and port on loopback", args[0])
	}
	r, err := load.Listen(addr)
	if err != nil {
		return wrong, err
	}
	if _, err := io.Copy(io.Discard, e.stdin); err != nil {
		return wrong, err
	}
	return fine, r.Close()
}
