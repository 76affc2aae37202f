package sinkhole

import (
	"html/template"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// choice is what a page is made for.
type choice struct {
	language  message.Language
	countries []string // whose helplines are shown
	country   string   // the one of them that the request chose; "" when it did not
}

// choose finds out what a request asks for.
func (p *Page) choose(w Wish) choice {
	accepted := acceptedBy(w.Accepted)
	c := choice{language: p.language(accepted), countries: p.config.Countries}
	if l, ok := message.Lookup(w.Language); ok {
		c.language = l
	}
	if code := w.Country; p.knows(code) {
		others := slices.DeleteFunc(slices.Clone(c.countries), func(other string) bool { return other == code })
		c.country, c.countries = code, append([]string{code}, others...)
		return c
	}
	if code := p.config.Directory.Guess(accepted); len(c.countries) == 0 && code != "" {
		c.countries = []string{code}
	}
	return c
}

// acceptedBy returns the languages of an Accept-Language field, the most wanted
// first. In one that cannot be read as a whole, what can be read counts.
func acceptedBy(field string) []language.Tag {
	tags, _, err := language.ParseAcceptLanguage(field)
	if err == nil {
		return tags
	}
	for element := range strings.SplitSeq(field, ",") {
		if some, _, err := language.ParseAcceptLanguage(element); err == nil {
			tags = append(tags, some...)
		}
	}
	return tags
}

// language returns the language of the page for whoever accepts these.
func (p *Page) language(accepted []language.Tag) message.Language {
	return message.Match(append(slices.Clone(accepted), p.config.Languages...)...)
}

// knows reports whether the directory has helplines of a country.
func (p *Page) knows(code string) bool {
	return slices.ContainsFunc(p.places, func(place helpline.Place) bool { return place.Code == code })
}

// view is what the template is filled with.
type view struct {
	page      *Page
	texts     *message.Catalogue
	choice    choice
	reason    policy.Reason
	now       time.Time
	countries []helpline.Country // of the choice; what is for every country if there is none
	// link returns where the page is in a language, for a country if it is not "".
	link func(l message.Language, country string) string

	Own bool // it stands at the operator's own address
}

func (p *Page) view(c choice, reason policy.Reason, own bool) *view {
	v := &view{page: p, texts: message.In(c.language), choice: c, reason: reason, now: p.config.Now(), Own: own}
	for _, code := range c.countries {
		v.countries = append(v.countries, p.config.Directory.Country(code, v.now))
	}
	if len(v.countries) == 0 {
		v.countries = []helpline.Country{p.config.Directory.Country("", v.now)}
	}
	return v
}

func (v *view) T(key string) string { return v.texts.Text(key, nil) }

func (v *view) Language() message.Language { return v.texts.Language }

func (*view) Style() template.CSS { return template.CSS(style) }

func (*view) Script() template.JS { return template.JS(script) }

func (*view) Leave() string { return Leave }

// Title returns the title, which does not tell who looks on what the page is
// about.
func (v *view) Title() string {
	if v.Own {
		return v.T("help_title")
	}
	return v.T("title")
}

// What returns what such sites do.
func (v *view) What() string {
	if v.Own {
		return v.T("help_what")
	}
	return v.T("what")
}

// Who returns who blocks, "" where nothing was blocked.
func (v *view) Who() string {
	key := v.reason.String() // the messages bear the names of the reasons
	switch name := v.page.config.Organization; {
	case v.Own:
		return ""
	case name != "":
		return v.texts.Text(key+"_by", message.Values{"Organization": isolated(name)})
	}
	return v.T(key)
}

// Organization returns the name of the operator, "" when it is not known.
func (v *view) Organization() string { return v.page.config.Organization }

// Notices returns the public notices of a legal order.
func (v *view) Notices() []string {
	if v.Own || v.reason != policy.Censored {
		return nil
	}
	return v.page.config.Notices
}

// Contacts returns whom to tell of a wrong block.
func (v *view) Contacts() []contact {
	var all []contact
	for _, uri := range v.page.config.Contacts {
		all = append(all, contactOf(uri))
	}
	return all
}

// Draft reports whether no native speaker has read the page. English is what it
// was written in.
func (v *view) Draft() bool {
	l := v.texts.Language
	return !l.Reviewed && l.Tag != language.English
}

// isolated keeps a name or a date of another direction from disturbing the
// sentence around it (UAX #9 §6.3). Controls of direction inside of it are left
// out: with them it could end what keeps it.
func isolated(text string) string {
	bare := strings.Map(func(r rune) rune {
		if '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069' {
			return -1
		}
		return r
	}, text)
	return "\u2068" + bare + "\u2069"
}

// option is one of several languages or countries.
type option struct {
	Name     string
	Language string // of the name
	Dir      string
	URL      string
	Current  bool
}

func (v *view) Languages() []option {
	var all []option
	for _, l := range v.page.offered {
		all = append(all, option{l.Name, l.String(), l.Dir(), v.link(l, v.choice.country), l == v.texts.Language})
	}
	return all
}

func (v *view) LanguageCount() string { return v.texts.Count("languages", len(v.page.offered)) }

// Countries returns the countries to choose from; none where the page is a file,
// which cannot choose.
func (v *view) Countries() []option {
	var all []option
	for _, p := range v.page.places {
		if to := v.link(v.texts.Language, p.Code); to != "" {
			all = append(all, option{Name: p.Autonym, Language: p.Tag, URL: to})
		}
	}
	return all
}

func (v *view) CountryCount() string { return v.texts.Count("countries", len(v.page.places)) }

// Places returns the countries whose helplines are shown.
func (v *view) Places() []helpline.Place {
	var all []helpline.Place
	for _, c := range v.countries {
		if c.Code != "" {
			all = append(all, c.Place)
		}
	}
	return all
}
