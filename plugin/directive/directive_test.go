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
	"github.com/nonudify/nonudify/plugin/feed"
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

// key reads a public key.
func key(t *testing.T, text string) feed.Key {
	t.Helper()
	k, err := feed.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
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
	builtin := []List{{Name: "builtin", Sources: []string{"builtin"}}}
	tests := []struct {
		properties string
		want       Config // Lists nil: the built-in one
	}{
		{"", Config{}},

		{"list builtin", Config{}},
		{"list builtin name own reason censored\ncontact tel:+15550100", Config{Lists: []List{{Name: "own", Sources: []string{"builtin"}, Reason: &censored}}, Answer: answer.Config{Contacts: []string{"tel:+15550100"}}}},
		{"list lists/nudify.txt", Config{Lists: []List{{Name: "nudify", Sources: []string{"lists/nudify.txt"}}}}},
		{"list nudify.txt", Config{Lists: []List{{Name: "nudify", Sources: []string{"nudify.txt"}}}}},
		{"list /no/such/nudify.v2.txt", Config{Lists: []List{{Name: "nudify.v2", Sources: []string{"/no/such/nudify.v2.txt"}}}}},
		{"list ./a/../b.rpz format rpz", Config{Lists: []List{{Name: "b", Sources: []string{"b.rpz"}, Format: list.RPZ}}}},
		{"list x.txt reason blocked format hosts name school", Config{Lists: []List{{Name: "school", Sources: []string{"x.txt"}, Format: list.Hosts, Reason: &blocked}}}},
		{"list x.txt format auto", Config{Lists: []List{{Name: "x", Sources: []string{"x.txt"}}}}},
		{"list ./builtin", Config{Lists: []List{{Name: "builtin", Sources: []string{"./builtin"}}}}}, // the file, not the built-in list
		{"list ./.nudify", Config{Lists: []List{{Name: ".nudify", Sources: []string{".nudify"}}}}},
		{"list builtin\nlist a.txt\nlist b.txt", Config{Lists: []List{builtin[0], {Name: "a", Sources: []string{"a.txt"}}, {Name: "b", Sources: []string{"b.txt"}}}}},
		{"list a.txt name " + strings.Repeat("n", maxListName), Config{Lists: []List{{Name: strings.Repeat("n", maxListName), Sources: []string{"a.txt"}}}}},
		{`list "my lists/a.txt"`, Config{Lists: []List{{Name: "a", Sources: []string{"my lists/a.txt"}}}}},

		{"list https://lists.example/nudify.txt", Config{Lists: []List{{Name: "nudify", Sources: []string{"https://lists.example/nudify.txt"}, Shrink: 20}}}},
		{"list https://lists.example", Config{Lists: []List{{Name: "lists", Sources: []string{"https://lists.example"}, Shrink: 20}}}},
		{"list https://a.example/x.txt https://192.0.2.1:8443/y.txt http://[2001:db8::1]/z.txt key RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH", Config{Lists: []List{{
			Name: "x", Sources: []string{"https://a.example/x.txt", "https://192.0.2.1:8443/y.txt", "http://[2001:db8::1]/z.txt"}, Keys: []feed.Key{key(t, "RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH")}, Shrink: 20,
		}}}},
		{"list https://lists.example/x.txt?token=1 name own id nudify.example key RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH key RWS1dv6hU9kqIrbQub4XcUY+MrYKGEZseQJiw3dArBJhPa/8sz0MIZZf signature https://lists.example/s refresh 1s shrink 5% max 64M format hosts", Config{Lists: []List{{
			Name: "own", Sources: []string{"https://lists.example/x.txt?token=1"}, ID: "nudify.example", Keys: []feed.Key{key(t, "RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH"), key(t, "RWS1dv6hU9kqIrbQub4XcUY+MrYKGEZseQJiw3dArBJhPa/8sz0MIZZf")},
			Signature: "https://lists.example/s", Refresh: time.Second, Shrink: 5, MaxBytes: 64 << 20, Format: list.Hosts,
		}}}},
		{"list a.txt key RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH signature sigs/a.sig shrink 0 max 100", Config{Lists: []List{{
			Name: "a", Sources: []string{"a.txt"}, Keys: []feed.Key{key(t, "RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH")}, Signature: "sigs/a.sig", Shrink: feed.NoFall, MaxBytes: 100,
		}}}},
		{"list https://lists.example/x.txt max 20k", Config{Lists: []List{{Name: "x", Sources: []string{"https://lists.example/x.txt"}, Shrink: 20, MaxBytes: 20 << 10}}}},
		{"list https://lists.example/x.txt shrink off max 1GiB", Config{Lists: []List{{Name: "x", Sources: []string{"https://lists.example/x.txt"}, MaxBytes: 1 << 30}}}},
		{"list axfr://192.0.2.1/Nudify.RPZ.", Config{Lists: []List{{Name: "Nudify.RPZ.", Sources: []string{"axfr://192.0.2.1/Nudify.RPZ."}, Format: list.RPZ, Shrink: 20}}}},
		{"list axfrs://ns1.example/rpz?tsig=k axfr://ns2.example:5353/rpz?tsig=k&algorithm=hmac-sha512 name z", Config{Lists: []List{{
			Name: "z", Sources: []string{"axfrs://ns1.example/rpz?tsig=k", "axfr://ns2.example:5353/rpz?tsig=k&algorithm=hmac-sha512"}, Format: list.RPZ, Shrink: 20,
		}}}},
		{"state /var/lib/nonudify", Config{State: "/var/lib/nonudify"}},
		{"start wait", Config{}},
		{"start open", Config{Open: true}},
		{"bootstrap 192.0.2.1 192.0.2.2:5353\nbootstrap 2001:db8::1 [2001:db8::2]:53", Config{Bootstrap: []netip.AddrPort{
			netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:5353"), netip.MustParseAddrPort("[2001:db8::1]:53"), netip.MustParseAddrPort("[2001:db8::2]:53"),
		}}},

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
		{"contact tel:+15550100\nreason censored", Config{Reason: policy.Censored, Answer: answer.Config{Contacts: []string{"tel:+15550100"}}}},

		{"contact mailto:help@school.example tel:+15550100\ncontact mailto:b@school.example", Config{Answer: answer.Config{Contacts: []string{"mailto:help@school.example", "tel:+15550100", "mailto:b@school.example"}, Mbox: "help.school.example."}}},
		{`organization "Example School"`, Config{Answer: answer.Config{Organization: "Example School"}}},
		{`justification de "Von der Schule gesperrt."`, Config{Answer: answer.Config{Justifications: just("de", "Von der Schule gesperrt.")}}},
		{"reason censored\ncontact tel:+15550100\nincident lumen 12345678\nincident other 9", Config{Reason: policy.Censored, Answer: answer.Config{Contacts: []string{"tel:+15550100"}, Incidents: []answer.Incident{{Database: "lumen", ID: "12345678"}, {Database: "other", ID: "9"}}}}},
		{"incident lumen 1\nlist builtin reason censored\ncontact tel:+15550100", Config{Lists: []List{{Name: "builtin", Sources: []string{"builtin"}, Reason: &censored}}, Answer: answer.Config{Contacts: []string{"tel:+15550100"}, Incidents: []answer.Incident{{Database: "lumen", ID: "1"}}}}},
		{"ttl 1s", Config{Answer: answer.Config{TTL: time.Second}}},
		{"ttl 24h", Config{Answer: answer.Config{TTL: 24 * time.Hour}}},
		{"ttl 1m30s", Config{Answer: answer.Config{TTL: 90 * time.Second}}},
		{"sde on", Config{}},
		{"sde off", Config{Answer: answer.Config{SDE: answer.SDEOff}}},
		{"sde encrypted", Config{Answer: answer.Config{SDE: answer.SDEEncrypted}}},

		{"inspect on", Config{}},
		{"inspect off", Config{InspectOff: true}},
		{"front on", Config{Front: true}},
		{"front off", Config{}},
		{"state dir\ntotals on", Config{State: "dir", Totals: true}},
		{"state dir\ntotals off", Config{State: "dir"}},
		{"totals off", Config{}},

		{"clients 10.0.0.0/8 192.0.2.1 ./pupils.txt\nclients 2001:db8::1/32", Config{Clients: Group{Literal: cidrs("10.0.0.0/8 192.0.2.1/32 2001:db8::/32"), Files: []string{"pupils.txt"}}}},
		{"except 10.9.9.9 /etc/staff", Config{Except: Group{Literal: cidrs("10.9.9.9/32"), Files: []string{"/etc/staff"}}}},

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
		{"incident", missing + "'incident'"}, {"ttl", missing + "'ttl'"}, {"sde", missing + "'sde'"}, {"inspect", missing + "'inspect'"}, {"front", missing + "'front'"}, {"totals", missing + "'totals'"},
		{"clients", missing + "'clients'"}, {"except", missing + "'except'"}, {"language", missing + "'language'"},
		{"state", missing + "'state'"}, {"start", missing + "'start'"}, {"bootstrap", missing + "'bootstrap'"},

		{"action nodata\naction nodata", "3: property 'action' is given twice"},
		{"reason blocked\nreason blocked", "3: property 'reason' is given twice"},
		{"organization A\norganization B", "3: property 'organization' is given twice"},
		{"ttl 1m\nttl 1m", "3: property 'ttl' is given twice"},
		{"sde on\nsde on", "3: property 'sde' is given twice"},
		{"inspect on\ninspect off", "3: property 'inspect' is given twice"},
		{"language de\nlanguage en", "3: property 'language' is given twice"},

		{"list ftp://lists.example/nudify.txt", "2: 'ftp://lists.example/nudify.txt': a list comes from https, http, axfr or axfrs, from a file, or is built in"},
		{"list https://:443/a.txt", "2: 'https://:443/a.txt' has no host"},
		{`list "https://lists.example/a.txt#part"`, "2: 'https://lists.example/a.txt' has a fragment, behind '#', which no server is told"},
		{"list https://lists.example:0/a.txt", "2: 'https://lists.example:0/a.txt' has no port that exists"},
		{"list https://lists..example/a.txt", "2: 'https://lists..example/a.txt': 'lists..example' is neither a name nor an address"},
		{"list https://me:secret@lists.example:99999/a.txt?token=secret", "2: 'https://lists.example:99999/a.txt' has no port that exists"},
		{"list \"https://me:secret@lists.example/%zz\"", "2: 'https://' is not a URL that can be read"},
		{"list http://me:secret@lists.example/a.txt?token=secret", "2: 'http://lists.example/a.txt': over plain http anybody on the way may change the list: it needs a key, or https"},
		{"list https://lists.example/a.txt http://lists.example/a.txt", "2: 'http://lists.example/a.txt': over plain http anybody on the way may change the list: it needs a key, or https"},
		{"list a.txt https://lists.example/a.txt", "2: 'a.txt': only a URL has mirrors"},
		{"list builtin https://lists.example/a.txt", "2: 'builtin': only a URL has mirrors"},
		{"list axfr://ns.example", "2: 'axfr://ns.example': want axfr://HOST[:PORT]/ZONE[?tsig=KEYNAME]"},
		{"list axfr://ns.example/a/b", "2: 'axfr://ns.example/a/b': want axfr://HOST[:PORT]/ZONE[?tsig=KEYNAME]"},
		{"list axfr://me:secret@ns.example/rpz", "2: 'axfr://ns.example/rpz': want axfr://HOST[:PORT]/ZONE[?tsig=KEYNAME]"},
		{"list axfr://ns.example/rpz?key=k", "2: 'axfr://ns.example/rpz': unknown option 'key': want tsig and algorithm, once each"},
		{"list axfr://ns.example/rpz?tsig=k&tsig=l", "2: 'axfr://ns.example/rpz': unknown option 'tsig': want tsig and algorithm, once each"},
		{"list axfr://ns.example/rpz?algorithm=hmac-sha512", "2: 'axfr://ns.example/rpz': an algorithm is of no use without tsig"},
		{"list axfr://ns.example/rpz axfr://ns2.example/other", "2: 'axfr://ns2.example/other' is no mirror of 'axfr://ns.example/rpz': mirrors have the same bytes, or the same zone"},
		{"list https://lists.example/a.txt axfr://ns.example/rpz", "2: 'axfr://ns.example/rpz' is no mirror of 'https://lists.example/a.txt': mirrors have the same bytes, or the same zone"},
		{"list axfr://ns.example/rpz format hosts", "2: 'axfr://ns.example/rpz': a zone is of format rpz"},
		{"list axfr://ns.example/rpz key RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH", "2: 'axfr://ns.example/rpz': a zone transfer has no signature of this kind: use tsig, and axfrs"},
		{"list https://lists.example/a.txt signature https://lists.example/a.sig", "2: a signature is of no use without a key"},
		{"list https://lists.example/a.txt key RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH signature axfr://ns.example/rpz", "2: 'axfr://ns.example/rpz': a signature is a file"},
		{"list builtin key RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH", "2: the built-in list is a part of the program: it is neither signed nor refreshed"},
		{"list builtin refresh 1h", "2: the built-in list is a part of the program: it is neither signed nor refreshed"},
		{"list a.txt refresh 999ms", "2: bad refresh '999ms': want a duration of 1s or more, such as 30m"},
		{"list a.txt refresh daily", "2: bad refresh 'daily': want a duration of 1s or more, such as 30m"},
		{"list a.txt shrink 100", "2: bad shrink '100': want a number of percent below 100, or off"},
		{"list a.txt shrink -1", "2: bad shrink '-1': want a number of percent below 100, or off"},
		{"list a.txt max 0", "2: bad max '0': want a number of bytes up to 16G, such as 64M"},
		{"list a.txt max 17G", "2: bad max '17G': want a number of bytes up to 16G, such as 64M"},
		{"list a.txt max 9223372036854775807G", "2: bad max '9223372036854775807G': want a number of bytes up to 16G, such as 64M"},
		{"list a.txt id \"\"", "2: list option 'id' is empty"},
		{"list a.txt max 1 max 2", "2: list option 'max' is given twice"},
		{"list a.txt key RWQ key RWQ", "2: \"RWQ\" is not a minisign public key, which is one line of 56 characters beginning with RW"},
		{"list https://lists.example/a.txt name x https://me:secret@mirror.example/a.txt?token=secret", "2: unknown list option 'https:/...@mirror.example/a.txt': want name, format, reason, key, signature, id, refresh, shrink, max, addresses; only URLs have mirrors, side by side"},
		{"list https:/me:secret@lists.example/a.txt", "2: 'https:/...@lists.example/a.txt' is no URL: two slashes follow the colon"},
		{"list a.txt format https://me:secret@lists.example/", "2: list option 'format' is no URL"},
		{"allow https://me:secret@lists.example/ok.txt", "2: 'https:/...@lists.example/ok.txt': a file is meant, not a URL; a list has one"},
		{"except https://me:secret@lists.example/ok.txt", "2: 'https:/...@lists.example/ok.txt': a file is meant, not a URL"},
		{"state \"\"", "2: the state directory has no name"},
		{"state a b", "2: Wrong argument count or unexpected line ending after 'b'"},
		{"state a\nstate b", "3: property 'state' is given twice"},
		{"start never", "2: unknown start 'never': want wait or open"},
		{"bootstrap dns.example", "2: 'dns.example' is not the address of a resolver: want 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53"},
		{"bootstrap 0.0.0.0", "2: '0.0.0.0': nobody answers at such an address"},
		{"bootstrap 192.0.2.1:0", "2: '192.0.2.1:0': nobody answers at such an address"},
		{"list a.txt name", "2: list option 'name' has no value"},
		{"list a.txt b.txt", "2: unknown list option 'b.txt': want name, format, reason, key, signature, id, refresh, shrink, max, addresses; only URLs have mirrors, side by side"},
		{"list a.txt keys RWQ", "2: unknown list option 'keys': want name, format, reason, key, signature, id, refresh, shrink, max, addresses; only URLs have mirrors, side by side"},
		{"list a.txt format xml", `2: unknown list format "xml": want auto, domains, hosts, wildcard, adblock, dnsmasq, unbound, rpz, hashes, compiled`},
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
		{"action sinkhole", "3: action sinkhole needs the addresses of the page: name them, or give 'page' one on port 80 that is not 0.0.0.0 or [::]"},
		{"action sinkhole help.example", "2: 'help.example' is not an address"},
		{"action sinkhole 192.0.2.1/32", "2: '192.0.2.1/32' is not an address"},
		{"action sinkhole 0.0.0.0", "2: bad sinkhole address 0.0.0.0: clients would connect to themselves"},
		{"ttl 5s\naction sinkhole ::", "3: bad sinkhole address ::: clients would connect to themselves"},
		{"action sinkhole 192.0.2.1 ::ffff:0.0.0.0", "2: bad sinkhole address 0.0.0.0: clients would connect to themselves"},
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
		{"ttl 5s\nreason censored\nsde off", "3: who is kept from a site by law must be told whom to ask: 'reason censored' needs a 'contact' or 'help'"},
		{"list builtin\nlist a.txt reason censored\nlist b.txt reason censored\norganization Court", "3: who is kept from a site by law must be told whom to ask: 'reason censored' needs a 'contact' or 'help'"},
		{"page 192.0.2.1\nreason censored", "3: who is kept from a site by law must be told whom to ask: 'reason censored' needs a 'contact' or 'help'"},

		{"ttl 60", "2: bad ttl '60': want a duration such as 60s or 5m"},
		{"ttl 0s", "2: bad ttl '0s': a denial must be cached for a second at least"},
		{"ttl 500ms", "2: bad ttl 500ms: want whole seconds from 1s to 24h0m0s"},
		{"ttl -5s", "2: bad ttl -5s: want whole seconds from 1s to 24h0m0s"},
		{"ttl 24h1s", "2: bad ttl 24h0m1s: want whole seconds from 1s to 24h0m0s"},
		{"ttl 1m 2m", "2: Wrong argument count or unexpected line ending after '2m'"},
		{"totals yes", "2: unknown setting 'yes': want totals on or off"},
		{"totals on\nttl 60s", "4: the totals are kept in the state directory: 'totals on' needs 'state'"},
		{"front yes", "2: unknown setting 'yes': want front on or off"},
		{"inspect yes", "2: unknown setting 'yes': want inspect on or off"},
		{"inspect on off", "2: Wrong argument count or unexpected line ending after 'off'"},
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
		got = append(got, l.Sources...)
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
