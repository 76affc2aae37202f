package sinkhole

import (
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/policy"
)

// emergencyOf returns the section with the emergency numbers as text.
func emergencyOf(t *testing.T, p *Page, w Wish) string {
	t.Helper()
	w.Language, w.Reason = "en", policy.Blocked
	html, _ := p.Render(w)
	_, rest, ok := strings.Cut(string(html), `<section class="danger">`)
	section, _, end := strings.Cut(rest, "</section>")
	if !ok || !end {
		t.Fatal("the page has no such section")
	}
	return textOf(section)
}

// TestEmergency holds that each country has its own numbers, with all that they
// are for, even where another has the same.
func TestEmergency(t *testing.T) {
	for _, test := range []struct {
		countries []string
		want      string
	}{
		{[]string{"DE"}, "Are you in danger right now? Call: 112"},
		{[]string{"DE", "AT"}, "Are you in danger right now? Call: Deutschland 112 Österreich 112"},
		{[]string{"LU", "BE"}, "Are you in danger right now? Call: Lëtzebuerg 112 België 112"},
		{[]string{"JP"}, "Are you in danger right now? Call: 110 police 119 ambulance fire service"},
		{nil, "Are you in danger right now? Call the emergency number of your country."},
	} {
		if got := emergencyOf(t, pageAt(t, today, PageConfig{Countries: test.countries}), Wish{}); got != test.want {
			t.Errorf("%v: %q, want %q", test.countries, got, test.want)
		}
	}
}

// TestOwnEmergency holds that the number of a campus does not stand for that of
// the police.
func TestOwnEmergency(t *testing.T) {
	own, err := helpline.Parse(strings.NewReader("* | emergency | Campus security | 030 5555 | | | 2026-11-22\n"), "own.txt", today)
	if err != nil {
		t.Fatal(err)
	}
	p := pageAt(t, today, PageConfig{Directory: helpline.Builtin().With(own)})
	for country, want := range map[string]string{
		"":   "Are you in danger right now? Call: Campus security 030 5555 Are you in danger right now? Call the emergency number of your country.",
		"DE": "Are you in danger right now? Call: 112 Campus security 030 5555",
	} {
		if got := emergencyOf(t, p, Wish{Country: country}); got != want {
			t.Errorf("%q: %q, want %q", country, got, want)
		}
	}
}

// TestSeveralCountries holds that what is for every country does not stand under
// the name of one.
func TestSeveralCountries(t *testing.T) {
	html, _ := pageAt(t, today, PageConfig{Countries: []string{"GR", "DE"}}).Render(Wish{Language: "en"})
	text := textOf(string(html))
	if want := "Help in any country Child Helpline International"; !strings.Contains(text, want) {
		t.Errorf("lacks %q", want)
	}
	if bad := "Ελλάδα Take It Down"; strings.Contains(text, bad) {
		t.Errorf("says %q", bad)
	}
}
