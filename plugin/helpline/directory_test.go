package helpline

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"
)

// texts returns name, number and link of each entry, for a look at once.
func texts(entries []Entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, strings.Join(strings.Fields(e.Name+" "+e.Number+" "+e.URL), " "))
	}
	return strings.Join(all, "; ")
}

func expect(t *testing.T, what string, entries []Entry, want string) {
	t.Helper()
	if got := texts(entries); got != want {
		t.Errorf("%s: got %s\nwant %s", what, got, want)
	}
}

// TestExpiry looks at both sides of the moment at which numbers expire.
func TestExpiry(t *testing.T) {
	day := time.Date(2027, 5, 22, 0, 0, 0, 0, time.UTC)
	before := Builtin().Country("ES", day.Add(-time.Nanosecond))
	expect(t, "before", before.Child, "Teléfono ANAR 900 20 20 10 https://www.anar.org/; Teléfono ANAR 116 111 https://www.anar.org/")
	if len(before.Emergency) == 0 {
		t.Error("no emergency number before")
	}
	after := Builtin().Country("ES", day)
	expect(t, "after", after.Child, "Teléfono ANAR https://www.anar.org/")
	for _, l := range lists(after) {
		for _, e := range l.entries {
			if e.Number != "" || e.Tel != "" {
				t.Errorf("%s: %s still has a number", l.name, e.Name)
			}
		}
	}
}

// TestExpiryKeepsLinks checks that no helpline is lost with its number.
func TestExpiryKeepsLinks(t *testing.T) {
	for _, p := range Builtin().Countries() {
		before, after := Builtin().Country(p.Code, read), Builtin().Country(p.Code, read.AddDate(1, 0, 0))
		for i, l := range lists(before) {
			if l.name == "emergency" {
				continue
			}
			for _, e := range l.entries {
				if e.URL != "" && !linked(lists(after)[i].entries, e.URL) {
					t.Errorf("%s %s: %s is lost", p.Code, l.name, e.Name)
				}
			}
		}
	}
}

func TestExpires(t *testing.T) {
	e := Entry{Number: "1", ReadOn: time.Date(2026, 8, 31, 0, 0, 0, 0, time.UTC)}
	if got := e.Expires().Format(time.DateOnly); got != "2027-03-03" { // there is no 31 February
		t.Errorf("expires on %s", got)
	}
	if got := (Entry{URL: "https://a.example/", ReadOn: e.ReadOn}).Expires(); !got.IsZero() {
		t.Errorf("a link expires on %v", got)
	}
}

func TestDue(t *testing.T) {
	first := time.Date(2027, 5, 22, 0, 0, 0, 0, time.UTC)
	if due := Builtin().Due(first.Add(-time.Nanosecond)); len(due) != 0 {
		t.Errorf("%d numbers too early, such as %v", len(due), due[0])
	}
	numbers := 0
	for e := range Builtin().all(time.Time{}) {
		if e.Number != "" {
			numbers++
		}
	}
	if due := Builtin().Due(first); len(due) != numbers || numbers < 200 {
		t.Errorf("%d of %d numbers are due", len(due), numbers)
	}
}

// TestEveryCountry checks what must hold wherever somebody is.
func TestEveryCountry(t *testing.T) {
	codes := []string{"", "XX", "KP", "gb"}
	for _, p := range Builtin().Countries() {
		codes = append(codes, p.Code)
	}
	for _, code := range codes {
		for _, now := range []time.Time{read, read.AddDate(2, 0, 0)} {
			c := Builtin().Country(code, now)
			for _, l := range lists(c) {
				optional := slices.Contains([]string{"emergency", "child", "carers", "centres"}, l.name)
				if len(l.entries) == 0 && !optional {
					t.Errorf("%s %s: nobody", code, l.name)
				}
				forMinors := l.name == "child" || strings.HasSuffix(l.name, "under 18")
				for _, e := range l.entries {
					if forMinors && (e.Age == Adults || e.ID == "stopncii") {
						t.Errorf("%s %s: %s is for adults", code, l.name, e.Name)
					}
					if strings.HasSuffix(l.name, "adults") && e.Age == Under18 {
						t.Errorf("%s %s: %s is for people under 18", code, l.name, e.Name)
					}
				}
			}
			last := c.Removal.Adults[len(c.Removal.Adults)-1]
			if last.ID != "take-it-down" {
				t.Errorf("%s: adults are sent to %s last", code, last.Name)
			}
		}
	}
}

