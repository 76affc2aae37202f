package helpline

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const school = `
# country | kind | name | number | link | ages | checked
DE | child | School counsellor, room 12 | 030 / 123 45-67 | https://school.example/help | under18 | 2026-11-01
 = DE |hotline| Our hotline || https://hotline.example/?from=page#form
*|emergency|Campus security|+49 (30) 5555|||2026-11-22
XK | child | Linja | 0800 12345 | | | 2026-11-22
`

func parse(t *testing.T, text string) []Change {
	t.Helper()
	changes, err := Parse(strings.NewReader(text), "local.txt", read)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func TestParse(t *testing.T) {
	var got strings.Builder
	for _, c := range parse(t, "\uFEFF"+strings.ReplaceAll(school, "\n", "\r\n")) {
		fmt.Fprintf(&got, "%s %s %q %s <%s> <%s> %q %v %v %s %s\n",
			c.Country, c.Kind, c.Name, c.Number, c.Tel, c.URL, c.Age, c.Replace, c.Local, c.Source, c.ReadOn.Format(time.DateOnly))
	}
	want := `DE child "School counsellor, room 12" 030 / 123 45-67 <tel:0301234567> <https://school.example/help> "under18" false true local.txt:3 2026-11-01
DE hotline "Our hotline"  <> <https://hotline.example/?from=page#form> "" true true local.txt:4 0001-01-01
* emergency "Campus security" +49 (30) 5555 <tel:+49305555> <> "" false true local.txt:5 2026-11-22
XK child "Linja" 0800 12345 <tel:080012345> <> "" false true local.txt:6 2026-11-22
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		line string
		want error
	}{
		{"DE | child", ErrColumns},
		{"DE | child | A | 1 | | | 2026-11-22 | more", ErrColumns},
		{"DE, child, A", ErrColumns},
		{"D | child | A | | https://a.example/", ErrCountry},
		{"de | child | A | | https://a.example/", ErrCountry},
		{"UK | child | A | | https://a.example/", ErrCountry},
		{"EU | child | A | | https://a.example/", ErrCountry},
		{"ZZ | child | A | | https://a.example/", ErrCountry},
		{"276 | child | A | | https://a.example/", ErrCountry},
		{"== | child | A | | https://a.example/", ErrCountry},
		{"DE | helpline | A | | https://a.example/", ErrKind},
		{"DE | | A | | https://a.example/", ErrKind},
		{"DE | child | | | https://a.example/", ErrName},
		{"DE | child | a\x00b | | https://a.example/", ErrName},
		{"DE | child | \u202Egnp.exe | | https://a.example/", ErrName},
		{"DE | child | " + strings.Repeat("ü", maxName+1) + " | | https://a.example/", ErrName},
		{"DE | child | \xff | | https://a.example/", ErrText},
		{"DE | child | A", ErrNeither},
		{"DE | child | A | | | | 2026-11-22", ErrNeither},
		{"DE | child | A | | http://intranet.example/", ErrLink},
		{"DE | child | A | | mailto:help@a.example", ErrLink},
		{"DE | child | A | | a.example/help", ErrLink},
		{"DE | child | A | | https:a.example", ErrLink},
		{"DE | child | A | | https:///help", ErrLink},
		{"DE | child | A | | https://intranet/", ErrLink},
		{"DE | child | A | | https://192.0.2.1/", ErrLink},
		{"DE | child | A | | https://[2001:db8::1]/", ErrLink},
		{"DE | child | A | | https://käfer.example/", ErrLink},
		{"DE | child | A | | https://A.example/", ErrLink},
		{"DE | child | A | | https://a..example/", ErrLink},
		{"DE | child | A | | https://user:secret@a.example/", ErrLink},
		{"DE | child | A | | https://a.example:77777/", ErrLink},
		{"DE | child | A | | https://a.example/a b", ErrLink},
		{"DE | child | A | | https://a.example/\"onclick", ErrLink},
		{"DE | child | A | | javascript:alert(1)", ErrLink},
		{"DE | child | A | 030 1234567", ErrUndated},
		{"DE | child | A | 030 1234567 | | | soon", ErrDay},
		{"DE | child | A | 030 1234567 | | | 2026-02-30", ErrDay},
		{"DE | child | A | 030 1234567 | | | 2026-11-24", ErrFuture},
		{"DE | child | A | | https://a.example/ | | 22.11.2026", ErrDay},
		{"DE | child | A | 1 | | | 2026-11-22", ErrNumber},
		{"DE | child | A | 1234567890123456 | | | 2026-11-22", ErrNumber},
		{"DE | child | A | 0800 HELP | | | 2026-11-22", ErrNumber},
		{"DE | child | A | 12+34 | | | 2026-11-22", ErrNumber},
		{"DE | child | A | ++4930 | | | 2026-11-22", ErrNumber},
		{"DE | child | A | ٠٣٠١٢٣ | | | 2026-11-22", ErrNumber},
		{"DE | child | A | +49 (0) 30 1234567 | | | 2026-11-22", ErrTrunk},
		{"DE | child | A | | https://a.example/ | 18+", ErrAge},
		{"=DE | emergency | Security | 110 | | | 2026-11-01", ErrEmergency},
		{"DE | removal | StopNCII | | https://stopncii.org/", ErrStopNCII},
		{"DE | removal | StopNCII | | https://www.stopncii.org/ | under18", ErrStopNCII},
		{"DE | child | A | | https://a.example/" + strings.Repeat("a", maxLine), ErrLine},
	}
	for _, tt := range tests {
		changes, err := Parse(strings.NewReader("# note\n"+tt.line+"\n"), "local.txt", read)
		if !errors.Is(err, tt.want) || changes != nil {
			t.Errorf("%q: got %v, want %v", tt.line, err, tt.want)
			continue
		}
		if !strings.HasPrefix(err.Error(), "local.txt:2: ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v", tt.line, err)
		}
	}
}

// TestParseTakes holds what is just good enough against the limits.
func TestParseTakes(t *testing.T) {
	for _, line := range []string{
		"DE | child | " + strings.Repeat("ü", maxName) + " | | https://a.example/",
		"DE | child | A | 12 | | | 2026-11-23", // it is tomorrow in Auckland
		"DE | child | A | +123456789012345 | | | 2020-01-01",
		"DE | child | A | | https://a.example:65535",
		"DE | child | \u0DC1\u0DCA\u200D\u0DBB\u0DD3 | | https://xn--kfer-5qa.example/%C3%BC",
	} {
		if changes := parse(t, line); len(changes) != 1 {
			t.Errorf("%q: %d entries", line, len(changes))
		}
	}
	if got := parse(t, ""); got != nil {
		t.Errorf("got %v from nothing", got)
	}
	start := "DE | child | A | | https://a.example/"
	parse(t, start+strings.Repeat("a", maxLine-len(start)))
}

// TestGuide reads the example in the guide for operators.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/helplines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(guide), "\n```\n# country")
	example, _, _ := strings.Cut(rest, "\n```\n")
	changes := parse(t, "# country"+example)
	if len(changes) != 3 || changes[0].Tel != "tel:0301234567" || !changes[2].Replace {
		t.Errorf("got %+v", changes)
	}
}

// TestParseReportsAll checks that one look at the errors is enough to mend a
// file, and that they have an end.
func TestParseReportsAll(t *testing.T) {
	_, err := Parse(strings.NewReader("x\nDE | child | A | | https://a.example/\ny\n\nDE | child | A | | https://a.example/"), "f", read)
	want := fmt.Sprintf("f:1: %v\nf:3: %v\nf:5: %v: f:2", ErrColumns, ErrColumns, ErrTwice)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Parse(strings.NewReader(strings.Repeat("x\n", maxErrors+5)), "f", read)
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != maxErrors+1 || lines[maxErrors] != "f: and 5 more lines that are refused" {
		t.Errorf("got %v", err)
	}
}

func TestParseLimits(t *testing.T) {
	var b strings.Builder
	for i := range MaxEntries {
		fmt.Fprintf(&b, "DE | child | A | | https://a%d.example/\n", i)
	}
	if changes := parse(t, b.String()); len(changes) != MaxEntries {
		t.Errorf("%d entries", len(changes))
	}
	b.WriteString("DE | child | A | | https://more.example/\n")
	if _, err := Parse(strings.NewReader(b.String()), "f", read); !errors.Is(err, ErrMany) {
		t.Errorf("one too many: %v", err)
	}

	full := strings.Repeat("#", MaxFile)
	parse(t, full)
	if _, err := Parse(strings.NewReader(full+"#"), "f", read); !errors.Is(err, ErrSize) {
		t.Errorf("a byte too many: %v", err)
	}
	endless := iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 2*MaxFile)))
	if _, err := Parse(endless, "f", read); !errors.Is(err, ErrSize) {
		t.Errorf("far too much: %v", err)
	}
	if left, _ := io.Copy(io.Discard, endless); left < MaxFile-1 {
		t.Errorf("read on behind the limit: %d bytes left", left)
	}
	broken := errors.New("broken")
	if _, err := Parse(iotest.ErrReader(broken), "f", read); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "f: ") {
		t.Errorf("got %v", err)
	}
}

