package helpline

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// read is a day on which every number of the tables is handed out: the one on
// which the first of them were read.
var read = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// sources returns the table of sources, by id.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("sources.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	last := ""
	err = eachRow(string(text), "id kind url day what", func(f []string) error {
		if f[0] <= last {
			t.Errorf("source %s does not belong behind %s", f[0], last)
		}
		last = f[0]
		rows[f[0]] = slices.Clone(f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestSources(t *testing.T) {
	kinds := []string{"directory", "plan", "compilation", "authority", "operator", "press", "collection", "code"}
	for id, f := range sources(t) {
		if !slices.Contains(kinds, f[1]) {
			t.Errorf("%s: kind %q", id, f[1])
		}
		if u, err := url.Parse(f[2]); err != nil || f[2] != "" && u.Host == "" {
			t.Errorf("%s: link %q", id, f[2])
		}
		if _, err := day(f[3]); err != nil && f[3] != "" {
			t.Errorf("%s: %v", id, err)
		}
		if f[4] == "" {
			t.Errorf("%s: nobody knows what it is", id)
		}
		if !slices.ContainsFunc(Builtin().entries, func(e Entry) bool { return slices.Contains(strings.Fields(e.Source), id) }) {
			t.Errorf("%s: no entry is from it", id)
		}
	}
}

func TestPlaces(t *testing.T) {
	order := collate.New(language.Und)
	places := Builtin().Countries()
	for i, p := range places {
		if !isCountry(p.Code) || p.Code == Everywhere || p.Name == "" || p.Autonym == "" {
			t.Errorf("place %+v", p)
		}
		if i > 0 && order.CompareString(places[i-1].Autonym, p.Autonym) > 0 {
			t.Errorf("%s does not belong behind %s", p.Autonym, places[i-1].Autonym)
		}
		if !slices.Contains(p.Languages, p.Tag) {
			t.Errorf("%s: %s is not among %v", p.Code, p.Tag, p.Languages)
		}
		tags(t, p.Code, p.Languages...)
		if n := slices.IndexFunc(places, func(o Place) bool { return o.Code == p.Code }); n != i {
			t.Errorf("%s stands there twice", p.Code)
		}
	}
	if len(places) < 125 {
		t.Errorf("%d countries: some were lost", len(places))
	}
}

// tags checks that each tag is well-formed, known and canonical.
func tags(t *testing.T, where string, all ...string) {
	t.Helper()
	for _, s := range all {
		if tag, err := language.Parse(s); err != nil || tag.String() != s {
			t.Errorf("%s: tag %q is %v, %v", where, s, tag, err)
		}
	}
}

// TestEntries holds every entry of the tables against the rules in
// docs/helplines.md.
func TestEntries(t *testing.T) {
	known := sources(t)
	for _, e := range Builtin().entries {
		where := e.Country + " " + e.Kind.String() + " " + e.Name + e.Number
		if _, ok := Builtin().place(e.Country); !ok && e.Country != Everywhere {
			t.Errorf("%s: country is not in countries.tsv", where)
		}
		if (e.Kind == Emergency) != (e.Name == "") || (e.Kind == Emergency) != (e.Use != Unknown) {
			t.Errorf("%s: name %q, use %v", where, e.Name, e.Use)
		}
		if strings.ContainsFunc(e.Name, unprintable) || digitsIn(e.Name) {
			t.Errorf("%s: a name holds no number: it would stay when the number expires", where)
		}
		if (e.Number == "") != (e.Tel == "") || e.Number == "" && e.URL == "" {
			t.Errorf("%s: number %q, tel %q, link %q", where, e.Number, e.Tel, e.URL)
		}
		if e.URL == "" && e.Kind == Child || e.URL != "" && !isLink(e.URL) {
			t.Errorf("%s: link %q", where, e.URL)
		}
		if strings.ContainsAny(e.URL, "?#") {
			t.Errorf("%s: link %q may tell where its reader comes from", where, e.URL)
		}
		for id := range strings.FieldsSeq(e.Source) {
			if _, ok := known[id]; !ok {
				t.Errorf("%s: source %q is not explained", where, id)
			}
		}
		if e.Source == "" || e.ReadOn.Before(read.AddDate(0, 0, -1)) {
			t.Errorf("%s: source %q, read %v", where, e.Source, e.ReadOn)
		}
		tags(t, where, e.Languages...)
		if e.NameTag != "" {
			tags(t, where, e.NameTag)
		}
	}
}

// digitsIn reports whether two digits follow one another in s.
func digitsIn(s string) bool {
	last := false
	for _, r := range s {
		is := '0' <= r && r <= '9'
		if is && last {
			return true
		}
		last = is
	}
	return false
}

// TestTablesAreSorted finds an entry that was put in the wrong place: countries
// in order, in each the kinds in order, and numbers in front of mere links.
func TestTablesAreSorted(t *testing.T) {
	var last Entry
	for _, e := range Builtin().entries {
		if e.Kind == Emergency || e.Country == Everywhere {
			continue
		}
		if last.Country > e.Country || last.Country == e.Country && last.Kind > e.Kind {
			t.Errorf("%s %s does not belong behind %s %s", e.Country, e.Name, last.Country, last.Name)
		}
		if last.Country == e.Country && last.Kind == e.Kind && last.Number == "" && e.Number != "" {
			t.Errorf("%s %s belongs in front of %s, which has no number", e.Country, e.Name, last.Name)
		}
		last = e
	}
}

// onlyWeak is how many numbers had a second source that is no better than
// somebody's code when the directory was begun. A new number needs two better
// ones: this figure may fall, never rise.
const onlyWeak = 5

// TestNumbersHaveTwoSources counts what vouches for each number. A numbering
// plan shows that a number is in use but not whose it is: it counts for
// emergency numbers, and for 116 111, which the plan gives to child helplines
// (Decision 2007/116/EC). All compilations are taken from Wikipedia, and are one.
func TestNumbersHaveTwoSources(t *testing.T) {
	known := sources(t)
	weak := 0
	for _, e := range Builtin().entries {
		if e.Number == "" {
			continue
		}
		good, code, compiled := 0, 0, false
		for id := range strings.FieldsSeq(e.Source) {
			switch kind := known[id][1]; {
			case kind == "code" || kind == "compilation" && compiled:
				code++
			case kind != "plan" || e.Kind == Emergency || e.Tel == "tel:116111":
				good++
			}
			compiled = compiled || known[id][1] == "compilation"
		}
		if good+code < 2 {
			t.Errorf("%s %s: %s stands on %s alone", e.Country, e.Name, e.Number, e.Source)
		}
		if good < 2 {
			weak++
			t.Logf("%s %s: %s stands on one good source", e.Country, e.Name, e.Number)
		}
	}
	if weak > onlyWeak {
		t.Errorf("%d numbers stand on one good source, want at most %d", weak, onlyWeak)
	}
}

// TestKnownMistakes keeps out numbers that were found wrong in public material,
// see docs/helplines.md.
func TestKnownMistakes(t *testing.T) {
	for _, m := range []struct{ country, tel string }{
		{"PS", "tel:121"}, {"PS", "tel:164"}, // two readings of one directory
		{"CN", "tel:116111"}, {"HK", "tel:116111"}, // what a directory shows where it knows nothing
		{"KR", "tel:+82273588894"}, {"KR", "tel:+8227358894"}, {"KR", "tel:0273588894"}, {"KR", "tel:027358894"}, // misprints of D4U
		{"AU", "tel:+611800016848"}, {"AU", "tel:1800016848"},
		{"CM", "tel:116"}, // not there yet
		{"BW", "tel:11611"},
		{"AT", "tel:116111"}, {"BE", "tel:116111"}, {"FR", "tel:116111"}, {"IT", "tel:116111"}, // not in every country of the EU
	} {
		for _, e := range Builtin().entries {
			if e.Country == m.country && e.Tel == m.tel {
				t.Errorf("%s %s has %s", e.Country, e.Name, e.Tel)
			}
		}
	}
	for _, e := range Builtin().entries {
		if e.Kind == Hotline && strings.Contains(e.Name, "Watch Foundation") && e.Number != "" {
			t.Errorf("the IWF has no telephone, got %s: that is Childline's", e.Number)
		}
		if e.Country == "GH" && e.Kind == Child {
			t.Errorf("Ghana has no child helpline yet, got %s", e.Name)
		}
	}
}

// TestNumbersAreFresh warns of numbers that expire soon. It does not fail, even
// when they have expired: what built yesterday must build today, and a page with
// links alone is right, if poorer. It says so where a log of CI shows it.
func TestNumbersAreFresh(t *testing.T) {
	warn := func(in string, at time.Time) int {
		due := Builtin().Due(at)
		if len(due) > 0 {
			t.Logf("%d numbers %s, the first is of %s: see docs/helplines.md", len(due), in, due[0].Country)
			_, err := os.Stderr.WriteString("warning: plugin/helpline: numbers " + in + ", see docs/helplines.md\n")
			if err != nil {
				t.Error(err)
			}
		}
		return len(due)
	}
	if warn("HAVE EXPIRED AND ARE NO LONGER SHOWN", time.Now()) == 0 {
		warn("expire within 60 days", time.Now().AddDate(0, 0, 60))
	}
}

func TestParseTablesRefuses(t *testing.T) {
	const (
		emergency = "country\tnumber\tuses\tsources\tread\n"
		services  = "country\tkind\tname\ttag\tnumber\ttel\tlink\tlanguages\tfree\tage\tsources\tread\n"
		global    = "id\tkind\tname\tlink\tage\tsources\tread\n"
		countries = "code\tname\tautonym\ttag\tlanguages\tnetwork\n"
	)
	tests := []struct{ name, countries, emergency, services, global, want string }{
		{"title", "code\tname\n", emergency, services, global, "countries.tsv:1: " + errTitle.Error()},
		{"columns", countries, emergency + "# note\nDE\t112\n", services, global, "emergency.tsv:3: " + errColumns.Error()},
		{"use", countries, emergency + "DE\t112\tall coastguard\ta\t2026-11-22\n", services, global, `emergency.tsv:2: "coastguard": ` + errWord.Error()},
		{"day", countries, emergency + "DE\t112\tall\ta\t22.11.2026\n", services, global, `emergency.tsv:2: "22.11.2026": ` + ErrDay.Error()},
		{"kind", countries, emergency, services + "DE\thelp\tX\t\t\t\thttps://x.example/\t\t\t\ta\t2026-11-22\n", global, `services.tsv:2: "help": ` + errWord.Error()},
		{"free", countries, emergency, services + "DE\tchild\tX\t\t\t\thttps://x.example/\t\tyes\t\ta\t2026-11-22\n", global, "services.tsv:2: " + errWord.Error()},
		{"age", countries, emergency, services, global + "x\tremoval\tX\thttps://x.example/\t18+\ta\t2026-11-22\n", `global.tsv:2: "18+": ` + errWord.Error()},
		{"network", countries + "DE\tGermany\tDeutschland\tde\tde\tinhope\n", emergency, services, global, "countries.tsv:2: " + errWord.Error()},
	}
	for _, tt := range tests {
		_, err := parseTables(tt.countries, tt.emergency, tt.services, tt.global)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}
