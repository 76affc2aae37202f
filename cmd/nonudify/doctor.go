package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/coredns/caddy/caddyfile"
)

var doctor = verb{
	name:  "doctor",
	args:  "[-conf COREFILE] [-user NAME] [-network] [-all] [-json]",
	short: "find what is wrong with a resolver on this machine, and say what to do about it",
	long: `doctor looks at a Corefile, at the machine and at the resolver that should run there, and
writes a line for each thing that is wrong, with what to do. A line that begins with "hint"
is about something that may be meant so.

It asks only what the Corefile names: the addresses at which the resolver listens, the
resolvers behind it, the help page, and the metrics. No listed name is asked of
anybody but a resolver that has shown that it is this one. With -network it also asks the
servers that lists come from for the time, without fetching a list.

As root it sees more: which program has taken a port, and whether the server may write its
state directory.

Exit code 1 says that something is wrong.
`,
	run: runDoctor,
}

// The levels of a diagnosis.
const (
	levelFine  = "fine"
	levelHint  = "hint"
	levelWrong = "wrong"
)

// levels are in the order in which they are written.
var levels = map[string]int{levelWrong: 0, levelHint: 1, levelFine: 2}

// diagnosis is one thing that doctor has looked at. The package documentation describes
// its JSON form, which must stay as it is.
type diagnosis struct {
	Level  string `json:"level"`
	Check  string `json:"check"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// String returns the line for a person.
func (d diagnosis) String() string {
	line := fmt.Sprintf("%-5s  %s: %s", d.Level, d.Check, d.Text)
	if d.Remedy != "" {
		line += ". " + d.Remedy
	}
	return printable(line)
}

// maxDiagnoses bounds what is said of a Corefile with very many parts.
const maxDiagnoses = 1000

// examination is a run of doctor.
type examination struct {
	env      *env
	machine  machine
	conf     string
	user     string // that the server runs as
	network  bool
	patience time.Duration // for one answer

	blocks    []caddyfile.ServerBlock
	servers   []server
	listeners []*listener
	ours      []*listener // those at which this resolver answers
	silent    []string    // listeners where nobody listens
	told      bool        // the resolver has said how its lists are
	found     []diagnosis
}

func runDoctor(e *env, fs *flag.FlagSet, args []string) (int, error) {
	x := &examination{env: e, machine: thisMachine, patience: 3 * time.Second}
	var all, json bool
	fs.StringVar(&x.conf, "conf", defaultCorefile, "the `COREFILE` of the resolver")
	fs.StringVar(&x.user, "user", serviceUser, "the `NAME` of the user that the server runs as")
	fs.BoolVar(&x.network, "network", false, "ask the servers that lists come from for the time, too")
	fs.BoolVar(&all, "all", false, "write what is fine, too")
	fs.BoolVar(&json, "json", false, "write a JSON object a line, also for what is fine")
	operands, err := parse(fs, args)
	if err == nil && len(operands) > 0 {
		err = usagef("%q: doctor takes no arguments", operands[0])
	}
	if err != nil {
		return wrong, err
	}
	if err := x.examine(context.Background()); err != nil {
		return wrong, err
	}
	return x.report(all, json)
}

// examine looks at everything. The error is that of a Corefile that cannot be read.
func (x *examination) examine(ctx context.Context) error {
	text, err := readFile(x.conf, maxCorefile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; -conf names another, 'nonudify init' writes one", err)
	}
	if err != nil {
		return err
	}
	x.lookAtClock()
	if x.readCorefile(text) {
		x.lookAtMachine()
		x.lookAtLists(ctx)
		x.lookAtListeners(ctx)
		x.lookAtUpstreams()
		x.lookAtPages(ctx)
		x.lookAtStatus()
		x.lookAtMetrics(ctx)
		x.lookAtDevices()
	}
	return nil
}

// readCorefile reads the Corefile, and reports whether it is right.
func (x *examination) readCorefile(text []byte) bool {
	var err error
	if x.blocks, err = parseCorefile(x.env, x.conf, text); err == nil {
		x.servers, err = x.env.serversOf(x.conf, x.blocks)
	}
	if err == nil {
		err = protect(x.servers, x.env.now())
	}
	if err != nil {
		x.wrong("corefile", "Mend that line: the server does not start with it, and a server that runs goes on with what it had", "%v", err)
		return false
	}
	x.fine("corefile", "%s is right, as far as the filter goes: %s", x.conf, count(len(x.servers), "server block has it", "server blocks have it"))
	return true
}

// wrong, hint and fine take note of a diagnosis.
func (x *examination) wrong(check, remedy, format string, args ...any) {
	x.note(diagnosis{levelWrong, check, fmt.Sprintf(format, args...), remedy})
}

func (x *examination) hint(check, remedy, format string, args ...any) {
	x.note(diagnosis{levelHint, check, fmt.Sprintf(format, args...), remedy})
}

func (x *examination) fine(check, format string, args ...any) {
	x.note(diagnosis{levelFine, check, fmt.Sprintf(format, args...), ""})
}

func (x *examination) note(d diagnosis) {
	d.Text, d.Remedy = strings.ReplaceAll(printableLines(d.Text), "\n", "; "), strings.TrimSuffix(d.Remedy, ".")
	if len(x.found) < maxDiagnoses && !slices.Contains(x.found, d) {
		x.found = append(x.found, d)
	}
}

// report writes what was found, what is wrong first.
func (x *examination) report(all, json bool) (int, error) {
	lines, tally := newLines(x.env.stdout), map[string]int{}
	slices.SortStableFunc(x.found, func(a, b diagnosis) int { return cmp.Compare(levels[a.Level], levels[b.Level]) })
	for _, d := range x.found {
		tally[d.Level]++
		var err error
		switch {
		case json:
			err = lines.Encode(d)
		case all || d.Level != levelFine:
			_, err = fmt.Fprintln(x.env.stdout, d)
		}
		if err != nil {
			return wrong, err
		}
	}
	if !json {
		fmt.Fprintf(x.env.stdout, "%d wrong, %s, %d fine\n", tally[levelWrong], count(tally[levelHint], "hint", "hints"), tally[levelFine])
	}
	if tally[levelWrong] > 0 {
		return finding, nil
	}
	return fine, nil
}
