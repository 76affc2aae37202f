package helpline

import (
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Directory is who helps in each country. It does not change and is safe for
// concurrent use. The zero value is empty.
type Directory struct {
	places  []Place // in the order of their autonyms
	entries []Entry // of the tables, in their order
	local   []Entry // the operator's, in the order of the file
	// replacing are those of local that take away what the directory has of their
	// kind in their country.
	replacing []Entry
}

// With returns a directory in which the changes are made as well, d itself stays
// as it is. An entry that is added stands in front of the directory's own. One
// that replaces also takes away what the directory has of its kind in its
// country; of the kind in Everywhere if that is its country, and only there.
func (d *Directory) With(changes []Change) *Directory {
	n := &Directory{
		places:    slices.Clone(d.places),
		entries:   d.entries,
		local:     slices.Clone(d.local),
		replacing: slices.Clone(d.replacing),
	}
	for _, c := range changes {
		if c.Replace {
			n.replacing = append(n.replacing, c.Entry)
		}
		n.local = append(n.local, c.Entry)
		if _, known := n.place(c.Country); !known && c.Country != Everywhere {
			n.places = append(n.places, Place{Code: c.Country, Name: c.Country, Autonym: c.Country})
		}
	}
	return n
}

// Countries returns the countries that the directory knows by name, in the order
// of their autonyms, and behind them those that only the operator's entries
// have.
func (d *Directory) Countries() []Place { return slices.Clone(d.places) }

// Country returns who helps at a moment in the country with this ISO 3166-1
// code, in either letter case. Of a country that the directory does not know,
// or of "", it returns what there is for every country.
func (d *Directory) Country(code string, now time.Time) Country {
	place, _ := d.place(strings.ToUpper(code))
	s := d.look(place, now)
	centre := never
	if place.insafe {
		centre = ifNone
	}
	c := Country{
		Place:     place,
		Emergency: ownFirst(s.list(Emergency, anyone, never)),
		Child:     s.list(Child, minors, never),
		Carers:    s.list(Child, only(Adults), never),
		Hotlines:  s.list(Hotline, anyone, ifNone),
		Centres:   s.list(Centre, anyone, centre),
		Finders:   s.list(Finder, anyone, ifNone),
	}
	c.Talk = ByAge{Under18: slices.Clone(c.Child), Adults: s.list(Finder, adults, ifNone)}
	if len(c.Child) == 0 {
		c.Talk.Under18 = s.list(Finder, minors, ifNone)
	}
	// What is for people who were under 18 in the image stands behind what most
	// adults need.
	c.Removal.Under18 = s.list(Removal, minors, always)
	c.Removal.Adults = append(s.list(Removal, adults, always), s.list(Removal, only(PicturedUnder18), always)...)
	c.Behaviour.Adults = s.list(Behaviour, adults, ifNone)
	c.Behaviour.Under18 = append(s.list(Behaviour, only(Under18), never), c.Talk.Under18...)
	return c
}

func (d *Directory) place(code string) (Place, bool) {
	for _, p := range d.places {
		if p.Code == code {
			return p, true
		}
	}
	return Place{}, false
}

// ownFirst puts the country's own numbers in front of the operator's: whoever is
// in danger should see the police first.
func ownFirst(list []Entry) []Entry {
	slices.SortStableFunc(list, func(a, b Entry) int {
		switch {
		case a.Local == b.Local:
			return 0
		case b.Local:
			return -1
		}
		return 1
	})
	return list
}

// Hosts returns the hosts of all links, sorted, for a filter that must not block
// them.
func (d *Directory) Hosts() []string {
	var hosts []string
	for e := range d.all(time.Time{}) {
		if u, err := url.Parse(e.URL); err == nil && u.Host != "" { // an entry may have no link
			hosts = append(hosts, u.Hostname())
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// HasLocal reports whether the directory has entries of an operator.
func (d *Directory) HasLocal() bool { return len(d.local) > 0 }

// Due returns the entries whose number will have expired at a moment.
func (d *Directory) Due(at time.Time) []Entry {
	var due []Entry
	for e := range d.all(at) {
		if e.Number != "" && !at.Before(e.Expires()) {
			due = append(due, *e)
		}
	}
	return due
}

// all yields every entry in use at a moment, the operator's first.
func (d *Directory) all(at time.Time) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for i := range d.local {
			if !yield(&d.local[i]) {
				return
			}
		}
		for i := range d.entries {
			e := &d.entries[i]
			if !d.replaced(e.Country, e.Kind, at) && !yield(e) {
				return
			}
		}
	}
}

// replaced reports whether an operator's entries stand for those of the directory
// at a moment.
func (d *Directory) replaced(country string, kind Kind, at time.Time) bool {
	return slices.ContainsFunc(d.replacing, func(e Entry) bool {
		return e.Country == country && e.Kind == kind && (e.Number == "" || at.Before(e.Expires()))
	})
}
