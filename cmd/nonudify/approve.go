package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
)

var approve = verb{
	name:  "approve",
	args:  "[-state DIR] [-conf COREFILE] [-json] [LIST|SOURCE ENTRIES]",
	short: "show which editions are held back because they have shrunk, and have one taken",
	long: `approve shows the editions that a server has not taken because they have lost too
many entries. They are in the state directory given, or in those of a Corefile.
Look at them before you approve: 'nonudify fetch -o new.txt' with the key and the
URL of the list gets the new one, and 'nonudify diff' compares it with what you have.

With the name or the source of a list, and the number of entries to which it may
fall, its edition is approved, this one and only once. A server that is running
takes it within seconds. Without a state directory that the server can write, nothing
can be approved: configure another shrink, or off.

Exit code 1 says that something is held back.
`,
	run: runApprove,
}

// approveFlags is what the command line of approve says.
type approveFlags struct {
	state, conf string
	json        bool
	kept        int // copies there may be
}

func runApprove(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c approveFlags
	fs.StringVar(&c.state, "state", "", "what is held back in the directory `DIR`")
	fs.StringVar(&c.conf, "conf", "", "what is held back of the lists of this `COREFILE`")
	fs.BoolVar(&c.json, "json", false, "write a JSON array with an object for each edition")
	lists, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case (c.state == "") == (c.conf == ""):
		return wrong, usagef("either -state or -conf says where to look")
	case len(lists) != 0 && len(lists) != 2:
		return wrong, usagef("to approve an edition takes its list and the number of its entries")
	}
	copies, err := c.copies(e)
	if err != nil {
		return wrong, err
	}
	c.kept = len(copies)
	editions, err := heldIn(copies)
	if err != nil {
		return wrong, err
	}
	if len(lists) == 2 {
		if editions, err = approveOne(editions, lists[0], lists[1]); err != nil {
			return wrong, err
		}
		return fine, c.show(e, editions)
	}
	if err := c.show(e, editions); err != nil || len(editions) == 0 {
		return fine, err
	}
	return finding, nil
}

// copies returns the copies of which something may be held back.
func (c approveFlags) copies(e *env) ([]*source.Copy, error) {
	if c.state != "" {
		return source.HeldIn(c.state)
	}
	servers, err := readCorefile(e, c.conf)
	if err != nil {
		return nil, err
	}
	var copies []*source.Copy
	for _, s := range servers {
		feeds, err := s.config.Feeds()
		if err != nil {
			return nil, err
		}
		for _, f := range feeds {
			known := func(other *source.Copy) bool { return other.Path() == f.Config.Copy.Path() }
			if f.Config.Copy != nil && !slices.ContainsFunc(copies, known) {
				copies = append(copies, f.Config.Copy)
			}
		}
	}
	return copies, nil
}

// held is an edition that is held back. The package documentation describes its
// JSON form, which must stay as it is.
type held struct {
	List     string    `json:"list"`
	Source   string    `json:"source"`
	Before   int       `json:"before"`
	Entries  int       `json:"entries"`
	Fall     float64   `json:"fall"` // in percent
	Serial   uint32    `json:"serial,omitempty"`
	Seen     time.Time `json:"seen,omitzero"`
	Approved bool      `json:"approved"`

	copy *source.Copy
	sum  [32]byte
}

// heldIn returns the editions that are held back.
func heldIn(copies []*source.Copy) ([]*held, error) {
	editions := []*held{}
	for _, c := range copies {
		h, err := c.Held()
		if errors.Is(err, source.ErrNoCopy) {
			continue
		}
		if err != nil {
			return nil, err
		}
		editions = append(editions, &held{
			List: printable(h.List), Source: printable(h.Source), Before: h.Before, Entries: h.Entries,
			Fall: percent(h.Before-h.Entries, h.Before), Serial: h.Serial, Seen: h.Seen,
			Approved: c.Approved(h.Sum), copy: c, sum: h.Sum,
		})
	}
	slices.SortFunc(editions, func(a, b *held) int { return cmp.Or(cmp.Compare(a.List, b.List), cmp.Compare(a.Source, b.Source)) })
	return editions, nil
}

// approveOne approves the edition of a list, if it has as many entries as it is
// thought to have: another may have come since somebody looked.
func approveOne(editions []*held, name, entries string) ([]*held, error) {
	var found []*held
	for _, h := range editions {
		if h.List == name || h.Source == source.Redact(name) {
			found = append(found, h)
		}
	}
	switch {
	case len(editions) == 0:
		return nil, fmt.Errorf("nothing is held back")
	case len(found) == 0:
		return nil, fmt.Errorf("nothing is held back of %q, but of %s", name, join(editions, func(h *held) string { return h.List }))
	case len(found) > 1:
		return nil, fmt.Errorf("several lists are called %q: say which, %s", name, join(found, func(h *held) string { return h.Source }))
	}
	h := found[0]
	if strconv.Itoa(h.Entries) != entries {
		return nil, fmt.Errorf("the edition of %s that is held back has %d entries, not %q: look at it first", h.List, h.Entries, entries)
	}
	if err := asOwner(h.copy.Dir, func() error { return h.copy.Approve(h.sum) }); err != nil {
		return nil, err
	}
	h.Approved = true
	return found, nil
}

func join(editions []*held, word func(*held) string) string {
	words := make([]string, len(editions))
	for i, h := range editions {
		words[i] = word(h)
	}
	return strings.Join(words, ", ")
}

// show writes the editions.
func (c approveFlags) show(e *env, editions []*held) error {
	if c.json {
		return writeJSON(e.stdout, editions)
	}
	for _, h := range editions {
		h.print(e.stdout)
	}
	if len(editions) == 0 {
		fmt.Fprintln(e.stdout, "nothing is held back")
	}
	if c.kept == 0 && c.conf != "" {
		e.note("%s keeps no copy of any list: nothing could be noted as held back, or be approved", c.conf)
	}
	return nil
}

// print writes an edition for a person.
func (h *held) print(w io.Writer) {
	state := "held back"
	if h.Approved {
		state = "approved; a server that is running takes it within seconds, another when it starts"
	}
	fmt.Fprintf(w, "%s: %s\n", h.List, state)
	field(w, "source", "%s", h.Source)
	field(w, "entries", "%d -> %d, %v %% fewer", h.Before, h.Entries, h.Fall)
	if h.Serial != 0 {
		field(w, "serial", "%d", h.Serial)
	}
	if !h.Seen.IsZero() {
		field(w, "since", "%s", h.Seen.Format(time.RFC3339))
	}
}
