package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/provenance"
	"github.com/nonudify/nonudify/plugin/rule"
)

var combine = verb{
	name:  "merge",
	args:  "[-o FILE] [-drop] FILE...",
	short: "make one source of several, keeping what each knows of its entries",
	long: `merge writes one list with the names of all, in the order of their text, in the
domains format. Of each name it keeps what the lists know together: the earliest
since, the latest seen and review, all sources, the highest confidence. Where
they contradict each other it takes the category of the list that comes first,
the later state of an appeal, and both notes, and says so on the standard error.
A comment that is no provenance becomes a note. Of more sources than an entry can
have it keeps the newest. The header is that of the first list, with the entries
counted again, and with the comments in front of the first entry.

The same lists in the same order make the same bytes. A list that can say more
than a source can, with exceptions for instance, is not merged at all. Lines that
the resolver refuses, and comments between entries, are left out; where FILE of -o
is the list that they are in, nothing is written, unless -drop says that they may
be lost.

Exit code 1 says that there are contradictions, or lines or sources that were left
out, or that nothing is written therefore.
`,
	run: runCombine,
}

// maxShown is the number of messages about one file.
const maxShown = 1000

// errNotSource is for a rule that no line of a source can say.
var errNotSource = errors.New("a source holds whole names to block, with all that is below them, and nothing else")

func runCombine(e *env, fs *flag.FlagSet, args []string) (int, error) {
	out := fs.String("o", "", "write to `FILE` instead of the standard output, in one go")
	drop := fs.Bool("drop", false, "lose refused lines, and comments between entries, of a list that -o replaces")
	files, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case len(files) == 0:
		return wrong, usagef("no list given")
	}
	u := &union{say: e.note}
	for i, file := range files {
		l, err := u.read(e, file)
		if err != nil {
			return wrong, err
		}
		if i == 0 {
			u.header = l.Header
		}
		if u.lost > 0 && !*drop && sameFile(*out, file) {
			u.say("%s: nothing is written, as %s of it would be lost; -drop says that they may", file, count(u.lost, "line", "lines"))
			return finding, nil
		}
	}
	if err := e.save(*out, u.text(), files); err != nil {
		return wrong, err
	}
	return u.sum(), nil
}

// sameFile reports whether two names are of one file that is there.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// sum says how much there is to look into, and returns the exit code.
func (u *union) sum() int {
	if u.conflicts+u.refused+u.trimmed == 0 {
		return fine
	}
	text := fmt.Sprintf("%s, %s left out", count(u.conflicts, "contradiction", "contradictions"), count(u.refused, "line", "lines"))
	if u.trimmed > 0 {
		text += fmt.Sprintf(", %s left out", count(u.trimmed, "source", "sources"))
	}
	u.say("%s", text)
	return finding
}

// union is several lists in one.
type union struct {
	header  list.Header
	remarks []string // in front of the first entry of the first list
	entries map[dnsname.Name]provenance.Record
	say     func(format string, args ...any)

	file      string // that is read
	begun     bool   // it has had an entry
	lost      int    // lines of it that are neither entries nor kept
	unkept    int    // of these: comments, but for those that are about a list which is not the first
	shown     int    // messages about it
	err       error  // the first that ends it all
	files     int    // that were read before
	size      int    // of the remarks in bytes
	refused   int
	conflicts int
	trimmed   int // sources
}

// maxRemarks bounds the comments that are kept, in bytes.
const maxRemarks = 64 << 10

// read takes one list in.
func (u *union) read(e *env, name string) (*feed.List, error) {
	body, err := openList(e, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	u.file, u.begun, u.lost, u.unkept, u.shown = name, false, 0, 0, 0
	l, err := loadGuarded(body, body.Modified, feed.LoadConfig{File: name, Refused: u.refuse, Comment: u.comment, Seen: u.see})
	u.files++
	if err != nil {
		return nil, err
	}
	if u.shown > maxShown {
		u.say("%s: %d more", name, u.shown-maxShown)
	}
	if u.unkept > 0 {
		u.say("%s: %s left out", name, count(u.unkept, "comment is", "comments are"))
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
	u.lost++
	u.tell("%v", err)
}

// comment keeps what stands in front of the first entry of the first list. What stands
// there in the others is about them.
func (u *union) comment(text []byte) {
	remark := list.Remark(text)
	if remark == "" {
		return
	}
	if u.files == 0 && !u.begun && u.size+len(remark) <= maxRemarks {
		u.remarks = append(u.remarks, remark)
		u.size += len(remark)
		return
	}
	u.lost++
	if u.files == 0 || u.begun {
		u.unkept++
	}
}

// see takes one rule in.
func (u *union) see(r rule.Rule, line int, comment func() string, refused error) {
	u.begun = true
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
	merged, trimmed := merged.Trim()
	if trimmed > 0 {
		u.trimmed += trimmed
		u.tell("%s:%d: %s: more sources than an entry can have: %s left out, the oldest", u.file, line, r.Name, count(trimmed, "is", "are"))
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
	return provenance.ParseLong(comment)
}

// text returns the list.
func (u *union) text() []byte {
	var b bytes.Buffer
	h := u.header
	h.Entries = len(u.entries)
	b.Write(h.Comments())
	for _, remark := range u.remarks {
		b.WriteString("# " + remark + "\n")
	}
	for _, name := range slices.Sorted(maps.Keys(u.entries)) {
		b.WriteString(string(name))
		if known := u.entries[name].String(); known != "" {
			b.WriteString(" # " + known)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
