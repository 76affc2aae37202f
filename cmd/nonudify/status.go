package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nonudify/nonudify/plugin/status"
)

var serverStatus = verb{
	name:  "status",
	args:  "[-conf COREFILE] [-at URL|unix:PATH] [-passfile FILE] [-json]",
	short: "ask a running server which lists it has, how old they are, and what is wrong",
	long: `status asks a server whose Corefile has the property "status". Where to ask, the
Corefile says (` + defaultCorefile + ` unless -conf names another), or -at:
an address such as 127.0.0.1:8053, a URL, or unix: and the path of a socket.

First come the warnings, one a line, then the lists.
Exit code 1 says that there is a warning, 2 that no server answers there.
`,
	run: runStatus,
}

// statusFlags is what the command line of status says.
type statusFlags struct {
	conf, at, passfile string
	json               bool
}

func (s *statusFlags) declare(fs *flag.FlagSet) {
	fs.StringVar(&s.conf, "conf", "", "ask where this `COREFILE` says")
	fs.StringVar(&s.at, "at", "", "ask at this `URL|unix:PATH`")
	fs.StringVar(&s.passfile, "passfile", "", "a `FILE` with one line, USER:PASSWORD, for a server that wants it")
	fs.BoolVar(&s.json, "json", false, "write the report as JSON, as the server sends it")
}

func runStatus(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var s statusFlags
	s.declare(fs)
	operands, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(operands) > 0:
		return wrong, usagef("status takes no argument: %q", operands[0])
	case s.conf != "" && s.at != "":
		return wrong, usagef("-conf and -at both say where to ask: want one of them")
	}
	at, err := s.place(e)
	if err != nil {
		return wrong, err
	}
	text, r, err := at.report()
	if err != nil {
		return wrong, err
	}
	code := fine
	if len(r.Warnings) > 0 {
		code = finding
	}
	if s.json {
		var out bytes.Buffer
		if err := json.Indent(&out, text, "", "  "); err != nil {
			return wrong, err
		}
		_, err := io.WriteString(e.stdout, strings.TrimSpace(out.String())+"\n")
		return code, err
	}
	return code, printReport(e.stdout, r)
}

// report asks for the report, and returns it as it was sent, too.
func (p statusPlace) report() (text []byte, r *status.Report, err error) {
	if text, err = p.read(); err != nil {
		return nil, nil, err
	}
	if r, err = parseReport(text); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", p.shown, err)
	}
	return text, r, nil
}

// parseReport reads what a server says of itself.
func parseReport(text []byte) (*status.Report, error) {
	var version struct{ Schema int }
	if err := json.Unmarshal(text, &version); err != nil || version.Schema == 0 {
		return nil, fmt.Errorf("what answers there is no status page of nonudify")
	}
	if version.Schema != status.Schema {
		return nil, fmt.Errorf("the server speaks version %d of the report, this program knows %d: use programs of the same release", version.Schema, status.Schema)
	}
	r := new(status.Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("the report cannot be read: %w", err)
	}
	return r, nil
}

// printReport writes the report for a person.
func printReport(w io.Writer, r *status.Report) error {
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", printable(warning.Text))
	}
	fmt.Fprintf(w, "%s, up %v\n\n", printable(r.Version), time.Duration(r.Uptime)*time.Second)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LIST\tENTRIES\tSERIAL\tISSUED\tEXPIRES\tSIGNED BY\tLAST LOOK")
	for i := range r.Lists {
		fmt.Fprintln(table, row(&r.Lists[i]))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, s := range r.Servers {
		fmt.Fprintf(w, "%s: %s, %s\n", printable(strings.Join(s.Names, " ")), printable(s.Action), printable(s.Reason))
	}
	for _, c := range r.Verdicts.Total {
		fmt.Fprintf(w, "asked for names on %s, %s: %d since the start, %d in the last %s\n",
			printable(c.List), printable(c.Action), c.Count, lately(r.Verdicts.Hours, c.Key), count(len(r.Verdicts.Hours), "hour", "hours"))
	}
	return nil
}

// row is a list in the table.
func row(l *status.List) string {
	if !l.Here {
		return strings.Join([]string{printable(l.Name), "not here yet", "-", "-", "-", "-", lookOf(l)}, "\t")
	}
	signed := "nobody"
	if l.Signed {
		signed = printable(l.KeyID)
	}
	return fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%s\t%s", printable(l.Name), l.Entries, cmp.Or(number(int64(l.Serial)), "-"), moment(l.Issued), moment(l.Expires), signed, lookOf(l))
}

// lookOf says what came of the last look at a list.
func lookOf(l *status.List) string {
	if l.Cause != "" {
		return "failed: " + printable(l.Cause)
	}
	return moment(l.Success)
}

// moment writes a time as a table has room for it.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// lately sums up a count over the hours.
func lately(hours []status.Hour, k status.Key) (sum uint64) {
	for _, h := range hours {
		for _, c := range h.Counts {
			if c.Key == k {
				sum += c.Count
			}
		}
	}
	return sum
}
