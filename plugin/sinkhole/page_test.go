package sinkhole

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// today is a day on which all numbers of the directory are fresh.
var today = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func pageAt(t *testing.T, now time.Time, c PageConfig) *Page {
	t.Helper()
	c.Now = clockAt(now)
	p, err := NewPage(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func clockAt(now time.Time) func() time.Time { return func() time.Time { return now } }

// render returns the page for a browser that accepts these languages, after a
// click on a link with this query.
func render(p *Page, accepts, query string, reason policy.Reason, own bool) string {
	q, _ := url.ParseQuery(query)
	html, _ := p.Render(Wish{Accepted: accepts, Language: q.Get("lang"), Country: q.Get("country"), Reason: reason, Own: own})
	return string(html)
}

// TestSize holds that no page is too large for a slow line, whatever the
// language and the country.
func TestSize(t *testing.T) {
	p := pageAt(t, today, PageConfig{
		Organization: strings.Repeat("W", 128),
		Contacts:     []string{"mailto:" + strings.Repeat("w", 200) + "@isp.example", "tel:+15550100"},
	})
	most := 0
	for _, l := range message.Languages() {
		for _, place := range helpline.Builtin().Countries() {
			html := render(p, "", "lang="+l.String()+"&country="+place.Code, policy.Censored, false)
			most = max(most, len(html))
			if len(html) >= MaxPage {
				t.Errorf("%v, %s: %d bytes", l, place.Code, len(html))
			}
		}
	}
	t.Logf("the largest page has %d bytes", most)
}

func TestReasons(t *testing.T) {
	english := message.In(message.Match(language.English))
	for _, test := range []struct {
		reason       policy.Reason
		organization string
		want         string // the message
	}{
		{policy.Filtered, "", "filtered"},
		{policy.Blocked, "", "blocked"},
		{policy.Censored, "", "censored"},
		{policy.Filtered, "Home & Co", "filtered_by"},
		{policy.Blocked, "Home & Co", "blocked_by"},
		{policy.Censored, "Home & Co", "censored_by"},
	} {
		p := pageAt(t, today, PageConfig{Organization: test.organization})
		want := english.Text(test.want, message.Values{"Organization": "\u2068" + test.organization + "\u2069"})
		w := Wish{Accepted: "en", Reason: test.reason}
		if _, said, _ := p.Problem(w); said != want {
			t.Errorf("%v of %q: a problem says %q, want %q", test.reason, test.organization, said, want)
		}
		if said := p.view(p.choose(w), test.reason, false).Who(); said != want {
			t.Errorf("%v of %q: says %q, want %q", test.reason, test.organization, said, want)
		}
		if !strings.Contains(textOf(render(p, "en", "", test.reason, false)), "Blocked by mistake? "+want+" ") {
			t.Errorf("%v of %q: the page does not say %q", test.reason, test.organization, want)
		}
	}
}

func TestNotices(t *testing.T) {
	p := pageAt(t, today, PageConfig{Notices: []string{"lumen 12345678"}})
	for _, test := range []struct {
		reason policy.Reason
		own    bool
		want   bool
	}{
		{policy.Censored, false, true},
		{policy.Blocked, false, false},
		{policy.Filtered, false, false},
		{policy.Censored, true, false},
	} {
		if got := strings.Contains(render(p, "en", "", test.reason, test.own), "lumen 12345678"); got != test.want {
			t.Errorf("%v, own %v: notice shown: %v", test.reason, test.own, got)
		}
	}
}

// TestOwn holds that the page at the operator's own address does not speak of a
// site that was blocked.
func TestOwn(t *testing.T) {
	html := render(pageAt(t, today, PageConfig{Organization: "Example ISP", Contacts: []string{"tel:+15550100"}}), "en", "", policy.Blocked, true)
	for _, absent := range []string{"This page is blocked", "This site", "Blocked by mistake", "noindex"} {
		if strings.Contains(html, absent) {
			t.Errorf("says %q", absent)
		}
	}
	for _, present := range []string{"<title>Help and support</title>", "It is not your fault", "<bdi>Example ISP</bdi>", `href="tel:`} {
		if !strings.Contains(html, present) {
			t.Errorf("does not say %q", present)
		}
	}
}

func TestContacts(t *testing.T) {
	html := render(pageAt(t, today, PageConfig{Contacts: []string{"mailto:d%6Es@isp.example?subject=x%26y", "tel:+1-555-0100"}}), "en", "", policy.Blocked, false)
	for _, want := range []string{
		`<a href="mailto:d%6Es@isp.example?subject=x%26y"><bdi dir="ltr">dns@isp.example</bdi></a>`,
		`<a href="tel:&#43;1-555-0100"><bdi dir="ltr">&#43;1-555-0100</bdi></a>`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if html := render(pageAt(t, today, PageConfig{}), "en", "", policy.Blocked, false); !strings.Contains(html, "Tell the people who run your network") {
		t.Error("does not say whom to tell where no contact is known")
	}
}

func TestLanguages(t *testing.T) {
	for _, test := range []struct {
		accepts, query, want, dir string
		config                    []language.Tag
	}{
		{"", "", "en", "ltr", nil},
		{"de-AT,de;q=0.9", "", "de", "ltr", nil},
		{"de", "lang=ar", "ar", "rtl", nil},
		{"de", "lang=AR", "ar", "rtl", nil},
		{"de", "lang=tlh", "de", "ltr", nil},
		{"tlh", "", "fr", "ltr", []language.Tag{language.French}},
		{"de", "", "de", "ltr", []language.Tag{language.French}},
		{"de-DE,de;q=0.9,en_US.UTF-8;q=0.8", "", "de", "ltr", nil},
		{"not a header;;", "", "ja", "ltr", []language.Tag{language.Japanese}},
	} {
		p := pageAt(t, today, PageConfig{Languages: test.config})
		html := render(p, test.accepts, test.query, policy.Blocked, false)
		if want := `<html lang="` + test.want + `" dir="` + test.dir + `">`; !strings.Contains(html, want) {
			t.Errorf("%q, %q, %v: lacks %s", test.accepts, test.query, test.config, want)
		}
	}
}

func TestCountries(t *testing.T) {
	for _, test := range []struct {
		accepts, query string
		config         []string
		want           string // what follows the word country
	}{
		{"en-GB", "", nil, "United Kingdom"},
		{"ja", "", nil, "日本"},
		{"en", "", nil, "not chosen"},
		{"en-GB", "", []string{"AT", "DE"}, "Österreich, Deutschland"},
		{"en-GB", "country=FR", []string{"AT", "DE"}, "France, Österreich, Deutschland"},
		{"en-GB", "country=DE", []string{"AT", "DE"}, "Deutschland, Österreich"},
		{"en-GB", "country=XX", nil, "United Kingdom"},
		{"en-GB", "country=<script>", nil, "United Kingdom"},
	} {
		text := textOf(render(pageAt(t, today, PageConfig{Countries: test.config}), test.accepts, test.query+"&lang=en", policy.Blocked, false))
		if want := "Country " + test.want + " ·"; !strings.Contains(text, want) {
			t.Errorf("%q, %q, %v: lacks %q in %q", test.accepts, test.query, test.config, want, text[len(text)-2000:])
		}
	}
}

// TestExpiry shows a number on the last day on which it is known to be good, and
// its link alone on the next.
func TestExpiry(t *testing.T) {
	const number, link = `<bdi dir="ltr">0800 1111</bdi>`, `<a href="https://www.childline.org.uk/"`
	end := time.Date(2027, time.May, 22, 0, 0, 0, 0, time.UTC)
	for now, want := range map[time.Time]bool{end.Add(-time.Second): true, end: false} {
		html := render(pageAt(t, now, PageConfig{Countries: []string{"GB"}}), "en", "", policy.Blocked, false)
		if got := strings.Contains(html, number); got != want {
			t.Errorf("%v: number shown: %v", now, got)
		}
		if !strings.Contains(html, link) {
			t.Errorf("%v: link not shown", now)
		}
		if got := strings.Contains(html, "We last read these phone numbers on \u20682026-11-22\u2069."); got != want {
			t.Errorf("%v: date shown: %v", now, got)
		}
	}
}

// TestUnknownCountry refuses a country for which there is nothing to show.
func TestUnknownCountry(t *testing.T) {
	if _, err := NewPage(PageConfig{Countries: []string{"DE", "XX"}}); err == nil || !strings.Contains(err.Error(), `"XX"`) {
		t.Errorf("error %v", err)
	}
}

// TestAges holds that nobody under 18 is sent to a service for adults, and no
// adult to one for children alone.
func TestAges(t *testing.T) {
	p := pageAt(t, today, PageConfig{})
	for _, place := range helpline.Builtin().Countries() {
		v := p.view(choice{language: message.Languages()[0], countries: []string{place.Code}}, policy.Blocked, false)
		for _, g := range slices.Concat(v.Talk(), v.Remove(), v.Behaviour()) {
			for _, s := range g.Services {
				if g.Title == v.T("under_18") && slices.Contains([]string{"StopNCII.org", "Stop It Now", "Troubled Desire"}, s.Name) {
					t.Errorf("%s: %s is offered to people under 18", place.Code, s.Name)
				}
			}
		}
		for _, g := range v.Talk() {
			for _, s := range g.Services {
				child := func(e helpline.Entry) bool { return e.Name == s.Name }
				if g.Title == v.T("from_18") && (s.Name == "Child Helpline International" || slices.ContainsFunc(v.countries[0].Child, child)) {
					t.Errorf("%s: %s is offered to adults to talk to", place.Code, s.Name)
				}
			}
		}
	}
}

// TestTalk shows who is there for whom to talk to, where there is a helpline for
// children and where there is none.
func TestTalk(t *testing.T) {
	for _, test := range []struct {
		countries []string
		want      string
	}{
		{[]string{"GB"}, "under 18: Childline, Childline; 18 or over: Find A Helpline"},
		{[]string{"CM"}, "under 18: Child Helpline International, Find A Helpline; 18 or over: Find A Helpline"},
		{nil, "under 18: Child Helpline International, Find A Helpline; 18 or over: Find A Helpline"},
		{[]string{"GB", "CM"}, "under 18: Childline, Childline; under 18: Child Helpline International, Find A Helpline; 18 or over: Find A Helpline"},
	} {
		v := pageAt(t, today, PageConfig{Countries: test.countries}).view(choice{language: message.Match(language.English), countries: test.countries}, policy.Blocked, false)
		ages := map[string]string{v.T("under_18"): "under 18", v.T("from_18"): "18 or over"}
		var said []string
		for _, g := range v.Talk() {
			var names []string
			for _, s := range g.Services {
				names = append(names, s.Name)
			}
			said = append(said, ages[g.Title]+": "+strings.Join(names, ", "))
		}
		if got := strings.Join(said, "; "); got != test.want {
			t.Errorf("%v: %s\nwant %s", test.countries, got, test.want)
		}
	}
}

// TestAbout holds that whatever is there for every country is explained.
func TestAbout(t *testing.T) {
	ids := map[string]bool{}
	for _, place := range helpline.Builtin().Countries() {
		for e := range helpline.Builtin().Country(place.Code, today).Entries() {
			if e.ID != "" {
				ids[e.ID] = true
			}
		}
	}
	got, want := slices.Sorted(maps.Keys(about)), slices.Sorted(maps.Keys(ids))
	if !slices.Equal(got, want) {
		t.Errorf("explains %q, the directory has %q", got, want)
	}
}

// TestNameless holds that an emergency number, which has no name, is not behind an
// empty one.
func TestNameless(t *testing.T) {
	html := render(pageAt(t, today, PageConfig{Countries: []string{"GB"}}), "en", "", policy.Blocked, false)
	if strings.Contains(html, "<span></span>") || !strings.Contains(html, `<li> <a class="number" href="tel:999">`) {
		t.Errorf("the page has %s", html[strings.Index(html, `class="danger"`):][:300])
	}
}

// TestDrafts holds that a translation that nobody has checked says so.
func TestDrafts(t *testing.T) {
	p := pageAt(t, today, PageConfig{})
	for _, l := range message.Languages() {
		html := render(p, "", "lang="+l.String(), policy.Blocked, false)
		if got, want := strings.Contains(html, message.In(l).Text("draft", nil)), !l.Reviewed && l.String() != "en"; got != want {
			t.Errorf("%v: says that it is a draft: %v", l, got)
		}
	}
}

// TestSelfContained holds that a page needs nothing from anywhere, and leaves
// nothing behind.
func TestSelfContained(t *testing.T) {
	p := pageAt(t, today, PageConfig{})
	html := render(p, "en", "", policy.Blocked, false)
	for _, bad := range []string{"src=", "@import", "url(", "<form", "<iframe", "<object", "cookie", "localStorage", "sessionStorage", "fetch(", "XMLHttp", "sendBeacon", "serviceWorker", "@font-face", " style=", "onclick"} {
		if strings.Contains(html, bad) {
			t.Errorf("has %q", bad)
		}
	}
	for _, link := range regexp.MustCompile(`<link[^>]*>`).FindAllString(html, -1) {
		if link != `<link rel="icon" href="data:,">` {
			t.Errorf("has %s", link)
		}
	}
	for _, a := range regexp.MustCompile(`<a [^>]*href="https?:[^>]*>`).FindAllString(html, -1) {
		if !strings.Contains(a, `rel="noreferrer"`) || strings.Contains(a, `"http:`) {
			t.Errorf("tells another site where its reader comes from: %s", a)
		}
	}
	if !strings.Contains(html, "<style>"+style+"</style>") || !strings.Contains(html, "<script>"+script+"</script>") {
		t.Error("style or script are not those that the policy has the hashes of")
	}
}

// TestUsed holds that every message is shown somewhere, and every one that is
// shown exists.
func TestUsed(t *testing.T) {
	inCode := map[string]bool{}
	for _, m := range regexp.MustCompile(`T "([a-z_0-9]+)"`).FindAllStringSubmatch(pageHTML, -1) {
		inCode[m[1]] = true
	}
	for _, key := range slices.Concat(slices.Collect(maps.Values(about)), slices.Collect(maps.Values(uses)), strings.Fields(
		"title help_title what help_what filtered filtered_by blocked blocked_by censored censored_by languages countries free website under_18 from_18 read_on")) {
		inCode[key] = true
	}
	for _, key := range message.Keys() {
		if !inCode[key] {
			t.Errorf("%s is said nowhere", key)
		}
		delete(inCode, key)
	}
	for key := range inCode {
		t.Errorf("%s is in no catalogue", key)
	}
}

// TestStatic holds that the files lead to each other, and to nothing that is not
// there.
func TestStatic(t *testing.T) {
	files, until := pageAt(t, today, PageConfig{Languages: []language.Tag{language.German}, Countries: []string{"AT"}}).Static(policy.Blocked, true)
	if want := time.Date(2027, time.May, 22, 0, 0, 0, 0, time.UTC); !until.Equal(want) {
		t.Errorf("good until %v, want %v", until, want)
	}
	if len(files) != len(message.Languages())+1 {
		t.Errorf("%d files for %d languages", len(files), len(message.Languages()))
	}
	if !strings.Contains(string(files["index.html"]), `<html lang="de"`) {
		t.Error("index.html is not in the language that was asked for")
	}
	for name, html := range files {
		for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(string(html), -1) {
			if to := m[1]; !strings.ContainsAny(to, ":#") && files[to] == nil {
				t.Errorf("%s leads to %q", name, to)
			}
		}
	}
}

// TestStaticGuessesNothing holds that a file shows no country's numbers for its
// language alone.
func TestStaticGuessesNothing(t *testing.T) {
	files, until := pageAt(t, today, PageConfig{}).Static(policy.Blocked, true)
	if html := string(files["ja.html"]); strings.Contains(html, `class="number"`) || !until.IsZero() {
		t.Errorf("the Japanese file has numbers, good until %v", until)
	}
	files, until = pageAt(t, today, PageConfig{Countries: []string{"JP"}}).Static(policy.Blocked, true)
	if html := string(files["de.html"]); !strings.Contains(html, `class="number"`) || until.IsZero() {
		t.Error("the German file lacks the numbers of the country")
	}
}

// TestOrganizationDirection holds that a name cannot turn the sentence around.
func TestOrganizationDirection(t *testing.T) {
	html := render(pageAt(t, today, PageConfig{Organization: "Ex\u2069\u202eample"}), "en", "", policy.Blocked, false)
	if !strings.Contains(html, "\u2068Example\u2069 runs") || strings.ContainsRune(html, '\u202e') {
		t.Error("the name's controls of direction are on the page")
	}
}

// TestLinks holds that a choice of language keeps that of the country.
func TestLinks(t *testing.T) {
	html := render(pageAt(t, today, PageConfig{}), "en", "country=AT", policy.Blocked, false)
	for _, want := range []string{`href="?country=AT&amp;lang=de"`, `href="?country=FR&amp;lang=en"`} {
		if !strings.Contains(html, want) {
			t.Errorf("lacks %s", want)
		}
	}
}

// textOf returns what a person reads of a page.
func textOf(html string) string {
	text := regexp.MustCompile(`(?s)<(style|script)>.*?</(style|script)>`).ReplaceAllString(html, " ")
	text = regexp.MustCompile(`</?bdi[^>]*>`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, " ")
	text = strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#39;", "'").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}

func BenchmarkRender(b *testing.B) {
	p, err := NewPage(PageConfig{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p.Render(Wish{Accepted: "de-DE,de;q=0.9"})
	}
}