func TestFallback(t *testing.T) {
	const (
		find   = "Find A Helpline https://findahelpline.com/"
		inhope = "INHOPE https://www.inhope.org/; NCMEC CyberTipline https://report.cybertip.org/"
		stop   = "Stop It Now https://www.stopitnow.org.uk/; Troubled Desire https://troubled-desire.com/"
		finder = "Child Helpline International https://childhelplineinternational.org/helplines/; " + find
		insafe = "Better Internet for Kids https://better-internet-for-kids.europa.eu/en/online-abuse-get-help-report"
		down   = "Take It Down https://takeitdown.ncmec.org/"
		ncii   = "StopNCII.org https://stopncii.org/"
	)
	now := read
	unknown := Builtin().Country("XX", now)
	expect(t, "hotlines", unknown.Hotlines, inhope)
	expect(t, "adults' behaviour", unknown.Behaviour.Adults, stop)
	expect(t, "minors' behaviour", unknown.Behaviour.Under18, finder)
	expect(t, "minors' removal", unknown.Removal.Under18, down)
	expect(t, "adults' removal", unknown.Removal.Adults, ncii+"; "+down)
	expect(t, "centres", unknown.Centres, "")
	expect(t, "minors' talk", unknown.Talk.Under18, finder)
	expect(t, "adults' talk", unknown.Talk.Adults, find)
	expect(t, "finders", unknown.Finders, finder)

	expect(t, "a centre outside the EU", Builtin().Country("KE", now).Centres, "")
	expect(t, "a country of Insafe", Builtin().Country("ES", now).Centres, insafe)
	expect(t, "a centre of one's own", Builtin().Country("AT", now).Centres, "Saferinternet.at https://www.saferinternet.at/")
	expect(t, "a hotline of one's own", Builtin().Country("AT", now).Hotlines, "Stopline https://www.stopline.at/")

	gb := Builtin().Country("GB", now)
	expect(t, "GB minors", gb.Removal.Under18,
		"Report Remove https://www.childline.org.uk/info-advice/bullying-abuse-safety/online-mobile-safety/report-remove/; "+down)
	expect(t, "GB minors' talk", gb.Talk.Under18, texts(gb.Child))
	expect(t, "GB adults' talk", gb.Talk.Adults, find)
	expect(t, "GB adults", gb.Removal.Adults, ncii+"; "+down)
	expect(t, "GB adults' behaviour", gb.Behaviour.Adults, "Stop It Now UK 0808 1000 900 https://www.stopitnow.org.uk/")
	expect(t, "GB minors' behaviour", gb.Behaviour.Under18, texts(gb.Child))

	// A service for young people does not stand in for one for adults.
	co := Builtin().Country("CO", now).Behaviour
	expect(t, "CO adults", co.Adults, stop)
	if co.Under18[0].Name != "Te Guío" || len(co.Under18) < 2 {
		t.Errorf("CO minors: %s", texts(co.Under18))
	}
	pl := Builtin().Country("PL", now)
	if len(pl.Child) != 1 || len(pl.Carers) != 1 || pl.Carers[0].Tel != "tel:+48800100100" {
		t.Errorf("PL: %s for children, %s for those who look after them", texts(pl.Child), texts(pl.Carers))
	}
}

// TestCountryEntries holds that Entries leaves no list out, and ends when it is
// told to.
func TestCountryEntries(t *testing.T) {
	for _, code := range []string{"", "GB", "PL", "CO"} {
		c := Builtin().Country(code, read)
		var want []Entry
		for _, l := range lists(c) {
			want = append(want, l.entries...)
		}
		if got := slices.Collect(c.Entries()); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s\nwant %s", code, texts(got), texts(want))
		}
		fields := 0
		for _, v := range reflect.ValueOf(c).Fields() {
			switch list := v.Interface().(type) {
			case []Entry:
				fields += len(list)
			case ByAge:
				fields += len(list.Under18) + len(list.Adults)
			}
		}
		if fields != len(want) {
			t.Errorf("%s: %d entries in the lists, %d are known here", code, fields, len(want))
		}
		for e := range c.Entries() {
			if e.Name != want[0].Name {
				t.Errorf("%s: begins with %s", code, e.Name)
			}
			break
		}
	}
}

