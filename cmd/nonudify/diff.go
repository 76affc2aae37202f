package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"strconv"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/provenance"
	"github.com/nonudify/nonudify/plugin/rule"
)

// defaultShrink is the percentage of its rules by which a list may fall in the
// resolver unless its configuration says another.
const defaultShrink = 20

var diff = verb{
	name:  "diff",
	args:  "[-shrink PERCENT] [-summary] [-json] OLD NEW",
	short: "tell what a new edition of a list changes, and whether it would be held back",
	long: `diff compares two editions of a list, which may be in different formats: names
that came, names that went, names whose rules are others, and the header. Lines
that the resolver refuses do not count. The names come in the order of their
text read from its end, so that those under one domain stand together.

It says, too, whether the resolver would take NEW where OLD was before.

Exit code 1 says that the two differ.
`,
	run: runDiff,
}

// diffFlags is what the command line of diff says.
type diffFlags struct {
	shrink  int // in percent; 100 is off
	summary bool
	json    bool
}

func runDiff(e *env, fs *flag.FlagSet, args []string) (int, error) {
	c := diffFlags{shrink: defaultShrink}
	fs.Func("shrink", "by how many percent of its rules the list may fall, `PERCENT`, or \"off\"; 20 if not given", c.setShrink)
	fs.BoolVar(&c.json, "json", false, "write a JSON object a line: one for each name that differs, then one for the lists")
	fs.BoolVar(&c.summary, "summary", false, "write one paragraph for a changelog, without names, and nothing else")
	files, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(files) != 2:
		return wrong, usagef("%d lists given, two wanted", len(files))
	case c.summary && c.json:
		return wrong, usagef("-summary and -json exclude each other; the JSON has the summary in it")
	}
	before, err := readEdition(e, files[0])
	if err != nil {
		return wrong, err
	}
	now, err := readEdition(e, files[1])
	if err != nil {
		return wrong, err
	}
	return c.compare(e, &difference{Old: before, New: now})
}

func (c *diffFlags) setShrink(s string) error {
	if s == "off" {
		c.shrink = 100
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n >= 100 {
		return errors.New("want a number of percent below 100, or off")
	}
	c.shrink = n
	return nil
}

// compare writes the differences as they are found, then the summary.
func (c diffFlags) compare(e *env, d *difference) (int, error) {
	if err := d.find(e, c.shrink, c.writer(e.stdout)); err != nil {
		return wrong, err
	}
	code := fine
	if d.differ() {
		code = finding
	}
	switch {
	case c.json:
		return code, newLines(e.stdout).Encode(d)
	case c.summary:
		fmt.Fprintln(e.stdout, d.Summary)
	default:
		d.print(e.stdout)
	}
	return code, nil
}

// writer returns a function that writes one difference.
func (c diffFlags) writer(w io.Writer) func(change) error {
	switch {
	case c.summary:
		return unseen
	case c.json:
		return asJSON(w)
	}
	return asText(w)
}

// unseen takes a difference that is only counted.
func unseen(change) error { return nil }

// asJSON returns a function that writes one difference for a program.
func asJSON(w io.Writer) func(change) error {
	lines := newLines(w)
	return func(x change) error { return lines.Encode(x) }
}

// asText returns a function that writes one difference for a person.
func asText(w io.Writer) func(change) error {
	return func(x change) error {
		_, err := fmt.Fprintln(w, x)
		return err
	}
}

// oneEdition is one of the two lists. The package documentation describes its
// JSON form, and those of change and difference, which must stay as they are.
type oneEdition struct {
	File    string      `json:"file"`
	Format  list.Format `json:"format"`
	Header  header      `json:"header"`
	Rules   int         `json:"rules"` // as the resolver counts them
	Refused int         `json:"refused"`
	Names   int         `json:"names"`

	list     *feed.List
	passes   bool // it has exceptions
	sum      [sha256.Size]byte
	comments map[dnsname.Name]string // the provenance of its names
	over     bool                    // of more than maxHeld of them, so that it is not compared
}

// readEdition reads one of the two lists.
func readEdition(e *env, name string) (*oneEdition, error) {
	body, err := openList(e, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	x := &oneEdition{File: name}
	in := hashed{body, sha256.New()}
	x.list, err = loadGuarded(in, body.Modified, feed.LoadConfig{File: name, Seen: x.see})
	if err != nil {
		return nil, err
	}
	in.Sum(x.sum[:0])
	x.Format, x.Header = x.list.Format, newHeader(x.list.Header)
	x.Rules, x.Refused = x.list.Stats.Rules, x.list.Stats.Refused
	return x, nil
}

// see looks for exceptions, and for what is known of a name.
func (x *oneEdition) see(r rule.Rule, _ int, comment func() string, refused error) {
	if refused != nil {
		return
	}
	x.passes = x.passes || r.Action == rule.Pass
	x.remember(r.Name, comment())
}

// hashed is a reader of bytes that are hashed on their way.
type hashed struct {
	io.Reader
	hash.Hash
}

func (h hashed) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.Hash.Write(p[:n])
	return n, err
}

// change is a name that the two editions do not treat alike.
type change struct {
	Name   dnsname.Name `json:"name"`
	Change string       `json:"change"` // added, removed, changed or restated
	Old    entry        `json:"old,omitzero"`
	New    entry        `json:"new,omitzero"`

	Provenance []provenance.Change `json:"provenance,omitempty"`
}

const (
	added    = "added"
	removed  = "removed"
	changed  = "changed"
	restated = "restated" // the rule is the same, its provenance is not
)

// newChange says what has become of a name.
func newChange(name dnsname.Name, before, now entry) change {
	c := change{Name: name, Change: changed, Old: before, New: now}
	switch {
	case before == entry{}:
		c.Change = added
	case now == entry{}:
		c.Change = removed
	}
	return c
}

// String returns the change in a line: "+ badsite.example block subtree".
func (c change) String() string {
	switch c.Change {
	case added:
		return fmt.Sprintf("+ %s %s", c.Name, c.New)
	case removed:
		return fmt.Sprintf("- %s %s", c.Name, c.Old)
	case restated:
		return fmt.Sprintf("= %s %s", c.Name, restatement(c.Provenance))
	}
	text := fmt.Sprintf("~ %s %s -> %s", c.Name, c.Old, c.New)
	if len(c.Provenance) > 0 {
		text += "; " + restatement(c.Provenance)
	}
	return text
}
