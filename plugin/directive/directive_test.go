package directive

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy/caddyfile"
	"golang.org/x/text/language"

	"github.com/nonudify/nonudify/plugin/answer"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// parse reads the first directive of a Corefile's text.
func parse(text, root string) (*Config, error) {
	d := caddyfile.NewDispenser("Corefile", strings.NewReader(text))
	d.Next()
	return Parse(&d, root)
}

// block is a Corefile with a directive of these properties, the first of which
// stands in line 2.
func block(properties string) string { return "nonudify {\n" + properties + "\n}\n" }

func mustParse(t testing.TB, properties string) *Config {
	t.Helper()
	c, err := parse(block(properties), "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func subtree(a rule.Action, name dnsname.Name) rule.Rule {
	return rule.Rule{Name: name, Trigger: rule.Subtree, Action: a}
}

func addresses(text string) (as []netip.Addr) {
	for s := range strings.FieldsSeq(text) {
		as = append(as, netip.MustParseAddr(s))
	}
	return as
}

func cidrs(text string) (ps []netip.Prefix) {
	for s := range strings.FieldsSeq(text) {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// TestParse reads properties that are right. None of the files exists: parsing
// must not look.
func TestParse(t *testing.T) {
	censored, blocked := policy.Censored, policy.Blocked
	just := func(pairs ...string) (js []answer.Justification) {
		for i := 0; i < len(pairs); i += 2 {
			js = append(js, answer.Justification{Language: pairs[i], Text: pairs[i+1]})
		}
		return js
	}
	builtin := []List{{Name: "builtin", Source: "builtin"}}
	tests := []struct {
		properties string
		want       Config // Lists nil: the built-in one
	}{
		{"", Config{}},

		{"list builtin", Config{}},
		{"list builtin name own reason censored", Config{Lists: []List{{Name: "own", Source: "builtin", Reason: &censored}}}},
		{"list lists/nudify.txt", Config{Lists: []List{{Name: "nudify", Source: "lists/nudify.txt"}}}},
		{"list nudify.txt", Config{Lists: []List{{Name: "nudify", Source: "nudify.txt"}}}},
		{"list /no/such/nudify.v2.txt", Config{Lists: []List{{Name: "nudify.v2", Source: "/no/such/nudify.v2.txt"}}}},
		{"list ./a/../b.rpz format rpz", Config{Lists: []List{{Name: "b", Source: "b.rpz", Format: list.RPZ}}}},
		{"list x.txt reason blocked format hosts name school", Config{Lists: []List{{Name: "school", Source: "x.txt", Format: list.Hosts, Reason: &blocked}}}},
		{"list x.txt format auto", Config{Lists: []List{{Name: "x", Source: "x.txt"}}}},
		{"list ./builtin", Config{Lists: []List{{Name: "builtin", Source: "./builtin"}}}}, // the file, not the built-in list
		{"list ./.nudify", Config{Lists: []List{{Name: ".nudify", Source: ".nudify"}}}},
		{"list builtin\nlist a.txt\nlist b.txt", Config{Lists: []List{builtin[0], {Name: "a", Source: "a.txt"}, {Name: "b", Source: "b.txt"}}}},
		{"list a.txt name " + strings.Repeat("n", maxListName), Config{Lists: []List{{Name: strings.Repeat("n", maxListName), Source: "a.txt"}}}},
		{`list "my lists/a.txt"`, Config{Lists: []List{{Name: "a", Source: "my lists/a.txt"}}}},

		{"allow OK.example. bücher.example", Config{Allow: Names{Rules: []rule.Rule{subtree(rule.Pass, "ok.example"), subtree(rule.Pass, "xn--bcher-kva.example")}}}},
		{"allow ./ok.txt /etc/ok.txt ok.example", Config{Allow: Names{Files: []string{"ok.txt", "/etc/ok.txt"}, Rules: []rule.Rule{subtree(rule.Pass, "ok.example")}}}},
		{"allow com", Config{Allow: Names{Rules: []rule.Rule{subtree(rule.Pass, "com")}}}},
		{"block badsite.example\nblock lists/own.txt worse.example", Config{Block: Names{Files: []string{"lists/own.txt"}, Rules: []rule.Rule{subtree(rule.Block, "badsite.example"), subtree(rule.Block, "worse.example")}}}},
		{"block badsite.pages.dev", Config{Block: Names{Rules: []rule.Rule{subtree(rule.Block, "badsite.pages.dev")}}}},

		{"action nxdomain", Config{}},
		{"action nodata", Config{Answer: answer.Config{Action: answer.NoData}}},
		{"action shadow", Config{Shadow: true}},
		{"action sinkhole 192.0.2.1 2001:db8::1", Config{Answer: answer.Config{Action: answer.Sinkhole, Addresses: addresses("192.0.2.1 2001:db8::1")}}},
		{"reason filtered", Config{}},
		{"reason blocked", Config{Reason: policy.Blocked}},
		{"reason censored", Config{Reason: policy.Censored}},

		{"contact mailto:help@school.example tel:+15550100\ncontact mailto:b@school.example", Config{Answer: answer.Config{Contacts: []string{"mailto:help@school.example", "tel:+15550100", "mailto:b@school.example"}, Mbox: "help.school.example."}}},
		{`organization "Example School"`, Config{Answer: answer.Config{Organization: "Example School"}}},
		{`justification de "Von der Schule gesperrt."`, Config{Answer: answer.Config{Justifications: just("de", "Von der Schule gesperrt.")}}},
		{"reason censored\nincident lumen 12345678\nincident other 9", Config{Reason: policy.Censored, Answer: answer.Config{Incidents: []answer.Incident{{Database: "lumen", ID: "12345678"}, {Database: "other", ID: "9"}}}}},
		{"incident lumen 1\nlist builtin reason censored", Config{Lists: []List{{Name: "builtin", Source: "builtin", Reason: &censored}}, Answer: answer.Config{Incidents: []answer.Incident{{Database: "lumen", ID: "1"}}}}},
		{"ttl 1s", Config{Answer: answer.Config{TTL: time.Second}}},
		{"ttl 24h", Config{Answer: answer.Config{TTL: 24 * time.Hour}}},
		{"ttl 1m30s", Config{Answer: answer.Config{TTL: 90 * time.Second}}},
		{"sde on", Config{}},
		{"sde off", Config{Answer: answer.Config{SDE: answer.SDEOff}}},
		{"sde encrypted", Config{Answer: answer.Config{SDE: answer.SDEEncrypted}}},

		{"clients 10.0.0.0/8 192.0.2.1 ./pupils.txt\nclients 2001:db8::1/32", Config{Clients: Prefixes{Literal: cidrs("10.0.0.0/8 192.0.2.1/32 2001:db8::/32"), Files: []string{"pupils.txt"}}}},
		{"except 10.9.9.9 /etc/staff", Config{Except: Prefixes{Literal: cidrs("10.9.9.9/32"), Files: []string{"/etc/staff"}}}},

		{"language de-AT en", Config{Languages: []language.Tag{language.MustParse("de-AT"), language.English}}},
		{"language de-AT en\njustification en \"Blocked.\"\njustification fr \"Bloqué.\"\njustification de \"Gesperrt.\"",
			Config{Languages: []language.Tag{language.MustParse("de-AT"), language.English}, Answer: answer.Config{Justifications: just("de", "Gesperrt.", "fr", "Bloqué.", "en", "Blocked.")}}},
		{"justification en \"Blocked.\"\njustification de \"Gesperrt.\"\nlanguage de", // in any order
			Config{Languages: []language.Tag{language.German}, Answer: answer.Config{Justifications: just("de", "Gesperrt.", "en", "Blocked.")}}},
		{"language ja\njustification en \"Blocked.\"\njustification de \"Gesperrt.\"", // none fits: the first
			Config{Languages: []language.Tag{language.Japanese}, Answer: answer.Config{Justifications: just("en", "Blocked.", "de", "Gesperrt.")}}},
	}
	for _, tt := range tests {
		got, err := parse(block(tt.properties), "")
		if err != nil {
			t.Errorf("%s: %v", tt.properties, err)
			continue
		}
		if tt.want.Lists == nil {
			tt.want.Lists = builtin
		}
		if !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.properties, *got, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	const missing = "2: Wrong argument count or unexpected line ending after "
	tests := []struct{ properties, want string }{ // line and message
		{"colour red", "2: unknown property 'colour'"},
		{"LIST builtin", "2: unknown property 'LIST'"},
		{"\n# three\ncolour", "4: unknown property 'colour'"},
		{"{", "2: unknown property '{'"},
		{"list builtin {\n colour\n}", "3: unknown property 'colour'"},

		{"list", missing + "'list'"}, {"allow", missing + "'allow'"}, {"block", missing + "'block'"},
		{"action", missing + "'action'"}, {"reason", missing + "'reason'"}, {"contact", missing + "'contact'"},
		{"organization", missing + "'organization'"}, {"justification", missing + "'justification'"},
		{"incident", missing + "'incident'"}, {"ttl", missing + "'ttl'"}, {"sde", missing + "'sde'"},
		{"clients", missing + "'clients'"}, {"except", missing + "'except'"}, {"language", missing + "'language'"},

		{"action nodata\naction nodata", "3: property 'action' is given twice"},
		{"reason blocked\nreason blocked", "3: property 'reason' is given twice"},
		{"organization A\norganization B", "3: property 'organization' is given twice"},
		{"ttl 1m\nttl 1m", "3: property 'ttl' is given twice"},
		{"sde on\nsde on", "3: property 'sde' is given twice"},
		{"language de\nlanguage en", "3: property 'language' is given twice"},

		{"list https://lists.example/nudify.txt", "2: 'https://lists.example/nudify.txt': a list is builtin or the path of a file"},
		{"list axfr://ns.example/rpz", "2: 'axfr://ns.example/rpz': a list is builtin or the path of a file"},
		{"list a.txt name", "2: list option 'name' has no value"},
		{"list a.txt b.txt", "2: list option 'b.txt' has no value"},
		{"list a.txt key RWQ", "2: unknown list option 'key': want name, format or reason"},
		{"list a.txt format xml", `2: unknown list format "xml": want auto, domains, hosts, wildcard, adblock, dnsmasq, unbound, rpz`},
		{"list a.txt reason bad", `2: unknown reason "bad": want filtered, blocked or censored`},
		{"list a.txt name allow", "2: list name 'allow' is reserved for the property of that name"},
		{"list lists/block.txt", "2: list name 'block' is reserved for the property of that name"},
		{"list a.txt\nlist b/a.txt", "3: two lists are named 'a': give one of them another with 'name'"},
		{"list builtin\nlist builtin", "3: two lists are named 'builtin': give one of them another with 'name'"},
		{`list a.txt name "my list"`, "2: list name 'my list': want at most 64 printable characters without spaces"},
		{"list müll.txt", "2: list name 'müll': want at most 64 printable characters without spaces"},
		{"list a.txt name " + strings.Repeat("n", maxListName+1), "2: list name '" + strings.Repeat("n", maxListName+1) + "': want at most 64 printable characters without spaces"},
		{"list a.txt name " + strings.Repeat("n", 999), "2: list name '" + strings.Repeat("n", 80) + "': want at most 64 printable characters without spaces"},

		{"allow *.ok.example", "2: '*.ok.example': character that a domain name in a list cannot hold"},
		{"allow ok.example 192.0.2.1", "2: '192.0.2.1': is an address, not a name"},
		{"block ok..example", "2: 'ok..example': label is empty or longer than 63 characters"},
		{"block com", "2: 'com': a top-level domain is never blocked"},
		{"block badsite.example co.uk", "2: 'co.uk': a public suffix is never blocked: it would block everybody who registered a name under it"},
		{"block github.io", "2: 'github.io': a public suffix is never blocked: it would block everybody who registered a name under it"},
		{"block google.com", "2: 'google.com': a protected name is never blocked: people in need or millions of others use it"},
		{"block www.google.com", "2: 'www.google.com': a protected name is never blocked: people in need or millions of others use it"},
		{"block chat.childline.org.uk", "2: 'chat.childline.org.uk': a protected name is never blocked: people in need or millions of others use it"},

		{"action refuse", "2: unknown action 'refuse': want nxdomain, nodata, sinkhole or shadow"},
		{"action sinkhole", "2: bad sinkhole address: action sinkhole needs at least one"},
		{"action sinkhole help.example", "2: 'help.example' is not an address"},
		{"action sinkhole 192.0.2.1/32", "2: '192.0.2.1/32' is not an address"},
		{"action sinkhole 0.0.0.0", "2: bad sinkhole address 0.0.0.0: clients would connect to themselves"},
		{"action sinkhole 192.0.2.1 192.0.2.1", "2: bad sinkhole address 192.0.2.1: given twice"},
		{"action sinkhole 192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4", "2: bad sinkhole address 192.0.2.4: more than 3 of one family"},
		{"action sinkhole fe80::1%eth0", "2: bad sinkhole address fe80::1%eth0: a zone means nothing to a client"},
		{"action nxdomain 192.0.2.1", "2: bad sinkhole address 192.0.2.1: action nxdomain answers no address"},
		{"reason because", `2: unknown reason "because": want filtered, blocked or censored`},
		{"reason filtered blocked", "2: Wrong argument count or unexpected line ending after 'blocked'"},

		{"contact mailto:a@school.example help@school.example", `2: bad contact "help@school.example": want mailto:user@host.example or tel:+15550100`},
		{"contact https://school.example", `2: bad contact "https://school.example": want mailto:user@host.example or tel:+15550100`},
		{"organization Example School", "2: Wrong argument count or unexpected line ending after 'School'"},
		{`organization " "`, "2: bad organization: text is empty"},
		{"justification de", "2: Wrong argument count or unexpected line ending after 'de'"},
		{"justification de Gesperrt. Sofort.", "2: Wrong argument count or unexpected line ending after 'Sofort.'"},
		{"justification german Gesperrt.", `2: bad justification: "german" is not a language tag such as de or pt-BR`},
		{"justification de A\njustification de B", `3: bad justification: two for language "de"`},
		{"incident lumen", "2: Wrong argument count or unexpected line ending after 'lumen'"},
		{"incident lumen 1 2", "2: Wrong argument count or unexpected line ending after '2'"},
		{"incident lumen 1\nreason blocked", "4: an incident is the public notice of a legal order: it needs 'reason censored'"},

		{"ttl 60", "2: bad ttl '60': want a duration such as 60s or 5m"},
		{"ttl 0s", "2: bad ttl '0s': a denial must be cached for a second at least"},
		{"ttl 500ms", "2: bad ttl 500ms: want whole seconds from 1s to 24h0m0s"},
		{"ttl -5s", "2: bad ttl -5s: want whole seconds from 1s to 24h0m0s"},
		{"ttl 24h1s", "2: bad ttl 24h0m1s: want whole seconds from 1s to 24h0m0s"},
		{"ttl 1m 2m", "2: Wrong argument count or unexpected line ending after '2m'"},
		{"sde yes", `2: unknown setting "yes": want on, off or encrypted`},

		{"clients pupils.txt", `2: "pupils.txt" is not an address or a prefix; a file needs a slash, as in ./pupils.txt`},
		{"clients 10.0.0.0/33", `2: "10.0.0.0/33" is not an address or a prefix; a file needs a slash, as in ./10.0.0.0/33`},
		{"except ::ffff:0:0/90", `2: "::ffff:0:0/90" holds more than the IPv4 addresses; a file needs a slash, as in ./::ffff:0:0/90`},
		{"except 10.0.0.0/8 10.0.0.256", `2: "10.0.0.256" is not an address or a prefix; a file needs a slash, as in ./10.0.0.256`},
		{"language de german-", "2: 'german-' is not a language tag"},
		{"allow names.txt", "2: 'names.txt' looks like a file: write ./names.txt"},
	}
	for _, tt := range tests {
		line, message, _ := strings.Cut(tt.want, ": ")
		want := "Corefile:" + line + " - Error during parsing: " + message
		if c, err := parse(block(tt.properties), ""); err == nil || err.Error() != want {
			t.Errorf("%s: %+v\n got %v\nwant %s", tt.properties, c, err, want)
		}
	}
}

func TestParseZones(t *testing.T) {
	for text, want := range map[string]string{
		"nonudify":                              "",
		"nonudify {\n}":                         "",
		"nonudify Example.ORG 10.in-addr.arpa":  "example.org. 10.in-addr.arpa.",
		"nonudify example.org .":                "",
		"nonudify example.org {\n ttl 5s\n}":    "example.org.",
		"nonudify example.org {\n}\nother here": "example.org.",
	} {
		c, err := parse(text, "")
		if err != nil || strings.Join(c.Zones, " ") != want || len(c.Lists) != 1 {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
	for _, zone := range []string{"{}", "example.org{"} {
		_, err := parse("nonudify "+zone, "")
		want := "Corefile:1 - Error during parsing: '" + zone + "' is not a zone: a block opens with a brace of its own at the end of the line"
		if err == nil || err.Error() != want {
			t.Errorf("Zone %s: %v, want %s", zone, err, want)
		}
	}
}

// TestParseRoot: relative paths of every property are taken from the root.
func TestParseRoot(t *testing.T) {
	text := block("list a.txt\nlist ../b.txt\nlist /abs/c.txt\nlist builtin\nallow ./ok.txt\nblock own/bad.txt\nclients ./pupils\nexcept ./staff /abs/guests")
	c, err := parse(text, "/srv/dns")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range c.Lists {
		got = append(got, l.Source)
	}
	for _, files := range [][]string{c.Allow.Files, c.Block.Files, c.Clients.Files, c.Except.Files} {
		got = append(got, files...)
	}
	const want = "/srv/dns/a.txt /srv/b.txt /abs/c.txt builtin /srv/dns/ok.txt /srv/dns/own/bad.txt /srv/dns/pupils /srv/dns/staff /abs/guests"
	if strings.Join(got, " ") != want {
		t.Errorf("Paths are %q, want %q", got, want)
	}
}

func TestMailbox(t *testing.T) {
	for contacts, want := range map[string]string{
		"mailto:dns@isp.example":                                  "dns.isp.example.",
		"MAILTO:First.Last@ISP.example?subject=x":                 `first\.last.isp.example.`,
		"tel:+15550100 mailto:dns@isp.example mailto:b@x.example": "dns.isp.example.",
		"tel:+15550100": "",
		"mailto:" + strings.Repeat("a", 64) + "@b.example":    "",
		"mailto:" + strings.Repeat("a", 63) + "@b.example":    strings.Repeat("a", 63) + ".b.example.",
		"mailto:a%20b@isp.example":                            "",
		"mailto:a@" + strings.Repeat("long.", 30) + "example": "",
	} {
		if got := mailbox(strings.Fields(contacts)); got != want {
			t.Errorf("mailbox(%s) = %q, want %q", contacts, got, want)
		}
	}
}
