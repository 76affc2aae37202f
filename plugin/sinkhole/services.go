package sinkhole

import (
	"html/template"
	"slices"

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

// service returns an entry as it is shown.
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
// as the page knows them; none where its own is the only one.
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
// there are several. What is the same for all stands once, with the first.
func (v *view) groups(title string, pick func(helpline.Country) []helpline.Entry) []group {
	var all []group
	var seen []helpline.Entry
	for _, c := range v.countries {
		g := group{Title: title}
		if len(v.countries) > 1 {
			g.Place = c.Place
		}
		for _, e := range pick(c) {
			same := func(o helpline.Entry) bool { return o.Name == e.Name && o.URL == e.URL && o.Number == e.Number }
			if !slices.ContainsFunc(seen, same) {
				seen = append(seen, e)
				g.Services = append(g.Services, v.service(e))
			}
		}
		if len(g.Services) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// Emergency returns the emergency numbers.
func (v *view) Emergency() []group {
	return v.groups("", func(c helpline.Country) []helpline.Entry { return c.Emergency })
}

// Talk returns the helplines for children, or where to find one.
func (v *view) Talk() []group {
	return v.groups("", func(c helpline.Country) []helpline.Entry {
		if len(c.Child) == 0 {
			return c.Directories
		}
		return c.Child
	})
}

// Remove returns who has images taken down, by age.
func (v *view) Remove() []group {
	return append(
		v.groups(v.T("under_18"), func(c helpline.Country) []helpline.Entry { return c.Removal.Under18 }),
		v.groups(v.T("from_18"), func(c helpline.Country) []helpline.Entry { return c.Removal.Adults })...)
}

// Report returns where images are reported.
func (v *view) Report() []group {
	return v.groups("", func(c helpline.Country) []helpline.Entry { return c.Hotlines })
}

// Behaviour returns who helps those who worry about what they do, by age.
func (v *view) Behaviour() []group {
	return append(
		v.groups(v.T("under_18"), func(c helpline.Country) []helpline.Entry { return c.Behaviour.Under18 }),
		v.groups(v.T("from_18"), func(c helpline.Country) []helpline.Entry { return c.Behaviour.Adults })...)
}

// Advice returns who advises adults.
func (v *view) Advice() []group {
	return v.groups("", func(c helpline.Country) []helpline.Entry {
		return slices.Concat(c.Carers, c.Centres, c.Child, c.Directories)
	})
}

// Anywhere returns the directories of all countries.
func (v *view) Anywhere() []group {
	return v.groups("", func(c helpline.Country) []helpline.Entry { return c.Directories })
}

// Read returns when the oldest number on the page was read, "" when there is
// none.
func (v *view) Read() string {
	oldest := ""
	for _, c := range v.countries {
		for _, e := range slices.Concat(c.Emergency, c.Child, c.Carers, c.Hotlines, c.Removal.Under18, c.Removal.Adults,
			c.Behaviour.Under18, c.Behaviour.Adults, c.Centres) {
			if day := e.Read.Format("2006-01-02"); e.Number != "" && (oldest == "" || day < oldest) {
				oldest = day
			}
		}
	}
	if oldest == "" {
		return ""
	}
	return v.texts.Text("read_on", message.Values{"Date": isolated(oldest)})
}
