package main

import (
	"fmt"
	"io"
	"math"

	"github.com/nonudify/nonudify/plugin/rpz"
)

// difference is what diff says of two editions of a list.
type difference struct {
	Old     *oneEdition `json:"old"`
	New     *oneEdition `json:"new"`
	Added   int         `json:"added"` // names, as the next three
	Removed int         `json:"removed"`
	Changed int         `json:"changed"`
	Same    int         `json:"same"`
	Share   float64     `json:"share"`             // of the names of the old edition: how many percent differ
	Fall    float64     `json:"fall"`              // of the number of rules, in percent; negative when there are more
	Taken   bool        `json:"taken"`             // the resolver would take the new edition
	Reasons []string    `json:"reasons,omitempty"` // why it would not
	Blinded bool        `json:"blinded,omitempty"` // names can only be counted

	Restated ledger `json:"restated,omitzero"` // entries whose provenance is another
	Summary  string `json:"summary"`           // in a paragraph
}

// find finds out all of the difference: it passes on what differs, then judges, with
// shrink in percent, and sums up.
func (d *difference) find(e *env, shrink int, write func(change) error) error {
	if d.Blinded = d.Old.list.Set.Blinded() || d.New.list.Set.Blinded(); !d.Blinded {
		if err := d.names(e, write); err != nil {
			return err
		}
	}
	d.judge(shrink)
	d.Summary = d.summarize()
	return nil
}

// names goes through both lists at once and passes on what differs.
func (d *difference) names(e *env, write func(change) error) error {
	before := entriesOf(d.Old.list.Set, d.Old.passes)
	now := entriesOf(d.New.list.Set, d.New.passes)
	e.bar.stage("comparing", int64(max(d.Old.list.Set.Len(), d.New.list.Set.Len())))
	seen := 0
	for name, both := range merge(before, now) {
		if seen++; seen%watched == 0 {
			e.bar.add(watched)
		}
		c := newChange(name, both[0], both[1])
		c.Provenance = d.restated(c)
		d.count(c)
		if c.Old == c.New {
			if len(c.Provenance) == 0 {
				continue
			}
			c.Change, c.Old, c.New = restated, entry{}, entry{}
		}
		if err := write(c); err != nil {
			return err
		}
	}
	return nil
}

// count enters a name into the books.
func (d *difference) count(c change) {
	if (c.Old != entry{}) {
		d.Old.Names++
	}
	if (c.New != entry{}) {
		d.New.Names++
	}
	d.Restated.count(c.Provenance)
	switch {
	case c.Old == c.New:
		d.Same++
	case c.Change == added:
		d.Added++
	case c.Change == removed:
		d.Removed++
	default:
		d.Changed++
	}
}

// judge says whether a resolver that has the old edition would take the new
// one: rules must not fall by more than shrink percent, and neither may the
// serial fall nor the List-ID be another.
func (d *difference) judge(shrink int) {
	if d.Blinded {
		d.Old.Names, d.New.Names = d.Old.list.Set.Len(), d.New.list.Set.Len()
	}
	d.Share = percent(d.Added+d.Removed+d.Changed, d.Old.Names)
	d.Fall = percent(d.Old.Rules-d.New.Rules, d.Old.Rules)
	if 100*int64(d.Old.Rules-d.New.Rules) > int64(shrink)*int64(d.Old.Rules) {
		d.Reasons = append(d.Reasons, fmt.Sprintf("it falls by %v %%, more than -shrink %d", d.Fall, shrink))
	}
	before, now := d.Old.Header, d.New.Header
	if before.ID != "" && now.ID != "" && before.ID != now.ID {
		d.Reasons = append(d.Reasons, fmt.Sprintf("it is another list: its List-ID is %q, not %q", now.ID, before.ID))
	}
	if before.Serial != 0 && now.Serial != 0 && rpz.Newer(before.Serial, now.Serial) {
		d.Reasons = append(d.Reasons, fmt.Sprintf("it is an older edition: its serial is %d, not above %d", now.Serial, before.Serial))
	}
	d.Taken = len(d.Reasons) == 0
}

// percent returns a share in percent, to two places.
func percent(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return math.Round(10000*float64(part)/float64(whole)) / 100
}

// differ reports whether anything in the lists is not the same. Of blinded
// names that can only be told by the bytes.
func (d *difference) differ() bool {
	if d.Blinded {
		return d.Old.sum != d.New.sum
	}
	return d.Added+d.Removed+d.Changed+d.Restated.Entries > 0 || len(d.headers()) > 0
}

// headerChange is a field of the header that is not the same.
type headerChange struct{ name, before, now string }

// headers compares the headers.
func (d *difference) headers() (changes []headerChange) {
	a, b := d.Old.Header, d.New.Header
	for _, x := range []headerChange{
		{"title", a.Title, b.Title},
		{"list-id", a.ID, b.ID},
		{"version", a.Version, b.Version},
		{"serial", number(int64(a.Serial)), number(int64(b.Serial))},
		{"issued", stamp(a.Issued), stamp(b.Issued)},
		{"modified", stamp(a.Modified), stamp(b.Modified)},
		{"expires", stamp(a.Expires), stamp(b.Expires)},
		{"entries", number(int64(a.Entries)), number(int64(b.Entries))},
		{"homepage", a.Homepage, b.Homepage},
		{"appeals", a.Appeals, b.Appeals},
		{"license", a.License, b.License},
		{"salt", a.Salt, b.Salt},
	} {
		if x.before != x.now {
			changes = append(changes, x)
		}
	}
	return changes
}

// print writes the summary for a person.
func (d *difference) print(w io.Writer) {
	fmt.Fprintf(w, "%s -> %s: %s\n", d.Old.File, d.New.File, d.headline())
	if d.Old.Format != d.New.Format {
		field(w, "format", "%v -> %v", d.Old.Format, d.New.Format)
	}
	for _, x := range d.headers() {
		field(w, x.name, "%s -> %s", orNone(x.before), orNone(x.now))
	}
	field(w, "rules", "%d -> %d", d.Old.Rules, d.New.Rules)
	field(w, "refused", "%d -> %d", d.Old.Refused, d.New.Refused)
	if d.Blinded {
		field(w, "blinded", "the names cannot be compared, only counted: a list of hashes does not have them")
	} else {
		field(w, "names", "%d added, %d removed, %d changed, %d the same", d.Added, d.Removed, d.Changed, d.Same)
		field(w, "share", "%v %%", d.Share)
	}
	if n := d.Restated.Entries; n > 0 {
		field(w, "provenance", "of %s is another", count(n, "entry", "entries"))
	}
	if d.Old.over || d.New.over {
		field(w, "provenance", "of more than %d entries, which is too much to compare", maxHeld)
	}
	if d.Taken {
		field(w, "resolver", "would take it")
	}
	for _, r := range d.Reasons {
		field(w, "resolver", "would not take it: %s", r)
	}
}

func (d *difference) headline() string {
	switch {
	case d.differ():
		return "they differ"
	case d.Old.sum == d.New.sum:
		return "the same bytes"
	}
	return "they say the same"
}
