package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/likeness"
	"github.com/nonudify/nonudify/plugin/list"
)

// famous are the names that an editor has in mind.
type famous struct {
	names  likeness.Known                  // the protected ones
	spared map[dnsname.Name]string         // what must never be listed, and why
	shared map[dnsname.Name]bool           // of these: what may be listed below, as others have sites there
	below  map[dnsname.Name][]dnsname.Name // of the names above these: these
}

// spare enters a name that must never be listed.
func (f *famous) spare(name dnsname.Name, why string) {
	if _, there := f.spared[name]; !there {
		for above, ok := name.Parent(); ok && above.Labels() > 1; above, ok = above.Parent() {
			f.below[above] = append(f.below[above], name)
		}
	}
	f.spared[name] = why
}

// never returns the name that must not be listed, itself or with what is below it, why
// that is so, and whether there is one. As with the guard of the resolver, what is
// below a name that is shared by many may be.
func (f *famous) never(name dnsname.Name) (above dnsname.Name, why string, ok bool) {
	for above := range name.Suffixes() {
		if why, ok := f.spared[above]; ok && (above == name || !f.shared[above]) {
			return above, why, true
		}
	}
	return "", "", false
}

// judge looks at the name alone.
func (f *famous) judge(name dnsname.Name, say sayer) {
	switch above, why, ok := f.never(name); {
	case !ok:
	case above == name:
		say(isError, "never", "must not be listed: %s", why)
	default:
		say(isError, "never", "is below %s, which must not be listed: %s", above, why)
	}
	if other, why, ok := f.names.Like(name); ok {
		say(isWarning, "look-alike", "%s as %s, which is protected: is it the one that was meant?", why, other)
	}
	for label := range strings.SplitSeq(string(name), ".") {
		if mixed := likeness.Mixed(label); mixed != nil {
			say(isWarning, "mixed-script", "mixes the scripts %s in %q", strings.Join(mixed, " and "), likeness.Unicode(label))
		}
		if ascii, ok := likeness.Disguise(label); ok {
			say(isWarning, "confusable", "%q looks like %q and is not", likeness.Unicode(label), ascii)
		}
	}
	if who, ok := likeness.Person(name); ok {
		say(isHint, "person", "reads like the name of a person (%q): publishing it may harm whoever is called so", who)
	}
}

// neverFlag declares the flag -never.
func neverFlag(fs *flag.FlagSet, files *[]string) {
	fs.Func("never", "the names in `FILE`, one a line, must not be listed, nor what is below them", func(s string) error {
		*files = append(*files, s)
		return nil
	})
}

// exceptions are those that let a name pass that must not be listed.
type exceptions map[dnsname.Name]bool

func (p *exceptions) add(name dnsname.Name, f *famous) {
	if _, spared := f.spared[name]; !spared && f.below[name] == nil {
		return
	}
	if *p == nil {
		*p = exceptions{}
	}
	(*p)[name] = true
}

// cover remembers an entry that blocks what is below it, if there is a name that must not
// be listed. Whether that one is excepted, a later line may tell.
func (d *editor) cover(x listed) {
	if x.alone || d.famous.below[x.name] == nil || d.covers[x.name] > 0 {
		return
	}
	if d.covers == nil {
		d.covers = map[dnsname.Name]int{}
	}
	d.covers[x.name] = x.line
}

// judgeCovers tells entries that block a name below them that must not be listed.
func (d *editor) judgeCovers() {
	for _, name := range slices.SortedFunc(maps.Keys(d.covers), func(a, b dnsname.Name) int { return d.covers[a] - d.covers[b] }) {
		for _, spared := range d.famous.below[name] {
			if !d.passed.between(spared, name) {
				d.report(issue{d.covers[name], name, "never", isError, fmt.Sprintf("would block %s, which must not be listed: %s", spared, d.famous.spared[spared])})
			}
		}
	}
}

// between reports whether an exception lets a name pass that lies below another.
func (p exceptions) between(name, above dnsname.Name) bool {
	for x := range name.Suffixes() {
		if x == above {
			break
		}
		if p[x] {
			return true
		}
	}
	return false
}

// wellKnown returns what is compiled in.
var wellKnown = sync.OnceValues(newFamous)

func newFamous() (*famous, error) {
	f := &famous{spared: map[dnsname.Name]string{}, shared: map[dnsname.Name]bool{}, below: map[dnsname.Name][]dnsname.Name{}}
	for i, text := range [][]byte{builtin.Help(), builtin.Shared()} {
		s := list.NewScanner(bytes.NewReader(text), list.Config{Format: list.Domains})
		for s.Scan() {
			f.names.Add(s.Rule().Name)
			f.shared[s.Rule().Name] = i == 1
		}
		if err := s.Err(); err != nil {
			return nil, err
		}
	}
	for row := range strings.Lines(string(builtin.Lookalikes())) {
		columns := strings.Split(row, "\t")
		if name, err := dnsname.Parse(columns[0]); err == nil && name.Labels() > 1 && len(columns) > 1 {
			f.spare(name, columns[1])
			f.shared[name] = f.shared[name] || strings.HasPrefix(columns[1], "parent of")
		}
	}
	return f, nil
}

// famousWith returns what is compiled in, and the names in files, one a line, that the
// publisher of a list has sworn never to list, or not again.
func famousWith(e *env, files []string) (*famous, error) {
	if len(files) == 0 {
		return wellKnown()
	}
	f, err := newFamous()
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if err := f.read(e, file); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// read adds the names in a file. A line that is none could be a name that then is listed
// again.
func (f *famous) read(e *env, file string) error {
	var first error
	err := eachName(e, file, func(name dnsname.Name) error {
		if len(f.spared) == maxHeld {
			return fmt.Errorf("%s: more than %d names that must not be listed", file, maxHeld)
		}
		f.spare(name, file+" says so")
		f.shared[name] = false
		return nil
	}, func(err error) { first = cmp.Or(first, err) })
	return cmp.Or(err, first)
}
