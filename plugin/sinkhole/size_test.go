package sinkhole

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// own returns a directory with so many helplines of an operator in a country, the
// name of the first of them with so many bytes.
func own(country string, entries, name int) *helpline.Directory {
	var changes []helpline.Change
	for i := range entries {
		e := helpline.Entry{Country: country, Kind: helpline.Child, Local: true, Name: "A school", URL: fmt.Sprintf("https://a%d.school.example/", i)}
		if i == 0 {
			e.Name = strings.Repeat("n", name)
		}
		changes = append(changes, helpline.Change{Entry: e})
	}
	return helpline.Builtin().With(changes)
}

// TestSizeLimit: one byte more, which is in as many places as the helpline, is too
// much.
func TestSizeLimit(t *testing.T) {
	const entries = 10
	with := func(name int) PageConfig {
		return PageConfig{Organization: "Example School", Countries: []string{"DE"}, Directory: own("DE", entries, name)}
	}
	p := pageAt(t, today, with(1))
	w, least := p.largest()
	_, next := pageAt(t, today, with(2)).largest()
	html, _ := p.Render(w)
	if len(html) != least || next <= least {
		t.Fatalf("%+v: %d bytes, a page of %d, then one of %d", w, least, len(html), next)
	}
	fits := 1 + (MaxPage-1-least)/(next-least)
	c := with(fits)
	p = pageAt(t, today, c)
	if size := p.size(w); size >= MaxPage || size+next-least < MaxPage {
		t.Fatalf("%d bytes, and %d for one more letter", size, next-least)
	}
	for _, l := range message.Languages() {
		if size := p.size(Wish{Language: l.String(), Country: w.Country, Reason: policy.Censored}); size >= MaxPage {
			t.Errorf("%v: %d bytes", l, size)
		}
	}
	for _, place := range p.places {
		if size := p.size(Wish{Language: w.Language, Country: place.Code, Reason: policy.Censored}); size >= MaxPage {
			t.Errorf("%s: %d bytes", place.Code, size)
		}
	}
	c = with(fits + 1)
	c.Now = clockAt(today)
	_, err := NewPage(c)
	if err == nil || !strings.Contains(err.Error(), w.Language) || !strings.Contains(err.Error(), "DE]") || !strings.Contains(err.Error(), "the limit is 49999") {
		t.Errorf("one letter more: %v", err)
	}
}

func (p *Page) size(w Wish) int {
	html, _ := p.Render(w)
	return len(html)
}

// TestSizeCountries: many countries of the built-in directory are as much as many
// helplines of one's own, which may also be in a country that nobody has named, or
// in all.
func TestSizeCountries(t *testing.T) {
	many := PageConfig{}
	for _, place := range helpline.Builtin().Countries() {
		many.Countries = append(many.Countries, place.Code)
	}
	for _, test := range []struct {
		config PageConfig
		want   string
	}{
		{many, "bytes, and the limit is 49999"},
		{PageConfig{Countries: many.Countries[:3]}, ""},
		{PageConfig{Directory: own("DE", 1, 1)}, ""},
		{PageConfig{Directory: own("KI", 150, 1)}, "for [KI] would have"},
		{PageConfig{Directory: own(helpline.Everywhere, 150, 1)}, "for ["},
		{PageConfig{Countries: []string{"AT"}, Directory: own("DE", 150, 1)}, "for [DE AT] would have"},
	} {
		test.config.Now = clockAt(today)
		_, err := NewPage(test.config)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want %q", test.config.Countries, err, test.want)
		}
	}
}

// TestSizeLater: a page that grows when a number on it expires, and what there is
// for every country takes its place.
func TestSizeLater(t *testing.T) {
	now := today.AddDate(0, 7, 0) // no number of the built-in directory is left, which would shrink the page
	changes := []helpline.Change{{Replace: true, Entry: helpline.Entry{
		Country: "CM", Kind: helpline.Hotline, Local: true, Name: "A", Number: "12", Tel: "tel:12", ReadOn: now,
	}}, {Entry: helpline.Entry{ // with it the page goes on saying when numbers were read
		Country: "CM", Kind: helpline.Child, Local: true, Name: "B", Number: "13", Tel: "tel:13", ReadOn: now.AddDate(0, 5, 0),
	}}}
	p := pageAt(t, now, PageConfig{Countries: []string{"CM"}, Directory: helpline.Builtin().With(changes)})
	w, size := p.largest()
	sooner, later := pageAt(t, now.AddDate(0, 6, 0), p.config).size(w), pageAt(t, now.AddDate(0, 11, 0), p.config).size(w)
	if first := p.size(w); first >= size || max(sooner, later) != size {
		t.Errorf("%d bytes now, %d and %d later, and %d as the most", first, sooner, later, size)
	}
}
