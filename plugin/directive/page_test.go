package directive

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/helpline"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/sinkhole"
)

func TestParsePage(t *testing.T) {
	for properties, want := range map[string][]Listener{
		"page 192.0.2.1":                 {{netip.MustParseAddrPort("192.0.2.1:80"), false}},
		"page http://192.0.2.1":          {{netip.MustParseAddrPort("192.0.2.1:80"), false}},
		"page 192.0.2.1:8080 [::1]:8080": {{netip.MustParseAddrPort("192.0.2.1:8080"), false}, {netip.MustParseAddrPort("[::1]:8080"), false}},
		"page 2001:db8::1\npage [::1]":   {{netip.MustParseAddrPort("[2001:db8::1]:80"), false}, {netip.MustParseAddrPort("[::1]:80"), false}},
		"page off":                       nil,
		"page https://192.0.2.1\nhelp https://help.isp.example/":  {{netip.MustParseAddrPort("192.0.2.1:443"), true}},
		"page 192.0.2.1 https://[::]:8443\nauthority a.pem a.key": {{netip.MustParseAddrPort("192.0.2.1:80"), false}, {netip.MustParseAddrPort("[::]:8443"), true}},
	} {
		c, err := parse(block(properties), "")
		if err != nil {
			t.Errorf("%s: %v", properties, err)
		} else if !reflect.DeepEqual(c.Page.Listeners, want) {
			t.Errorf("%s: %v, want %v", properties, c.Page.Listeners, want)
		}
	}
}

func TestParsePageRefuses(t *testing.T) {
	var addresses []string
	for port := range maxListeners + 1 {
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", 8000+port))
	}
	many := "page " + strings.Join(addresses, " ")
	for properties, want := range map[string]string{
		"page":                                 "Corefile:2",
		"page help.example":                    "want an address",
		"page 192.0.2.1:0":                     "nobody can connect",
		"page [192.0.2.1":                      "want an address",
		"page 192.0.2.1]":                      "want an address",
		"page 224.0.0.1":                       "nobody can connect",
		"page ftp://192.0.2.1":                 "want an address, with http",
		"page 192.0.2.1 192.0.2.1:80":          "given twice",
		"page off 192.0.2.1":                   "Corefile:2",
		many:                                   "more than 16",
		"page https://192.0.2.1":               "needs a certificate",
		"authority a.pem a.key":                "needs a listener with TLS",
		"page 192.0.2.1\nauthority a a":        "needs a listener with TLS",
		"authority a.pem":                      "Corefile:2",
		"help http://help.isp.example/":        "want an address such as",
		"help https://":                        "want an address such as",
		"help mailto:help@isp.example":         "want an address such as",
		"help https://a:b@help.isp.example/":   "no user, query or fragment",
		"help https://help.isp.example/?x=1":   "no user, query or fragment",
		"help \"https://help.isp.example/#x\"": "no user, query or fragment",
		"country Germany":                      "is no country",
		"country D1":                           "is no country",
		"country DE de":                        "given twice",
		"country AT BE BG CY CZ":               "more than 4",
		"country ZZ":                           "no helplines are known",
		"helplines a b c d e f g h i":          "more than 8 files",
		"help https://127.0.0.1/":              "want a name",
		"helplines https://a.example/x":        "a file is meant",
		"action sinkhole":                      "needs the addresses of the page",
		"action sinkhole\npage 0.0.0.0":        "needs the addresses of the page",
		"action sinkhole\npage 127.0.0.1:8080": "one on port 80",
	} {
		_, err := parse(block(properties), "")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Corefile:") {
			t.Errorf("%s: error %v, want one with %q and the line", properties, err, want)
		} else if strings.Contains(err.Error(), "a:b@") {
			t.Errorf("%s: the error shows a password: %v", properties, err)
		}
	}
}