func TestEmergencyUses(t *testing.T) {
	var got strings.Builder
	for _, e := range Builtin().Country("JP", read).Emergency {
		got.WriteString(e.Use.String() + " " + e.Tel + "; ")
	}
	if want := "police tel:110; ambulance tel:119; fire tel:119; "; got.String() != want {
		t.Errorf("got %s", got.String())
	}
}

func TestGuess(t *testing.T) {
	tests := []struct{ accept, want string }{
		{"de-AT,de;q=0.8", "AT"},
		{"de", ""},      // four countries
		{"en", ""},      // and more
		{"en-GB", "GB"}, // said expressly
		{"en-UK", "GB"},
		{"sv", "SE"},
		{"ja", "JP"},
		{"no", "NO"},
		{"nb", "NO"},
		{"nn", "NO"},
		{"iw", "IL"},
		{"tl", "PH"},
		{"pt", ""},
		{"pt-BR", "BR"},
		{"zh-Hant", ""}, // Hong Kong and Taiwan
		{"zh-Hant-TW", "TW"},
		{"zh-Hans", ""},
		{"el", ""}, // Greece and Cyprus
		{"en,sv;q=0.5", "SE"},
		{"sv,fi-FI;q=0.5", "FI"}, // what is said goes before what is guessed
		{"en-US,en;q=0.9", ""},   // the default of many browsers anywhere
		{"es-US,es;q=0.9", "US"},
		{"de,en-US;q=0.7,en;q=0.3", ""}, // as Firefox says it
		{"pl,en-US;q=0.7,en;q=0.3", "PL"},
		{"ja,en-US;q=0.7,en;q=0.3", "JP"},
		{"ar,en-US;q=0.7,en;q=0.3", ""},
		{"fr,en-CA;q=0.7", ""},
		{"sq-XK,sq;q=0.9", ""},        // not Albania
		{"sv-AX,sv;q=0.9", ""},        // not Sweden
		{"de-AQ,de-CH;q=0.5", ""},     // nobody lives there
		{"es-419,es;q=0.5", ""},       // Latin America
		{"en-001,ko;q=0.1", "KR"},     // the world
		{"tlh,x-private,*;q=0.1", ""}, // nowhere
		{"", ""},
	}
	for _, tt := range tests {
		tags, _, err := language.ParseAcceptLanguage(tt.accept)
		if err != nil {
			t.Fatal(err)
		}
		if got := Builtin().Guess(tags); got != tt.want {
			t.Errorf("Guess(%s) = %q, want %q", tt.accept, got, tt.want)
		}
	}
}

func TestHosts(t *testing.T) {
	hosts := Builtin().Hosts()
	for _, want := range []string{"www.childline.org.uk", "takeitdown.ncmec.org", "childhelplineinternational.org", "www.inhope.org"} {
		if !slices.Contains(hosts, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if !slices.IsSorted(hosts) || len(slices.Compact(slices.Clone(hosts))) != len(hosts) || slices.Contains(hosts, "") {
		t.Errorf("hosts %v", hosts)
	}
}

// TestZero checks that a directory without tables answers.
func TestZero(t *testing.T) {
	var d Directory
	for _, l := range lists(d.Country("DE", read)) {
		if len(l.entries) != 0 {
			t.Errorf("%s: %s", l.name, texts(l.entries))
		}
	}
	if d.Guess([]language.Tag{language.German}) != "" || d.Hosts() != nil || len(d.Countries()) != 0 {
		t.Error("an empty directory knows something")
	}
}

// TestCallersCannotChange checks that what a caller does to a list stays with
// it.
func TestCallersCannotChange(t *testing.T) {
	want := texts(Builtin().Country("GB", read).Child)
	clear(Builtin().Country("GB", read).Child)
	clear(Builtin().Countries())
	if got := texts(Builtin().Country("GB", read).Child); got != want || Builtin().Countries()[0].Code == "" {
		t.Errorf("got %s", got)
	}
}

func TestStrings(t *testing.T) {
	for _, tt := range []struct {
		value fmt.Stringer
		want  string
	}{
		{Child, "child"}, {Finder, "finder"}, {Kind(9), "kind(9)"},
		{Anyone, ""}, {PicturedUnder18, "pictured-under18"}, {Age(9), "age(9)"},
		{Unknown, ""}, {Mobile, "mobile"}, {Use(9), "use(9)"},
	} {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
