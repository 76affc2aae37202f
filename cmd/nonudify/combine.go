package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/provenance"
	"github.com/nonudify/nonudify/plugin/rule"
)

var combine = verb{
	name:  "merge",
	args:  "[-o FILE] FILE...",
	short: "make one source of several, keeping what each knows of its entries",
	long: `merge writes one list with the names of all, in the order of their text, in the
domains format. Of each name it keeps what the lists know together: the earliest
since, the latest seen and review, all sources, the highest confidence. Where
they contradict each other it takes the category of the list that comes first,
the later state of an appeal, and both notes, and says so on the standard error.
A comment that is no provenance becomes a note. The header is that of the first
list, with the entries counted again.

The same lists in the same order make the same bytes. A list that can say more
than a source can, with exceptions for instance, is not merged at all.

Exit code 1 says that there are contradictions, or lines that were left out
because the resolver refuses them.
`,
	run: runCombine,
}

// maxShown is the number of messages about one file.
const maxShown = 1000

// errNotSource is for a rule that no line of a source can say.
var errNotSource = errors.New("a source holds whole names to block, with all that is below them, and nothing else")

func runCombine(e *env, fs *flag.FlagSet, args []string) (int, error) {
	out := fs.String("o", "", "write to `FILE` instead of the standard output, in one go")
	files, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(files) == 0:
		return wrong, usagef("no list given")
	}
	u := &union{say: func(format string, args ...any) {
		e.bar.clear()
		fmt.Fprintf(e.stderr, "nonudify: "+format+"\n", args...)
	}}
	for i, file := range files {
		l, err := u.read(e, file)
		if err != nil {
			return wrong, err
		}
		if i == 0 {
			u.header = l.Header
		}
	}
	if err := e.save(*out, u.text()); err != nil {
		return wrong, err
	}
	if u.conflicts+u.refused > 0 {
		u.say("%s, %s left out", count(u.conflicts, "contradiction", "contradictions"), count(u.refused, "line", "lines"))
		return finding, nil
	}
	return fine, nil
}

// save writes a file that is never seen half-written, or without a name to the
// standard output.
func (e *env) save(name string, text []byte) error {
	if name == "" {
		_, err := e.stdout.Write(text)
		return err
	}
	d, err := newDraft(name, text, 0o644)
	if err != nil {
		return err
	}
	defer d.drop()
	return d.replace()
}

// union is several lists in one.
type union struct {
	header  list.Header
	entries map[dnsname.Name]provenance.Record
	say     func(format string, args ...any)

	file      string // that is read
	shown     int    // messages about it
	err       error  // the first that ends it all
	refused   int
	conflicts int
}

// read takes one list in.
func (u *union) read(e *env, name string) (*feed.List, error) {
	body, err := openList(e, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	u.file, u.shown = name, 0
	l, err := loadGuarded(body, body.Modified, feed.LoadConfig{File: name, Refused: u.refuse, Seen: u.see})
	if err != nil {
		return nil, err
	}
	if u.shown > maxShown {
		u.say("%s: %d more", name, u.shown-maxShown)
	}
	return l, u.err
}

// tell says something about the list at hand, unless that was often enough.
func (u *union) tell(format string, args ...any) {
	if u.shown++; u.shown <= maxShown {
		u.say(format, args...)
	}
}

func (u *union) refuse(err *rule.LineError) {
	u.refused++
	u.tell("%v", err)
}

// see takes one rule in.
func (u *union) see(r rule.Rule, line int, comment func() string, refused error) {
	if u.err != nil || refused != nil {
		return
	}
	if err := u.add(r, line, comment()); err != nil {
		u.err = &rule.LineError{File: u.file, Line: line, Err: err}
	}
}

func (u *union) add(r rule.Rule, line int, comment string) error {
	if r.Name == "" || r.Action != rule.Block || r.Trigger != rule.Subtree {
		return fmt.Errorf("%s %s %s: %w", r.Action, r.Trigger, r.Name, errNotSource)
	}
	now, err := recordOf(comment)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	before, there := u.entries[r.Name]
	switch {
	case u.entries == nil:
		u.entries = map[dnsname.Name]provenance.Record{}
	case !there && len(u.entries) == maxHeld:
		return fmt.Errorf("more than %d names: that is no source any more", maxHeld)
	}
	merged, conflicts := before.Merge(now)
	for _, c := range conflicts {
		u.conflicts++
		u.tell("%s:%d: %s: %s is %q, and was %q so far: taken as %q", u.file, line, r.Name, c.Key, c.Other, c.One, c.Taken)
	}
	if _, err := provenance.Parse(merged.String()); err != nil { // together they may be too much
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	u.entries[r.Name] = merged
	return nil
}

// recordOf reads a comment, which may be a remark.
func recordOf(comment string) (provenance.Record, error) {
	if !provenance.Is(comment) {
		return provenance.Remark(comment), nil
	}
	return provenance.Parse(comment)
}

// text returns the list.
func (u *union) text() []byte {
	var b bytes.Buffer
	h := u.header
	h.Entries = len(u.entries)
	writeHeader(&b, h)
	for _, name := range slices.Sorted(maps.Keys(u.entries)) {
		b.WriteString(string(name))
		if known := u.entries[name].String(); known != "" {
			b.WriteString(" # " + known)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// writeHeader writes the fields that are there, one a line.
func writeHeader(b *bytes.Buffer, h list.Header) {
	serial := ""
	if h.Serial != 0 {
		serial = fmt.Sprint(h.Serial)
	}
	for _, f := range []struct{ key, value string }{
		{"Title", h.Title}, {"List-ID", h.ID}, {"Version", h.Version}, {"Serial", serial}, {"Issued", stamp(h.Issued)},
		{"Last modified", stamp(h.Modified)}, {"Expires", stamp(h.Expires)}, {"Entries", fmt.Sprint(h.Entries)},
		{"Homepage", h.Homepage}, {"Appeals", h.Appeals}, {"License", h.License},
	} {
		if f.value != "" {
			fmt.Fprintf(b, "# %s: %s\n", f.key, f.value)
		}
	}
}
