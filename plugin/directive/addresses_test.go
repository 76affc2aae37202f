package directive

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/policy"
)

func TestParseAddresses(t *testing.T) {
	for properties, want := range map[string]bool{
		"list a.rpz": false, "list a.rpz addresses off": false, "list a.rpz format hosts addresses off": false, "list builtin addresses off": false,
		"list a.rpz addresses on": true, "list a.rpz addresses on format rpz": true, "list a.rpz format rpz addresses on name b": true,
		"list https://lists.example/a.rpz addresses on": true, "list axfr://192.0.2.1/rpz addresses on": true,
		"inspect on\nlist a.rpz addresses on": true, "inspect off\nlist a.rpz addresses off": false,
	} {
		c, err := parse(block(properties), "")
		if err != nil {
			t.Errorf("%s: %v", properties, err)
			continue
		}
		feeds, err := c.Feeds()
		if err != nil {
			t.Fatal(err)
		}
		if c.Lists[0].Addresses != want || feeds[0].Config.Load.Addresses != want {
			t.Errorf("%s: %v in the list, %v in its feed", properties, c.Lists[0].Addresses, feeds[0].Config.Load.Addresses)
		}
	}
}

func TestParseAddressesErrors(t *testing.T) {
	const only = "'addresses on': only a list of format rpz has rules about addresses"
	const unseen = "'addresses on' does nothing with 'inspect off': addresses are found in answers only"
	for properties, want := range map[string]string{
		"list a.rpz addresses yes":                                      "2: unknown setting 'yes': want addresses on or off",
		"list a.rpz addresses":                                          "2: list option 'addresses' has no value",
		"list a.rpz addresses on addresses on":                          "2: list option 'addresses' is given twice",
		"list builtin addresses on":                                     "2: " + only,
		"list builtin\nlist a.txt format hosts addresses on":            "3: " + only,
		"list a.txt addresses on format hashes":                         "2: " + only,
		"list https://lists.example/a format domains addresses on":      "2: " + only,
		"inspect off\nlist builtin\nlist a.rpz addresses on":            "4: " + unseen,
		"list a.rpz addresses on\nlist b.rpz addresses on\ninspect off": "2: " + unseen,
	} {
		_, err := parse(block(properties), "")
		line, text, _ := strings.Cut(want, ": ")
		if want = "Corefile:" + line + " - Error during parsing: " + text; err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", properties, err, want)
		}
	}
}

// TestAddressesKeys: with addresses and without it is not the same feed.
func TestAddressesKeys(t *testing.T) {
	feeds, err := mustParse(t, "list a.rpz\nlist a.rpz name b addresses on\nlist a.rpz name c addresses off").Feeds()
	if err != nil {
		t.Fatal(err)
	}
	if feeds[0].Key == feeds[1].Key || feeds[0].Key != feeds[2].Key {
		t.Errorf("Keys: %q, %q, %q", feeds[0].Key, feeds[1].Key, feeds[2].Key)
	}
}

// TestPolicyAddresses: only a list that is told so blocks by address, never the
// directive's own addresses, and never what the guard keeps.
func TestPolicyAddresses(t *testing.T) {
	const zone = "@ SOA ns.rpz.example. host.rpz.example. 2 1 1 1 1\nbadsite.example CNAME .\nworse.example CNAME .\nworst.example CNAME .\n*.worst.example CNAME .\n" +
		"24.0.2.0.192.rpz-ip CNAME .\n8.0.0.0.185.rpz-ip CNAME .\n8.0.0.0.10.rpz-ip CNAME .\n128.1.zz.rpz-ip CNAME .\n"
	dir := files(t, "zone.rpz", zone)
	for properties, want := range map[string]string{
		"list zone.rpz":                                         "none none none",
		"list zone.rpz addresses off":                           "none none none",
		"list zone.rpz addresses on":                            "block none none",
		"list zone.rpz addresses on\naction sinkhole 192.0.2.1": "none none none",
		"list zone.rpz addresses on\npage 192.0.2.1":            "none none none",
		"list zone.rpz addresses on\npage [::ffff:192.0.2.1]:8": "none none none",
		"list zone.rpz addresses on\npage 192.0.2.2":            "block none none",
	} {
		p, editions, err := load(t, properties, dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range addresses("192.0.2.1 185.1.2.3 10.0.0.1") {
			got = append(got, p.DecideAddress("good.example.", "good.example.", a, netip.Addr{}).Action.String())
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: %s, want %s", properties, g, want)
		}
		checkAddressCounts(t, properties, editions[0])
	}
}

// checkAddressCounts wants the rules about addresses counted with the others.
func checkAddressCounts(t *testing.T, properties string, l *feed.List) {
	t.Helper()
	rules, refused, names := 4, 4, 3
	if strings.Contains(properties, "addresses on") {
		rules, refused, names = 5, 3, 4
		for i, want := range []error{policy.ErrShortPrefix, policy.ErrSpecial, policy.ErrSpecial} {
			if e := l.Refused[i]; e.Line != 7+i || !strings.HasSuffix(e.Error(), want.Error()) {
				t.Errorf("%s: refused %v, want %v", properties, e, want)
			}
		}
	}
	if l.Stats.Rules != rules || l.Stats.Refused != refused || l.Stats.Addresses != 4 || l.Set.Len() != names {
		t.Errorf("%s: %+v, a set of %d", properties, l.Stats, l.Set.Len())
	}
}
