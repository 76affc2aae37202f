package sinkhole

import (
	"html/template"
	"slices"
	"time"

	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// group is a list of services under one heading.
type group struct {
	Title    string // whom they are for; "" for all
	Place    helpline.Place
	Services []service
}

// service is one number or link.
type service struct {
	Name     string
	Language string // of the name; "" where it is not known
	URL      string
	Number   string
	Tel      template.URL
	Notes    []string
	About    string
}

// about are the messages on the services that are for every country, by their
// ids in the directory.
var about = map[string]string{
	"take-it-down":                 "takeitdown",
	"stopncii":                     "stopncii",
	"stop-it-now":                  "behaviour",
	"troubled-desire":              "behaviour",
	"child-helpline-international": "child_directory",
	"findahelpline":                "directory",
	"inhope":                       "hotlines",
	"cybertipline":                 "cybertipline",
	"insafe":                       "centres",
}

// uses are the messages on what an emergency number is for.
var uses = map[helpline.Use]string{
	helpline.Police: "police", helpline.Ambulance: "ambulance", helpline.Fire: "fire", helpline.Mobile: "mobile",
}

func (v *view) service(e helpline.Entry) service {
	s := service{Name: e.Name, Language: e.NameTag, URL: e.URL, Number: e.Number, Tel: template.URL(e.Tel)}
	if key := uses[e.Use]; key != "" {
		s.Notes = append(s.Notes, v.T(key))
	}
	if e.Free && e.Number != "" {
		s.Notes = append(s.Notes, v.T("free"))
	}
	if e.Kind == helpline.Child && e.Number == "" {
		s.Notes = append(s.Notes, v.T("website"))
	}
	if key := about[e.ID]; key != "" {
		s.About = v.T(key)
	}
	s.Notes = append(s.Notes, v.spoken(e.Languages)...)
	return s
}

// spoken returns the names of the languages in which a service answers, as far
// as the page knows them; none where the page's is the only one.
func (v *view) spoken(tags []string) []string {
	var names []string
	for _, tag := range tags {
		if l, ok := message.Lookup(tag); ok {
			names = append(names, l.Name)
		}
	}
	if len(names) == 1 && names[0] == v.texts.Language.Name {
		return nil
	}
	return names
}

// groups returns what pick takes of each country, under the country's name if
// there are several. Between what the operator has for all of them, which comes
// first, and what there is for every country, which comes last.
func (v *view) groups(title string, pick func(helpline.Country) []helpline.Entry) []group {
	first, last := group{Title: title}, group{Title: title}
	var all []group
	seen := map[[3]string]bool{}
	for _, c := range v.countries {
		own := group{Title: title, Place: v.heading(c)}
		for _, e := range pick(c) {
			key := [3]string{e.Name, e.URL, e.Number}
			if seen[key] {
				continue
			}
			seen[key] = true
			to := &own
			if len(v.countries) > 1 && e.Country == helpline.Everywhere {
				to = &last
				if e.Local {
					to = &first
				}
			}
			to.Services = append(to.Services, v.service(e))
		}
		all = append(all, own)
	}
	return slices.DeleteFunc(slices.Concat([]group{first}, all, []group{last}), func(g group) bool { return len(g.Services) == 0 })
}

// heading returns the country that a group of its own is headed with, none where
// there is only one.
func (v *view) heading(c helpline.Country) helpline.Place {
	if len(v.countries) > 1 {
		return c.Place
	}
	return helpline.Place{}
}

// byAge returns what pick takes of each country, people under 18 first.
func (v *view) byAge(pick func(helpline.Country) helpline.ByAge) []group {
	return append(
		v.groups(v.T("under_18"), func(c helpline.Country) []helpline.Entry { return pick(c).Under18 }),
		v.groups(v.T("from_18"), func(c helpline.Country) []helpline.Entry { return pick(c).Adults })...)
}

// Emergency returns the emergency numbers of each country, even where another has
// the same: nobody should have to wonder. One for several uses stands once.
func (v *view) Emergency() []group {
	var all []group
	for _, c := range v.countries {
		g := group{Place: v.heading(c)}
		for _, e := range c.Emergency {
			g.Services = merged(g.Services, v.service(e))
		}
		if len(g.Services) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// merged adds a service, or only its notes to the same one.
func merged(all []service, s service) []service {
	for i, o := range all {
		if o.Name == s.Name && o.URL == s.URL && o.Number == s.Number {
			for _, note := range s.Notes {
				if !slices.Contains(o.Notes, note) {
					all[i].Notes = append(all[i].Notes, note)
				}
			}
			return all
		}
	}
	return append(all, s)
}

// EmergencyKnown reports whether an emergency number is of the country itself: that
// of a campus does not bring the police.
func (v *view) EmergencyKnown() bool {
	return slices.ContainsFunc(v.countries, func(c helpline.Country) bool {
		return slices.ContainsFunc(c.Emergency, func(e helpline.Entry) bool { return !e.Local })
	})
}

// Talk returns the helplines for children, and where people of each age find one.
func (v *view) Talk() []group {
	return v.byAge(func(c helpline.Country) helpline.ByAge { return c.Talk })
}

// Remove returns who has images taken down.
func (v *view) Remove() []group {
	return v.byAge(func(c helpline.Country) helpline.ByAge { return c.Removal })
}

// RemoveOfChild returns who has images of children taken down.
func (v *view) RemoveOfChild() []group {
	return v.groups("", func(c helpline.Country) []helpline.Entry { return c.Removal.Under18 })
}

// Report returns where images are reported.
func (v *view) Report() []group {
	return v.groups("", func(c helpline.Country) []helpline.Entry { return c.Hotlines })
}

// Behaviour returns who helps those who worry about what they do.
func (v *view) Behaviour() []group {
	return v.byAge(func(c helpline.Country) helpline.ByAge { return c.Behaviour })
}

// Advice returns who advises adults who look after a child. A helpline for
// children advises them, too.
func (v *view) Advice() []group {
	return v.groups("", func(c helpline.Country) []helpline.Entry {
		return slices.Concat(c.Carers, c.Centres, c.Child, c.Finders)
	})
}

// Anywhere returns where to find a helpline in any country.
func (v *view) Anywhere() []group {
	return v.groups("", func(c helpline.Country) []helpline.Entry { return c.Finders })
}

// numbers yields the entries of the page that have a number.
func (v *view) numbers(yield func(helpline.Entry) bool) {
	for _, c := range v.countries {
		for e := range c.Entries() {
			if e.Number != "" && !yield(e) {
				return
			}
		}
	}
}

// ReadOn says when the oldest number on the page was read, "" when there is none.
func (v *view) ReadOn() string {
	var oldest time.Time
	for e := range v.numbers {
		if oldest.IsZero() || e.ReadOn.Before(oldest) {
			oldest = e.ReadOn
		}
	}
	if oldest.IsZero() {
		return ""
	}
	return v.texts.Text("read_on", message.Values{"Date": isolated(oldest.Format(time.DateOnly))})
}

// expires returns when the first number on the page does, zero when there is none.
func (v *view) expires() (first time.Time) {
	for e := range v.numbers {
		if at := e.Expires(); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}
