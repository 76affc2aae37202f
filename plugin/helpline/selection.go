package helpline

import "time"

// selection is what the directory has for one country at one moment.
type selection struct {
	local, own, general []*Entry // the operator's, the country's, those for every country
	replaced            func(Kind) bool
	now                 time.Time
}

// look collects what concerns a country.
func (d *Directory) look(place Place, now time.Time) selection {
	s := selection{now: now, replaced: func(kind Kind) bool { return d.replaced(place.Code, kind, now) }}
	for e := range d.all(now) {
		switch here := e.Country == place.Code; {
		case e.Local && (here || e.Country == Everywhere):
			s.local = append(s.local, e)
		case e.Country == Everywhere:
			s.general = append(s.general, e)
		case here:
			s.own = append(s.own, e)
		}
	}
	return s
}

// fallback says when a list goes on with what there is for every country.
type fallback uint8

const (
	never  fallback = iota
	ifNone          // if the directory has nobody in the country
	always
)

// list returns the entries of one kind that suit some age, the operator's in
// front. An operator who adds an entry does not take the fallback away, one who
// replaces does; but no list that has a fallback is empty.
func (s selection) list(kind Kind, suits func(Age) bool, f fallback) []Entry {
	list := s.appendShown(nil, s.local, kind, suits)
	local := len(list)
	list = s.appendShown(list, s.own, kind, suits)
	none := len(list) == 0 || len(list) == local && !s.replaced(kind)
	if f == always || f == ifNone && none {
		list = s.appendShown(list, s.general, kind, suits)
	}
	return list
}

// appendShown appends what may be shown of the entries of one kind that suit. An
// entry without a number adds nothing to another with the same link, which
// happens to a helpline with two numbers when these have expired.
func (s selection) appendShown(list []Entry, entries []*Entry, kind Kind, suits func(Age) bool) []Entry {
	for _, e := range entries {
		if e.Kind != kind || !suits(e.Age) {
			continue
		}
		if e, ok := e.at(s.now); ok && (e.Number != "" || !linked(list, e.URL)) {
			list = append(list, e)
		}
	}
	return list
}

func linked(list []Entry, link string) bool {
	for i := range list {
		if list[i].URL == link {
			return true
		}
	}
	return false
}

// anyone, minors, adults and only say for whom a list is.
func anyone(Age) bool { return true }

func minors(a Age) bool { return a != Adults }

func adults(a Age) bool { return a == Anyone || a == Adults }

func only(age Age) func(Age) bool { return func(a Age) bool { return a == age } }
