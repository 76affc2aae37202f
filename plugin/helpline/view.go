package helpline

import "time"

// view is what the directory has for one country at one moment.
type view struct {
	code                string
	local, own, general []*Entry // the operator's, the country's, those for every country
	replaced            map[shelf]bool
	now                 time.Time
}

// look collects what concerns a country.
func (d *Directory) look(place Place, now time.Time) view {
	v := view{code: place.Code, replaced: d.replaced, now: now}
	for e := range d.all {
		switch here := e.Country == place.Code; {
		case e.Local && (here || e.Country == Everywhere):
			v.local = append(v.local, e)
		case e.Country == Everywhere:
			v.general = append(v.general, e)
		case here:
			v.own = append(v.own, e)
		}
	}
	return v
}

// general says when a list goes on with what there is for every country.
type general uint8

const (
	never  general = iota
	ifNone         // if the directory has nobody in the country
	always
)

// list returns the entries of one kind that suit some age, the operator's in
// front. An operator who adds an entry does not take the fallback away, one who
// replaces does; but no list that has a fallback is empty.
func (v view) list(kind Kind, suits func(Age) bool, g general) []Entry {
	list := v.appendShown(nil, v.local, kind, suits)
	local := len(list)
	list = v.appendShown(list, v.own, kind, suits)
	none := len(list) == 0 || len(list) == local && !v.replaced[shelf{v.code, kind}]
	if g == always || g == ifNone && none {
		list = v.appendShown(list, v.general, kind, suits)
	}
	return list
}

// appendShown appends what may be shown of the entries of one kind that suit. An
// entry without a number adds nothing to another with the same link, which
// happens to a helpline with two numbers when these have expired.
func (v view) appendShown(list []Entry, entries []*Entry, kind Kind, suits func(Age) bool) []Entry {
	for _, e := range entries {
		if e.Kind != kind || !suits(e.Age) {
			continue
		}
		if e, ok := e.at(v.now); ok && (e.Number != "" || !linked(list, e.URL)) {
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
