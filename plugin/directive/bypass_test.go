package directive

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/policy"
)

func TestParseBypass(t *testing.T) {
	for args, want := range map[string][]policy.Bypass{
		"canary": {policy.Canary}, "private-relay": {policy.PrivateRelay}, "doh": {policy.DoH},
		"doh canary private-relay": {policy.DoH, policy.Canary, policy.PrivateRelay},
	} {
		if got := mustParse(t, "bypass "+args).Bypass; !slices.Equal(got, want) {
			t.Errorf("%s became %v", args, got)
		}
	}
	if c := mustParse(t, "list builtin"); c.Bypass != nil {
		t.Errorf("Without the property: %v", c.Bypass)
	}
}

func TestParseBypassErrors(t *testing.T) {
	for properties, want := range map[string]string{
		"bypass":                           "2 - Error during parsing: Wrong argument count or unexpected line ending after 'bypass'",
		"bypass vpn":                       `2 - Error during parsing: unknown bypass "vpn": want canary, private-relay or doh`,
		"bypass none":                      `2 - Error during parsing: unknown bypass "none": want canary, private-relay or doh`,
		"bypass DOH":                       `2 - Error during parsing: unknown bypass "DOH": want canary, private-relay or doh`,
		"ttl 5s\nbypass doh canary doh":    "3 - Error during parsing: bypass 'doh' is given twice",
		"bypass doh\nbypass private-relay": "3 - Error during parsing: property 'bypass' is given twice",
		"list a.txt name bypass":           "2 - Error during parsing: list name 'bypass' is reserved for the property of that name",
	} {
		if _, err := parse(block(properties), ""); err == nil || err.Error() != "Corefile:"+want {
			t.Errorf("%s: %v, want %s", properties, err, want)
		}
	}
}

// names of each kind that the tests ask for.
var ways = map[policy.Bypass]string{policy.Canary: "use-application-dns.net.", policy.PrivateRelay: "mask-h2.icloud.com.", policy.DoH: "abc123.dns.nextdns.io."}

func TestLoadBypass(t *testing.T) {
	for _, given := range []string{"", "canary", "private-relay", "doh", "canary private-relay doh"} {
		properties := "block badsite.example"
		if given != "" {
			properties += "\nreason censored\ncontact tel:+15550100\nbypass " + given
		}
		p, _, err := load(t, properties, "")
		if err != nil {
			t.Fatal(err)
		}
		for k, name := range ways {
			want := "none"
			if slices.Contains(strings.Fields(given), k.String()) {
				want = "block bypass blocked 0" // whoever has decided about the lists
			}
			if got := decide(p, name, ""); got != want {
				t.Errorf("bypass %s: %s: %s, want %s", given, name, got, want)
			}
		}
	}
}

// TestLoadBypassPrecedence: what is listed stays listed, what is allowed passes.
func TestLoadBypassPrecedence(t *testing.T) {
	dir := files(t, "list.txt", "doh.ffmuc.net\n", "ok.txt", "dns.switch.ch\n")
	p, _, err := load(t, `
		list list.txt
		bypass doh canary
		allow abc123.dns.nextdns.io ./ok.txt
		clients 192.0.2.0/24
		except 192.0.2.128/25
	`, dir)
	if err != nil {
		t.Fatal(err)
	}
	const pupil, staff = "192.0.2.5", "192.0.2.200"
	for _, tt := range []struct{ qname, client, want string }{
		{"doh.ffmuc.net.", pupil, "block list filtered"},
		{"abc123.dns.nextdns.io.", pupil, "pass allow blocked 0"},
		{"dns.switch.ch.", pupil, "pass allow blocked 0"},
		{"dns.nextdns.io.", pupil, "block bypass blocked 0"},
		{"dns.nextdns.io.", staff, "none"},
		{"use-application-dns.net.", staff, "none"},
	} {
		if got := decide(p, tt.qname, tt.client); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s asked by %s: %s, want %s", tt.qname, tt.client, got, tt.want)
		}
	}
	if v := p.Decide("dns.nextdns.io.", netip.MustParseAddr(pupil)); !v.Open {
		t.Errorf("A name is allowed below: %+v", v)
	}
}

// TestOwnHosts: neither a list nor a way round keeps people from the operator's own
// hosts, its resolver and its certificates; what else is below is judged.
func TestOwnHosts(t *testing.T) {
	for help, rest := range map[string]string{"help.isp.example": "isp.example.", "abc123.dns.nextdns.io": "dns.nextdns.io."} {
		c := mustParse(t, "list https://dns.mullvad.net/nudify.txt\nstart open\nblock isp.example\nbypass doh\nhelp https://"+help+"/")
		p, err := c.Policy([]*feed.List{nil}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{help, "_dns." + help, "_acme-challenge." + help, "_ACME-Challenge." + help, "dns.mullvad.net"} {
			if v := p.Decide(name+".", netip.Addr{}); v.Blocked() {
				t.Errorf("%s is blocked: %+v", name, v)
			}
		}
		for _, name := range []string{rest, "_dns." + rest, "www." + help + ".", "_443._tcp." + help + ".", "www.dns.mullvad.net.", "_dns.dns.mullvad.net."} {
			if v := p.Decide(name, netip.Addr{}); !v.Blocked() {
				t.Errorf("%s passes: %+v", name, v)
			}
		}
	}
}

// TestBypassHarmless: the names deny nothing that lists may not deny either, but
// for the resolvers, and nothing that is known to look like something else.
func TestBypassHarmless(t *testing.T) {
	names := map[string]string{} // to why they must pass
	for line := range strings.Lines(string(builtin.Help()) + string(builtin.Shared())) {
		name, why, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(name, "#") && !strings.Contains(why, "category=resolver") {
			names[name] = why
		}
	}
	table, err := os.ReadFile("../builtin/lookalikes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		name, why, _ := strings.Cut(strings.TrimSpace(line), "\t")
		names[name] = why
	}
	if len(names) < 400 {
		t.Fatalf("Only %d names", len(names))
	}
	p, _, err := load(t, "bypass canary private-relay doh\nlist builtin", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, why := range names {
		if v := p.Decide(name+".", netip.Addr{}); v.List == policy.BypassList {
			t.Errorf("%s is denied as %v: %s", name, v.Bypass, why)
		}
	}
}
