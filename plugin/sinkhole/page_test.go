package sinkhole

import (
	"maps"
	"net/http"
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

func pageAt(t *testing.T, now time.Time, c Config) *Page {
	t.Helper()
	c.Now = func() time.Time { return now }
	p, err := NewPage(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// render returns the page for a browser that accepts these languages, after a
// click on a link with this query.
func render(p *Page, accepts, query string, reason policy.Reason, own bool) string {
	q, _ := url.ParseQuery(query)
	html, _ := p.Render(http.Header{"Accept-Language": {accepts}}, q, reason, own)
	return string(html)
}

// TestSize holds that no page is too large for a slow line, whatever the
// language and the country.
func TestSize(t *testing.T) {
	p := pageAt(t, today, Config{
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
		reason policy.Reason
		config Config
		want   []string
	}{
		{policy.Filtered, Config{}, []string{"filtered"}},
		{policy.Blocked, Config{}, []string{"blocked"}},
		{policy.Censored, Config{}, []string{"censored"}},
		{policy.Filtered, Config{Organization: "Home & Co"}, []string{"filtered_by"}},
		{policy.Blocked, Config{Organization: "Home & Co"}, []string{"blocked_by"}},
		{policy.Censored, Config{Organization: "Home & Co"}, []string{"censored_by"}},
	} {
		text := textOf(render(pageAt(t, today, test.config), "en", "", test.reason, false))
		for _, key := range []string{"filtered", "filtered_by", "blocked", "blocked_by", "censored", "censored_by"} {
			said := english.Text(key, message.Values{"Organization": "\u2068Home & Co\u2069"})
			if got, want := strings.Contains(text, said), slices.Contains(test.want, key); got != want && !strings.HasPrefix(said, "The law here") {
				t.Errorf("%v of %q: says %q: %v", test.reason, test.config.Organization, said, got)
			}
		}
	}
}

func TestNotices(t *testing.T) {
	p := pageAt(t, today, Config{Notices: []string{"lumen 12345678"}})
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
	html := render(pageAt(t, today, Config{Organization: "Example ISP", Contacts: []string{"tel:+15550100"}}), "en", "", policy.Blocked, true)
	for _, absent := range []string{"This page is blocked", "This site", "Example ISP", "Blocked by mistake", "noindex"} {
		if strings.Contains(html, absent) {
			t.Errorf("says %q", absent)
		}
	}
	for _, present := range []string{"<title>Help and support</title>", "It is not your fault"} {
		if !strings.Contains(html, present) {
			t.Errorf("does not say %q", present)
		}
	}
}

func TestContacts(t *testing.T) {
	html := render(pageAt(t, today, Config{Contacts: []string{"mailto:d%6Es@isp.example?subject=x%26y", "tel:+1-555-0100"}}), "en", "", policy.Blocked, false)
	for _, want := range []string{
		`<a href="mailto:d%6Es@isp.example?subject=x%26y"><bdi dir="ltr">dns@isp.example</bdi></a>`,
		`<a href="tel:&#43;1-555-0100"><bdi dir="ltr">&#43;1-555-0100</bdi></a>`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if html := render(pageAt(t, today, Config{}), "en", "", policy.Blocked, false); !strings.Contains(html, "Tell the people who run your network") {
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
		{"not a header;;", "", "ja", "ltr", []language.Tag{language.Japanese}},
	} {
		p := pageAt(t, today, Config{Languages: test.config})
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
		text := textOf(render(pageAt(t, today, Config{Countries: test.config}), test.accepts, test.query+"&lang=en", policy.Blocked, false))
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
		html := render(pageAt(t, now, Config{Countries: []string{"GB"}}), "en", "", policy.Blocked, false)
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
	if _, err := NewPage(Config{Countries: []string{"DE", "XX"}}); err == nil || !strings.Contains(err.Error(), `"XX"`) {
		t.Errorf("error %v", err)
	}
}

// TestAges holds that nobody under 18 is sent to a service for adults.
func TestAges(t *testing.T) {
	p := pageAt(t, today, Config{})
	for _, place := range helpline.Builtin().Countries() {
		v := p.view(choice{language: message.Languages()[0], countries: []string{place.Code}}, policy.Blocked, false)
		for _, g := range append(v.Remove(), v.Behaviour()...) {
			for _, s := range g.Services {
				if g.Title == v.T("under_18") && (s.Name == "StopNCII.org" || s.URL == "https://stopncii.org/" || s.Name == "Stop It Now") {
					t.Errorf("%s: %s is offered to people under 18", place.Code, s.Name)
				}
			}
		}
	}
}

// TestDrafts holds that a translation that nobody has checked says so.
func TestDrafts(t *testing.T) {
	p := pageAt(t, today, Config{})
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
	p := pageAt(t, today, Config{})
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
		if !strings.Contains(a, `rel="noreferrer noopener"`) || strings.Contains(a, `"http:`) {
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
	files := pageAt(t, today, Config{Languages: []language.Tag{language.German}}).Static(policy.Blocked, true)
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

// TestLinks holds that a choice of language keeps that of the country.
func TestLinks(t *testing.T) {
	html := render(pageAt(t, today, Config{}), "en", "country=AT", policy.Blocked, false)
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
	p, err := NewPage(Config{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p.Render(http.Header{"Accept-Language": {"de-DE,de;q=0.9"}}, nil, policy.Blocked, false)
	}
}
