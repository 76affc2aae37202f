package sinkhole

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// MaxPage is the size that no page reaches, in bytes.
const MaxPage = 50_000

// Leave is where the control leads that leaves the page at once: a site that
// anybody may be seen to read, in any language.
const Leave = "https://www.wikipedia.org/"

//go:embed page.html
var pageHTML string

//go:embed page.css
var style string

//go:embed page.js
var script string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// PageConfig says what a page tells of who blocks, and whom it is for. The zero
// value is a page that knows nothing of either.
type PageConfig struct {
	Organization string
	Contacts     []string // mailto: and tel: URIs for those who were blocked by mistake
	Notices      []string // of a legal order: names of a database with the number in it
	// Countries are those whose helplines come first, as ISO 3166-1 codes in upper
	// case. Without any, the request's languages are asked.
	Countries []string
	// Languages are of the people behind the server, the most wanted first: for
	// requests that ask for none that the page has.
	Languages []language.Tag
	Directory *helpline.Directory // nil: the built-in one
	Now       func() time.Time    // nil: time.Now
}

// Page is the help page of one operator, in all languages. It is safe for
// concurrent use.
type Page struct {
	config  PageConfig
	offered []message.Language
	places  []helpline.Place
}

// NewPage returns the page of a configuration. An error names the country that
// the directory does not know, or the page that would be too large with so many
// helplines of the operator or countries.
func NewPage(c PageConfig) (*Page, error) {
	if c.Directory == nil {
		c.Directory = helpline.Builtin()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Page{config: c, offered: offer(c.Languages), places: c.Directory.Countries()}
	for _, code := range c.Countries {
		if !p.knows(code) {
			return nil, fmt.Errorf("no helplines are known for country %q", code)
		}
	}
	if err := p.checkSize(); err != nil {
		return nil, err
	}
	return p, nil
}

// offer returns all languages of the page, the wanted ones first.
func offer(wanted []language.Tag) []message.Language {
	var first []message.Language
	for _, tag := range wanted {
		if l := message.Match(tag); !slices.Contains(first, l) {
			first = append(first, l)
		}
	}
	return append(first, slices.DeleteFunc(slices.Clone(message.Languages()), func(l message.Language) bool {
		return slices.Contains(first, l)
	})...)
}

// ContentSecurityPolicy returns the policy of the page: nothing but its own style
// and script.
func (*Page) ContentSecurityPolicy() string {
	return "default-src 'none'; style-src '" + hash(style) + "'; script-src '" + hash(script) + "'; img-src data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// hash returns a hash source (CSP Level 3 §2.3.1).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Render returns the page as HTML, and the tag of its language.
func (p *Page) Render(w Wish) (html []byte, language string) {
	v := p.view(p.choose(w), w.Reason, w.Own)
	v.link = func(l message.Language, country string) string {
		q := url.Values{"lang": {l.String()}}
		if country != "" {
			q.Set("country", country)
		}
		return "?" + q.Encode()
	}
	return v.render(), v.texts.Language.String()
}

// Problem returns title and detail of a problem (RFC 9457 §3.1) for a program, and
// the tag of their language.
func (p *Page) Problem(w Wish) (title, detail, language string) {
	v := p.view(p.choose(w), w.Reason, false)
	return v.Title(), v.Who(), v.texts.Language.String()
}

// Static returns the page in each language as files that link to each other, by
// their names: index.html is the one that the operator's languages ask for. No
// country is guessed, since the reader of a file cannot choose another. own is as
// in Wish. The files are good until a number in one of them expires, zero
// if there is no number in any.
func (p *Page) Static(reason policy.Reason, own bool) (files map[string][]byte, until time.Time) {
	files = make(map[string][]byte)
	for _, l := range p.offered {
		v := p.view(choice{language: l, countries: p.config.Countries}, reason, own)
		v.link = fileOf
		files[l.String()+".html"] = v.render()
		if at := v.expires(); until.IsZero() || !at.IsZero() && at.Before(until) {
			until = at
		}
	}
	files["index.html"] = files[p.language(nil).String()+".html"]
	return files, until
}

// fileOf returns the name of the file in a language.
func fileOf(l message.Language, country string) string {
	if country != "" {
		return ""
	}
	return l.String() + ".html"
}

// render writes the page.
func (v *view) render() []byte {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		panic(fmt.Sprintf("sinkhole: %v", err)) // of the template: no test passes
	}
	return b.Bytes()
}

// contact is a way to tell of a wrong block.
type contact struct {
	URL  template.URL
	Text string
}

// contactOf returns the link of a mailto: or tel: URI, which the directive has
// checked.
func contactOf(uri string) contact {
	_, rest, _ := strings.Cut(uri, ":")
	rest, _, _ = strings.Cut(rest, "?")
	text, err := url.PathUnescape(rest)
	if err != nil {
		text = rest
	}
	return contact{template.URL(uri), text}
}
