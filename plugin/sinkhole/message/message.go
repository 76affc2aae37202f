// Package message holds what the help page says in every language that it
// speaks: catalogues of messages, who has read them, and which of them a person
// understands best.
//
// A catalogue is a file TAG.json in the format of go-i18n: a message is a
// string, or an object of plural forms by their CLDR category. That of English
// has a description of each message for those who translate it. languages.tsv
// names the catalogues. docs/translating.md says how to help. Programs carry the
// catalogues packed, as the generator in gen writes them: it must run after every
// change.
package message

import (
	_ "embed" // the table below
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed languages.tsv
var languagesTable string

// Language is one that the page is written in.
type Language struct {
	Tag      language.Tag
	Name     string // its own name for itself
	Reviewed bool   // a native speaker has read the catalogue
}

// String returns the tag as it stands in HTML (BCP 47).
func (l Language) String() string { return l.Tag.String() }

// Dir returns the direction of its script, "ltr" or "rtl", as it stands in
// HTML.
func (l Language) Dir() string {
	switch script, _ := l.Tag.Script(); script.String() {
	case "Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm", "Rohg":
		return "rtl"
	}
	return "ltr"
}

// languages are those of the table, in its order. English, the first, is what
// a language falls back to.
var languages = parseLanguages(languagesTable)

var matcher = sync.OnceValue(func() language.Matcher {
	tags := make([]language.Tag, len(languages))
	for i, l := range languages {
		tags[i] = l.Tag
	}
	return language.NewMatcher(tags)
})

// Languages returns the languages in the order in which they are offered. The
// slice is shared.
func Languages() []Language { return languages }

// neighbours are languages that the page lacks, with the one that those who speak
// them are taught at school or read every day.
var neighbours = map[string]string{
	"ast": "es", "br": "fr", "ca": "es", "ceb": "fil", "co": "fr", "eu": "es", "fo": "da", "fy": "nl", "gl": "es", "gsw": "de",
	"jv": "id", "kl": "da", "lb": "de", "ms": "id", "nds": "de", "nn": "nb", "no": "nb", "oc": "fr", "rm": "de", "se": "nb", "su": "id",
}

// Match returns the language that serves best who would like these, the most
// wanted first; English when none of them will do. A language stands in for
// another only where nearly all who want that one read it: for Russian none
// does, though Bulgarian looks like it to a machine.
func Match(wanted ...language.Tag) Language {
	for _, tag := range wanted {
		base, _ := tag.Base()
		if near := neighbours[base.String()]; near != "" {
			tag = language.Make(near)
			base, _ = tag.Base()
		}
		_, i, _ := matcher().Match(tag)
		if have, _ := languages[i].Tag.Base(); have == base {
			return languages[i]
		}
	}
	return languages[0]
}

// Lookup returns the language of exactly this tag, in any letter case.
func Lookup(tag string) (Language, bool) {
	for _, l := range languages {
		if strings.EqualFold(l.String(), tag) {
			return l, true
		}
	}
	return Language{}, false
}

// Catalogue is what the page says in one language. It is safe for concurrent
// use.
type Catalogue struct {
	Language Language
	messages *i18n.Localizer
}

// catalogues are read when they are asked for first: most servers need few.
var catalogues struct {
	sync.Mutex
	by map[string]*Catalogue
}

// In returns the catalogue of a language of the table.
func In(l Language) *Catalogue {
	catalogues.Lock()
	defer catalogues.Unlock()
	c := catalogues.by[l.String()]
	if c == nil {
		c = load(l, read(l.String()))
		if catalogues.by == nil {
			catalogues.by = make(map[string]*Catalogue)
		}
		catalogues.by[l.String()] = c
	}
	return c
}

// load makes a catalogue of its file.
func load(l Language, file []byte) *Catalogue {
	b := i18n.NewBundle(l.Tag)
	b.RegisterUnmarshalFunc("json", json.Unmarshal)
	b.MustParseMessageFileBytes(file, l.String()+".json") // tests read them all
	return &Catalogue{l, i18n.NewLocalizer(b, l.String())}
}

// Keys returns the keys of all messages, sorted.
func Keys() []string {
	var english map[string]any
	if err := json.Unmarshal(read("en"), &english); err != nil {
		panic(fmt.Sprintf("message: en.json: %v", err)) // no test passes
	}
	return slices.Sorted(maps.Keys(english))
}

// Values are what stands for the placeholders of a message, by their names.
type Values map[string]any

// Text returns the message of a key. One that the catalogue lacks is English.
// The key of no message at all is its own text, so that it is seen.
func (c *Catalogue) Text(key string, values Values) string {
	return c.localize(key, i18n.LocalizeConfig{MessageID: key, TemplateData: values})
}

// Count returns the message of a key in the plural form that n needs, with n
// for its placeholder Count.
func (c *Catalogue) Count(key string, n int) string {
	return c.localize(key, i18n.LocalizeConfig{MessageID: key, PluralCount: n, TemplateData: Values{"Count": n}})
}

func (c *Catalogue) localize(key string, config i18n.LocalizeConfig) string {
	text, err := c.messages.Localize(&config)
	switch english := languages[0]; {
	case err == nil:
		return text
	case c.Language != english: // the message or a plural form is missing
		return In(english).localize(key, config)
	}
	return key
}

// read returns the catalogue of a tag as JSON.
func read(tag string) []byte {
	text, err := unpack(tag)
	if err != nil {
		panic(fmt.Sprintf("message: %v", err)) // of languages.tsv without its catalogue; no test passes
	}
	return text
}