func TestWith(t *testing.T) {
	d := Builtin().With(parse(t, school))
	de := d.Country("DE", read)
	built := Builtin().Country("DE", read)
	expect(t, "added", de.Child, "School counsellor, room 12 030 / 123 45-67 https://school.example/help; "+texts(built.Child))
	expect(t, "replaced", de.Hotlines, "Our hotline https://hotline.example/?from=page#form")
	expect(t, "everywhere", de.Emergency, texts(built.Emergency)+"; Campus security +49 (30) 5555")
	expect(t, "everywhere else", d.Country("FR", read).Emergency, texts(Builtin().Country("FR", read).Emergency)+"; Campus security +49 (30) 5555")
	expect(t, "left alone", d.Country("FR", read).Hotlines, texts(Builtin().Country("FR", read).Hotlines))
	expect(t, "the one before", Builtin().Country("DE", read).Hotlines, texts(built.Hotlines))

	xk := d.Country("XK", read)
	expect(t, "a new country", xk.Child, "Linja 0800 12345")
	if xk.Name != "XK" || d.Countries()[len(d.Countries())-1].Code != "XK" || len(Builtin().Country("XK", read).Code) != 0 {
		t.Errorf("a new country is %+v", xk.Place)
	}
	expect(t, "a number that expired", d.Country("XK", read.AddDate(0, 7, 0)).Child, "")
	expect(t, "a number that expired, with a link", d.Country("DE", time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC)).Child,
		"School counsellor, room 12 https://school.example/help; "+texts(built.Child))

	hosts := strings.Join(d.Hosts(), " ")
	if !strings.Contains(hosts, "school.example") || !strings.Contains(hosts, "hotline.example") {
		t.Errorf("hosts %s", hosts)
	}
	if strings.Contains(hosts, "www.internet-beschwerdestelle.de") {
		t.Error("the host of a replaced entry is still there")
	}
}

