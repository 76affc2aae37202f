package main

import (
	"cmp"
	"container/heap"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/likeness"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

var suggest = verb{
	name:  "suggest",
	args:  "[-in FILE] [-spare FILE]... [-max N] [-json] LIST...",
	short: "find names that may be mirrors of listed ones, for a person to look into",
	long: `suggest reads names that you have, such as those of a zone or the domains that
were registered yesterday, one at the start of each line, plain or packed with
gzip or zstd, and however many; "-" is the standard input. It writes those that
resemble a listed name, the likeliest first, each with its score and the reason:

    suffix     the same label under another public suffix
    hyphens    the same but for hyphens
    homoglyph  looks the same
    digits     the same but for digits
    affix      a word before or behind it that mirrors often have
    typo       one letter is more, less, another, or has changed places

Short labels count only where they are the same. Names that are listed, may not
be listed, or are known to look alike and be somebody else's, are left out, and
so are those of -spare.

A resemblance proves nothing. What it writes is no list: nothing is blocked, and
nobody should block it, before a person has found two sources for each name.

Exit code 1 says that there is something to look into.
`,
	run: runSuggest,
}

// maxKin is the number of listed names whose mirrors are sought at once.
const maxKin = 1 << 17

// maxSpared is the number of names that are left out because somebody has looked into
// them.
const maxSpared = 1 << 18

// suggestFlags is what the command line of suggest says.
type suggestFlags struct {
	in    string
	spare []string
	max   int
	json  bool
}

func runSuggest(e *env, fs *flag.FlagSet, args []string) (int, error) {
	var c suggestFlags
	fs.StringVar(&c.in, "in", "-", "look through the names in `FILE`; the standard input if not given")
	fs.Func("spare", "leave out the names in `FILE`, which somebody has looked into, and what is below them", func(s string) error {
		c.spare = append(c.spare, s)
		return nil
	})
	fs.IntVar(&c.max, "max", 1000, "write at most `N` names, the likeliest")
	fs.BoolVar(&c.json, "json", false, "write a JSON object a line")
	lists, err := parse(fs, args)
	switch {
	case err != nil:
		return wrong, err
	case c.max < 1:
		return wrong, usagef("-max %d is nothing at all", c.max)
	case len(lists) == 0:
		return wrong, usagef("no list given")
	}
	s, err := c.searcher(e, lists)
	if err != nil {
		return wrong, err
	}
	if err := s.file(e, c.in); err != nil {
		return wrong, err
	}
	return c.write(e, s)
}

// searcher looks for kin of listed names, and holds the best that it found.
type searcher struct {
	kin    likeness.Kin
	listed []*set.Set
	spared map[dnsname.Name]bool // and what is below them
	famous *famous
	guard  feed.Checker
	max    int

	best   ranking
	in     map[dnsname.Name]bool // best
	more   int                   // found, and not among the best
	last   dnsname.Name          // that was found: a zone has a domain in many lines
	names  int
	bad    int
	badOne error // the first of them
}

// searcher returns one for the lists.
func (c suggestFlags) searcher(e *env, lists []string) (*searcher, error) {
	known, err := wellKnown()
	if err != nil {
		return nil, err
	}
	guard, err := directive.Guard()
	if err != nil {
		return nil, err
	}
	s := &searcher{spared: map[dnsname.Name]bool{}, famous: known, in: map[dnsname.Name]bool{}, max: c.max, guard: guard}
	for name := range known.spared {
		s.kin.Spare(name)
	}
	for _, file := range c.spare {
		err := eachName(e, file, s.spare, func(err error) { e.note("warning: %v", err) })
		if err != nil {
			return nil, err
		}
	}
	for _, file := range lists {
		if err := s.list(e, file); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// spare leaves out a name.
func (s *searcher) spare(name dnsname.Name) error {
	if len(s.spared) == maxSpared && !s.spared[name] {
		return fmt.Errorf("%d names are left out already, which is all that can be", maxSpared)
	}
	s.spared[name] = true
	s.kin.Spare(name)
	return nil
}

// list adds the names of a list.
func (s *searcher) list(e *env, name string) error {
	body, err := openList(e, name)
	if err != nil {
		return err
	}
	defer body.Close()
	l, err := loadGuarded(body, body.Modified, feed.LoadConfig{File: name})
	switch {
	case err != nil:
		return err
	case l.Set.Blinded():
		return fmt.Errorf("%s: is blinded: nobody can tell what resembles a hash", name)
	case l.Set.Len() > maxKin:
		return fmt.Errorf("%s: holds %d names, and mirrors are sought of %d at most", name, l.Set.Len(), maxKin)
	}
	for r := range l.Set.All() {
		if r.Action == rule.Block {
			s.kin.Add(r.Name)
		}
	}
	s.listed = append(s.listed, l.Set)
	return nil
}

// file looks through a file of names.
func (s *searcher) file(e *env, name string) error {
	return eachName(e, name, func(n dnsname.Name) error {
		s.names++
		s.look(n)
		return nil
	}, func(err error) {
		if s.bad++; s.bad == 1 {
			s.badOne = err
		}
	})
}

// look looks at one name.
func (s *searcher) look(name dnsname.Name) {
	k, ok := s.kin.Find(name)
	if !ok || k.Name == s.last || s.in[k.Name] || s.known(k.Name) {
		return
	}
	s.last = k.Name
	if len(s.best) == s.max && !match(k).before(s.best[0]) {
		s.more++
		return
	}
	heap.Push(&s.best, match(k))
	s.in[k.Name] = true
	if len(s.best) > s.max {
		worst := heap.Pop(&s.best).(match)
		delete(s.in, worst.Name)
		s.more++
	}
}

// known reports whether a name is listed, or must not be.
func (s *searcher) known(name dnsname.Name) bool {
	var k set.Key
	k.Reset(string(name))
	for _, l := range s.listed {
		if l.Match(&k).Action != rule.None {
			return true
		}
	}
	for above := range name.Suffixes() {
		if s.spared[above] {
			return true
		}
	}
	if _, _, never := s.famous.never(name); never {
		return true
	}
	return s.guard.Check(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block}) != nil
}

// write writes what was found.
func (c suggestFlags) write(e *env, s *searcher) (int, error) {
	e.bar.clear()
	slices.SortFunc(s.best, match.compare)
	lines := newLines(e.stdout)
	for _, k := range s.best {
		var err error
		if c.json {
			err = lines.Encode(k)
		} else {
			_, err = fmt.Fprintf(e.stdout, "%3d %s of %s: %s (%s)\n", k.Score, k.Name, k.Listed, k.Why, k.Reason)
		}
		if err != nil {
			return wrong, err
		}
	}
	if s.bad > 0 {
		e.note("warning: %s could not be read as names, the first: %v", count(s.bad, "line", "lines"), s.badOne)
	}
	shown := ""
	if s.more > 0 {
		shown = fmt.Sprintf(", the likeliest %d shown", s.max)
	}
	e.note("%s looked through, %s found%s", count(s.names, "name", "names"), count(len(s.best)+s.more, "possible mirror", "possible mirrors"), shown)
	if len(s.best) == 0 {
		return fine, nil
	}
	e.note("a resemblance proves nothing: look into each before it is listed, and do not open the sites; nothing is blocked by this")
	return finding, nil
}

// match is a kinship that can be ranked.
type match likeness.Kinship

// compare brings the likeliest first.
func (m match) compare(other match) int {
	return cmp.Or(other.Score-m.Score, strings.Compare(string(m.Name), string(other.Name)))
}

// before reports whether a kinship is likelier than another.
func (m match) before(other match) bool { return m.compare(other) < 0 }

// ranking is a heap with the least likely on top.
type ranking []match

func (r ranking) Len() int           { return len(r) }
func (r ranking) Less(i, j int) bool { return r[j].before(r[i]) }
func (r ranking) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }
func (r *ranking) Push(x any)        { *r = append(*r, x.(match)) }
func (r *ranking) Pop() any {
	last := len(*r) - 1
	x := (*r)[last]
	*r = (*r)[:last]
	return x
}
