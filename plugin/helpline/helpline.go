// Package helpline is the directory of those who help, by country: emergency
// numbers, child helplines, hotlines that take reports, services that have
// images removed, help for people worried about their own behaviour.
//
// It comes with the program, from the tables beside this file; an operator adds
// to it or replaces parts of it, see Parse and Directory.With. Numbers stand in
// the tables only where two sources name them, and six months after somebody
// last read the sources a number is no longer handed out: its link still is.
// Nothing is fetched, nothing is called. docs/helplines.md says where the
// entries come from and how to renew one.
package helpline

import (
	"iter"
	"slices"
	"time"

	"golang.org/x/text/language"
)

// Everywhere stands as the country of an entry that is for every country.
const Everywhere = "*"

// lifetime is how many months a number is handed out after its sources were
// read. Helplines close and numbers are given to others.
const lifetime = 6

// Entry is one number or link. It has at least one of the two.
type Entry struct {
	ID        string // such as "stopncii", of a service of the directory that is for every country; else empty
	Country   string // ISO 3166-1 alpha-2, or Everywhere
	Kind      Kind
	Name      string   // in the words of those who answer; empty in an emergency number of the directory
	NameTag   string   // BCP 47 tag of the name's language; empty where it is a brand, or not known
	Number    string   // as people there write it; empty without one, or when it has expired
	Tel       string   // the number as a URI that dials inside the country (RFC 3966); empty without Number
	URL       string   // https; may be empty
	Languages []string // BCP 47 tags of those that are spoken there; empty where not known
	Free      bool     // calls are known to cost nothing
	Age       Age
	Use       Use       // of an emergency number
	Source    string    // ids in sources.tsv, the main one first, or file:line of an operator's entry
	ReadOn    time.Time // the day on which somebody read the source, midnight UTC; zero in an operator's entry without a number
	Local     bool      // the operator's own
}

// Expires returns the moment from which on the number of e is no longer handed
// out, zero when e has none.
func (e Entry) Expires() time.Time {
	if e.Number == "" {
		return time.Time{}
	}
	return e.ReadOn.AddDate(0, lifetime, 0)
}

// at returns e as it may be shown at a moment: without its number once this has
// expired. Nothing may be left of it then.
func (e Entry) at(now time.Time) (Entry, bool) {
	if e.Number != "" && !now.Before(e.Expires()) {
		e.Number, e.Tel = "", ""
	}
	return e, e.Number != "" || e.URL != ""
}

// Place is a country or territory.
type Place struct {
	Code      string   // ISO 3166-1 alpha-2
	Name      string   // in English; the code where the directory has none
	Autonym   string   // in its main language
	Tag       string   // BCP 47 tag of that language
	Languages []string // BCP 47 tags in which a page for it is wanted, the main one first

	base   language.Base // of Tag
	insafe bool          // a Safer Internet Centre of that network is there for it
}

// Country is who helps in one country. Emergency, Child, Carers and Centres may
// be empty; the other lists of the built-in directory are not, as they go on with
// what there is for every country. An operator's entries come first in each list;
// last among those who remove images for adults are the services for people who
// were under 18 in the image.
type Country struct {
	Place
	Emergency []Entry
	Child     []Entry // helplines for children and young people themselves
	Carers    []Entry // for adults who worry about a child
	Talk      ByAge   // whom to talk to: Child, else finders; for adults, finders that are not of helplines for children alone
	Hotlines  []Entry // where illegal images are reported: the country's own, else those that take reports from everywhere
	Removal   ByAge   // who has images removed: the country's own, then those for every country
	Behaviour ByAge   // for people worried about their own behaviour
	Centres   []Entry // Safer Internet Centres
	Finders   []Entry // of helplines in all countries
}

// Entries yields every entry of the lists, in their order: what stands in several
// of them, several times.
func (c Country) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, list := range [...][]Entry{
			c.Emergency, c.Child, c.Carers, c.Talk.Under18, c.Talk.Adults, c.Hotlines, c.Removal.Under18, c.Removal.Adults,
			c.Behaviour.Under18, c.Behaviour.Adults, c.Centres, c.Finders,
		} {
			if slices.ContainsFunc(list, func(e Entry) bool { return !yield(e) }) {
				return
			}
		}
	}
}

// ByAge is who helps people of each age. A list holds only what is meant for
// that age: StopNCII never appears under Under18.
type ByAge struct {
	Under18, Adults []Entry
}