// TestWithFallback checks what is left of what there is for every country.
func TestWithFallback(t *testing.T) {
	inhope := texts(Builtin().Country("CM", read).Hotlines)
	tests := []struct{ file, code, want string }{
		{"CM | hotline | Ours | | https://ours.example/", "CM", "Ours https://ours.example/; " + inhope},
		{"=CM | hotline | Ours | | https://ours.example/", "CM", "Ours https://ours.example/"},
		{"=CM | hotline | Ours | 12 34 | | | 2026-01-01", "CM", inhope}, // it has expired
		{"* | hotline | Ours | | https://ours.example/", "CM", "Ours https://ours.example/; " + inhope},
		{"=* | hotline | Ours | | https://ours.example/", "CM", "Ours https://ours.example/"},
		{"=* | hotline | Ours | | https://ours.example/", "AT", "Ours https://ours.example/; Stopline https://www.stopline.at/"},
		{"=AT | hotline | Ours | | https://ours.example/", "CM", inhope},
	}
	for _, tt := range tests {
		expect(t, tt.file+" in "+tt.code, Builtin().With(parse(t, tt.file)).Country(tt.code, read).Hotlines, tt.want)
	}

	talk := Builtin().With(parse(t, "CM | finder | Ours | | https://ours.example/ | adults")).Country("CM", read)
	expect(t, "minors' talk", talk.Talk.Under18, texts(Builtin().Country("CM", read).Talk.Under18))
	expect(t, "minors' behaviour", talk.Behaviour.Under18, texts(Builtin().Country("CM", read).Talk.Under18))
	expect(t, "adults' talk", talk.Talk.Adults, "Ours https://ours.example/; Find A Helpline https://findahelpline.com/")

	removal := Builtin().With(parse(t, "=GB | removal | Ours | | https://ours.example/ | adults")).Country("GB", read).Removal
	expect(t, "minors", removal.Under18, "Take It Down https://takeitdown.ncmec.org/")
	expect(t, "adults", removal.Adults, "Ours https://ours.example/; StopNCII.org https://stopncii.org/; Take It Down https://takeitdown.ncmec.org/")

	twice := Builtin().With(parse(t, "=GB | hotline | One | | https://one.example/")).With(parse(t, "GB | hotline | Two | | https://two.example/"))
	expect(t, "twice", twice.Country("GB", read).Hotlines, "One https://one.example/; Two https://two.example/")
}

