package sinkhole

import (
	"fmt"
	"slices"
	"time"

	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// checkSize refuses an operator's helplines, or countries, with which a page would
// reach MaxPage. One country of the built-in directory is far from it, which a
// test holds.
func (p *Page) checkSize() error {
	if len(p.config.Countries) < 2 && !p.config.Directory.HasLocal() {
		return nil
	}
	w, size := p.largest()
	if size < MaxPage {
		return nil
	}
	countries := p.choose(w).countries
	where := fmt.Sprint(countries)
	if len(countries) == 0 {
		where = "no country"
	}
	return fmt.Errorf("the help page in %s for %s would have %d bytes, and the limit is %d: name fewer helplines or countries", w.Language, where, size, MaxPage-1)
}

// largest returns what the largest page is made for, and its size in bytes. To
// render every page would take seconds. Languages differ in what is the same for
// all countries, and countries in whom they have: so the longest language is
// looked for without a country, then the longest country in it, then once more the
// longest language, now of this country.
func (p *Page) largest() (w Wish, size int) {
	var codes []string
	for _, place := range p.places {
		codes = append(codes, place.Code)
	}
	l := p.longestLanguage("")
	code := longest(codes, func(code string) int { return p.estimate(l, code) })
	l = p.longestLanguage(code)
	for _, now := range p.moments(l, code) {
		then := *p
		then.config.Now = func() time.Time { return now }
		for _, o := range []Wish{{Reason: policy.Filtered}, {Reason: policy.Blocked}, {Reason: policy.Censored}, {Own: true}} {
			o.Language, o.Country = l.String(), code
			if html, _ := then.Render(o); len(html) > size {
				w, size = o, len(html)
			}
		}
	}
	return w, size
}

// longestLanguage returns the language in which the page of a country is the
// longest.
func (p *Page) longestLanguage(code string) message.Language {
	return longest(p.offered, func(l message.Language) int { return p.estimate(l, code) })
}

// longest returns the first of those with the greatest size.
func longest[T any](all []T, size func(T) int) (found T) {
	most := -1
	for _, o := range all {
		if n := size(o); n > most {
			found, most = o, n
		}
	}
	return found
}

// estimate returns the size of a page without the choice of countries, which takes
// the longest to render and is the same on all pages.
func (p *Page) estimate(l message.Language, code string) int {
	return len(p.chosen(l, code).render())
}

// chosen returns a page without the choice of countries.
func (p *Page) chosen(l message.Language, code string) *view {
	v := p.view(p.choose(Wish{Language: l.String(), Country: code}), policy.Censored, false)
	v.link = fileOf
	return v
}

// moments returns the present and when a number on a page expires: what stands in
// for it may be longer.
func (p *Page) moments(l message.Language, code string) []time.Time {
	all := []time.Time{p.config.Now()}
	p.chosen(l, code).numbers(func(e helpline.Entry) bool {
		all = append(all, e.Expires())
		return true
	})
	slices.SortFunc(all, time.Time.Compare)
	return slices.Compact(all)
}
