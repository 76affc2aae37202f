package status

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// What the page says is in page.html and, for what is wrong, in warnings.go.

//go:embed page.html
var pageHTML string

//go:embed page.css
var style string

var pageTemplate = template.Must(template.New("status").Funcs(template.FuncMap{
	"time": day, "join": join, "ago": func(now, then time.Time) string { return span(now.Sub(then)) },
}).Parse(pageHTML))

// contentPolicy lets the page have its own style, and send its form to where it is from.
var contentPolicy = "default-src 'none'; style-src 'sha256-" + hashOf(style) + "'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// view is what the page shows.
type view struct {
	Report
	Asked      string // what is to be checked, as it was written
	Wrong      string // why it is no name
	Name       dnsname.Name
	Judgements []Judgement
}

// render returns the page.
func render(v view) []byte {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		panic(fmt.Sprintf("status: %v", err)) // of the template: no test passes
	}
	return b.Bytes()
}

// Style returns the style sheet.
func (view) Style() template.CSS { return template.CSS(style) }

// Running returns for how long the server runs.
func (v view) Running() string { return span(v.Now.Sub(v.Started)) }

// contact is a way to tell of a wrong block.
type contact struct {
	URL  template.URL
	Text string
}

// Contacts returns whom people are told to ask, each once.
func (v view) Contacts() (all []contact) {
	seen := map[string]bool{}
	for _, s := range v.Servers {
		for _, uri := range s.Contacts {
			if seen[uri] {
				continue
			}
			seen[uri] = true
			_, text, _ := strings.Cut(uri, ":")
			text, _, _ = strings.Cut(text, "?")
			if plain, err := url.PathUnescape(text); err == nil {
				text = plain
			}
			all = append(all, contact{template.URL(uri), text}) // mailto: or tel:, as the directive has checked
		}
	}
	return all
}

// chart is the counts by the hour as bars.
type chart struct {
	Sum, Most uint64
	Bars      []bar
}

// bar is one hour, in units of the chart, which is 480 wide and 100 high.
type bar struct {
	X, Y, Height uint64
	Label        string
	Count        uint64
}

const (
	barStep     = 10
	chartHeight = 100
)

// Chart returns the bars of the hours, the last one at the right.
func (v view) Chart() (c chart) {
	hours := v.Verdicts.Hours
	for i, h := range hours {
		b := bar{X: uint64(barStep * (maxHours - len(hours) + i)), Label: h.Start.UTC().Format("2006-01-02 15:04")}
		for _, n := range h.Counts {
			b.Count += n.Count
		}
		c.Sum, c.Most = c.Sum+b.Count, max(c.Most, b.Count)
		c.Bars = append(c.Bars, b)
	}
	for i := range c.Bars {
		b := &c.Bars[i]
		if b.Count > 0 {
			b.Height = max(1, uint64(float64(b.Count)/float64(c.Most)*chartHeight))
		}
		b.Y = chartHeight - b.Height
	}
	return c
}

// maxJoined is how many words of a long list the page shows.
const maxJoined = 20

// join writes words in a line.
func join(words []string) string {
	if more := len(words) - maxJoined; more > 0 {
		return strings.Join(words[:maxJoined], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(words, ", ")
}

// span writes a time for people, in its largest unit.
func span(d time.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		switch n := d / u.of; {
		case n == 1:
			return "1 " + u.name
		case n > 1:
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return "less than a minute"
}