// FuzzParse checks that whatever a file holds, an error names the file, and an
// entry that is taken can stand on a page.
func FuzzParse(f *testing.F) {
	f.Add(school)
	f.Add("=* | removal | A | | https://a.example/ | adults\nx\n")
	f.Add("DE|child|A|+49 (0)30|https://a.example/|pictured-under18|2026-11-22")
	f.Fuzz(func(t *testing.T, text string) {
		changes, err := Parse(strings.NewReader(text), "local.txt", read)
		if err != nil {
			if changes != nil {
				t.Error("entries of a file that is refused")
			}
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "local.txt:") {
					t.Errorf("error %q", line)
				}
			}
			return
		}
		if len(changes) > MaxEntries {
			t.Errorf("%d entries", len(changes))
		}
		for _, c := range changes {
			if c.URL == "" && c.Tel == "" || c.URL != "" && !strings.HasPrefix(c.URL, "https://") {
				t.Errorf("link %q, tel %q", c.URL, c.Tel)
			}
			digits := strings.TrimPrefix(strings.TrimPrefix(c.Tel, "tel:"), "+")
			if strings.Trim(digits, "0123456789") != "" || (c.Tel == "") != (c.Number == "") {
				t.Errorf("number %q, tel %q", c.Number, c.Tel)
			}
			if c.Name == "" || strings.ContainsAny(c.Name+c.Number, "\n\r\t\x00") {
				t.Errorf("name %q, number %q", c.Name, c.Number)
			}
			if c.Number != "" && (c.ReadOn.IsZero() || c.ReadOn.After(read.AddDate(0, 0, 1))) {
				t.Errorf("number %q of %v", c.Number, c.ReadOn)
			}
		}
		d := Builtin().With(changes)
		for _, p := range d.Countries() {
			for _, l := range lists(d.Country(p.Code, read)) {
				for _, e := range l.entries {
					if e.Number == "" && e.URL == "" || strings.HasSuffix(l.name, "under 18") && e.Age == Adults {
						t.Errorf("%s %s: %+v", p.Code, l.name, e)
					}
				}
			}
		}
	})
}

// TestReplacementExpires: whose number has expired no longer stands in the place
// of the country's own helpline.
func TestReplacementExpires(t *testing.T) {
	end := time.Date(2027, time.May, 1, 0, 0, 0, 0, time.UTC)
	changes, err := Parse(strings.NewReader("=AT | child | School counsellor | 01 234567 | | under18 | 2026-11-01\n"), "own.txt", end)
	if err != nil {
		t.Fatal(err)
	}
	d := Builtin().With(changes)
	for at, want := range map[time.Time][]string{end.Add(-time.Second): {"School counsellor"}, end: {"Rat auf Draht"}} {
		var names []string
		for _, e := range d.Country("AT", at).Child {
			names = append(names, e.Name)
		}
		if !slices.Equal(names, want) {
			t.Errorf("%v: %q, want %q", at, names, want)
		}
	}
}