// TestSinkholeOfPage holds that blocked names lead to the page that is there.
func TestSinkholeOfPage(t *testing.T) {
	for properties, want := range map[string]string{
		"action sinkhole\npage 192.0.2.1 [2001:db8::1]:80":      "192.0.2.1 2001:db8::1",
		"page 192.0.2.1 192.0.2.2:8080\naction sinkhole":        "192.0.2.1",
		"page 192.0.2.1\naction sinkhole 198.51.100.1":          "198.51.100.1",
		"page [::ffff:192.0.2.1]:80 192.0.2.1\naction sinkhole": "192.0.2.1",
	} {
		if c := mustParse(t, properties); !slices.Equal(c.Answer.Addresses, addresses(want)) {
			t.Errorf("%s: %v, want %s", properties, c.Answer.Addresses, want)
		}
	}
}

// TestHelpIsAllowed holds that a list cannot take the page's own address away.
func TestHelpIsAllowed(t *testing.T) {
	p, _, err := load(t, "help https://help.isp.example:8443/page\nblock isp.example", "")
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Decide("help.isp.example.", netip.Addr{}); v.Blocked() {
		t.Error("the host of the help page is blocked")
	}
	if v := p.Decide("other.isp.example.", netip.Addr{}); !v.Blocked() {
		t.Error("a host beside it is not blocked")
	}
}

// TestHelpName holds that a browser finds the page at a name that it writes in
// another way.
func TestHelpName(t *testing.T) {
	c := mustParse(t, "help https://Hilfe.Schüler.example:8443/seite")
	if got := c.Page.Help.String(); got != "https://hilfe.xn--schler-5ya.example:8443/seite" {
		t.Errorf("help is at %s", got)
	}
}

// TestNewPage holds that what the directive says arrives on the page.
func TestNewPage(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own.txt")
	if err := os.WriteFile(own, []byte("DE | child | Frau Beispiel, Zimmer 12 | 030 1234567 | | | 2026-11-01\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, "organization \"Example School\"\ncontact mailto:it@school.example\ncountry de\nlanguage de\nreason censored\nincident lumen 42\nhelplines "+own)
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	helplines, err := c.ReadHelplines(now)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(own); err != nil { // it is read once
		t.Fatal(err)
	}
	p, err := c.NewPage(helplines, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	html, language := p.Render(sinkhole.Wish{Reason: policy.Censored})
	for _, want := range []string{"Example School", "it@school.example", "lumen 42", "Frau Beispiel, Zimmer 12", "030 1234567", "Deutschland"} {
		if !strings.Contains(string(html), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if language != "de" {
		t.Errorf("the page is in %s", language)
	}
}

func TestNewPageRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.txt")
	good := filepath.Join(dir, "good.txt")
	if err := os.WriteFile(good, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("DE | child | A\nDE | nothing | B | 110 | | | 2026-11-01\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for properties, want := range map[string]string{
		"helplines " + bad:                          "bad.txt:2:",
		"helplines " + bad + " absent":              "bad.txt:1:",
		"country XX\nhelplines " + good:             `"XX"`,
		"helplines " + dir:                          "Corefile:2: helplines: " + dir + ": is no regular file",
		"country DE\nhelplines " + good + " no.txt": "Corefile:3: helplines: ",
		"helplines no.txt\n\nhelplines " + dir:      "Corefile:4: helplines: " + dir,
	} {
		c := mustParse(t, properties)
		own, err := c.ReadHelplines(time.Now())
		if err == nil {
			_, err = c.NewPage(own, time.Now)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", properties, err, want)
		}
	}
}

// TestLinksAreProtected holds that no list can block a host that the page links
// to, whatever the country.
func TestLinksAreProtected(t *testing.T) {
	guard, err := Guard()
	if err != nil {
		t.Fatal(err)
	}
	page, err := mustParse(t, "").NewPage(nil, func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) })
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]bool{}
	for _, place := range helpline.Builtin().Countries() {
		html, _ := page.Render(sinkhole.Wish{Country: place.Code, Reason: policy.Blocked})
		for _, m := range regexp.MustCompile(`href="https://([^/"]+)`).FindAllStringSubmatch(string(html), -1) {
			hosts[m[1]] = true
		}
	}
	if len(hosts) < 100 {
		t.Errorf("only %d hosts found", len(hosts))
	}
	for host := range hosts {
		name, err := dnsname.Parse(host)
		if err != nil {
			t.Error(err)
		}
		if guard.Check(rule.Rule{Name: name, Trigger: rule.Subtree, Action: rule.Block}) == nil {
			t.Errorf("%s could be blocked", host)
		}
	}
}
