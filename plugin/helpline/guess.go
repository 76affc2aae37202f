package helpline

import "golang.org/x/text/language"

// Guess returns the code of a country that the languages a browser asks for
// point to, the most wanted first: the first region that one of them names; else
// the country whose main language one of them is, if that is the main language of
// no other. It returns "" when they point nowhere, or to a country that the
// directory does not know: English, Arabic or Spanish are spoken in many countries,
// and a number of the wrong one helps nobody.
//
// English is added by browsers themselves, as of the United States above all: what
// it names counts only as the first language, and the United States never.
func (d *Directory) Guess(tags []language.Tag) string {
	for i, t := range tags {
		region, confidence := t.Region()
		if confidence != language.Exact || !region.IsCountry() || base(t) == english && (i > 0 || region == unitedStates) {
			continue
		}
		place, _ := d.place(region.Canonicalize().String())
		return place.Code
	}
	for _, t := range tags {
		if code := d.countryOf(base(t)); code != "" {
			return code
		}
	}
	return ""
}

// countryOf returns the code of the one country with this main language, "" where
// there are several or none.
func (d *Directory) countryOf(wanted language.Base) string {
	found := ""
	for _, p := range d.places {
		if p.Tag == "" || p.base != wanted { // a country that only the operator has is without a language
			continue
		}
		if found != "" {
			return ""
		}
		found = p.Code
	}
	return found
}

// base returns the language of a tag without script and region. A language that
// has several written forms with tags of their own is one: Bokmål and Nynorsk
// are Norwegian.
func base(t language.Tag) language.Base {
	if macro, err := language.Macro.Canonicalize(t); err == nil {
		t = macro
	}
	b, _ := t.Base()
	if b == nynorsk {
		return norwegian
	}
	return b
}

var (
	nynorsk   = language.MustParseBase("nn")
	norwegian = language.MustParseBase("no")
	english   = language.MustParseBase("en")

	unitedStates = language.MustParseRegion("US")
)
