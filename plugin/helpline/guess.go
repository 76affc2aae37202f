package helpline

import "golang.org/x/text/language"

// Guess returns the code of a country that the languages a browser asks for
// point to, the most wanted first: the first region that one of them names, if
// the directory knows it; else the country whose main language one of them is,
// if that is the main language of no other. It returns "" when they point
// nowhere: English, Arabic or Spanish are spoken in many countries, and a number
// of the wrong one helps nobody.
func (d *Directory) Guess(tags []language.Tag) string {
	for _, t := range tags {
		region, confidence := t.Region()
		if place, ok := d.place(region.Canonicalize().String()); ok && confidence == language.Exact {
			return place.Code
		}
	}
	for _, t := range tags {
		if code := d.only(base(t)); code != "" {
			return code
		}
	}
	return ""
}

// only returns the code of the one country with this main language, "" where
// there are several or none.
func (d *Directory) only(wanted language.Base) string {
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
)
