package directive

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// files writes a directory of files, given as name and text in turn.
func files(t testing.TB, pairs ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, pairs[i]), []byte(pairs[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load parses the properties with root dir and loads what they name.
func load(t testing.TB, properties, dir string) (*policy.Policy, []*feed.List, error) {
	t.Helper()
	c, err := parse(block(properties), dir)
	if err != nil {
		t.Fatal(err)
	}
	return c.Load(t.Context())
}

// decide writes what a policy says of a name, and why.
func decide(p *policy.Policy, qname, client string) string {
	var a netip.Addr
	if client != "" {
		a = netip.MustParseAddr(client)
	}
	v := p.Decide(qname, a)
	if v.Action == rule.None {
		return "none"
	}
	return fmt.Sprintf("%v %s %v %d", v.Action, v.List, v.Reason, v.Serial)
}

// TestLoad loads a policy with everything in it and asks for the order, the
// reasons and the serials.
func TestLoad(t *testing.T) {
	dir := files(t,
		"first.txt", "# Serial: 1\nfirst.example\nboth.example\nblock.example\nallow.example\n",
		"second.rpz", "$ORIGIN rpz.example.\n@ SOA ns.rpz.example. host.rpz.example. 2 1 1 1 1\nsecond.example CNAME .\nboth.example CNAME .\n",
		"own.txt", "# Serial: 3\nown.example\nboth.example\n",
		"ok.txt", "first.ok.example\nallowed.example\n",
		"ok.adblock", "||adblock.example^\n@@||exception.example^\n",
		"pupils", "192.0.2.0/24 # pupils\n",
		"staff", "192.0.2.128/25\n",
	)
	p, editions, err := load(t, `
		list first.txt
		list second.rpz reason censored
		contact tel:+15550100
		list builtin name ours reason filtered
		reason blocked
		allow allow.example ./ok.txt ./ok.adblock
		block block.example allowed.example ok.example adblock.example exception.example ./own.txt
		clients 198.51.100.7 ./pupils
		except ./staff
	`, dir)
	if err != nil {
		t.Fatal(err)
	}
	const pupil = "192.0.2.5"
	for _, tt := range []struct{ qname, client, want string }{
		{"www.first.example.", pupil, "block first blocked 1"},
		{"second.example.", pupil, "block second censored 2"},
		{"www.second.example.", pupil, "none"}, // the zone means the name itself
		{"own.example.", pupil, "block block blocked 3"},
		{"both.example.", pupil, "block block blocked 3"}, // own rules before lists
		{"block.example.", pupil, "block block blocked 0"},
		{"allow.example.", pupil, "pass allow blocked 0"},
		{"allowed.example.", pupil, "pass allow blocked 0"},
		{"first.ok.example.", pupil, "pass allow blocked 0"},
		{"ok.example.", pupil, "block block blocked 0"},
		{"adblock.example.", pupil, "pass allow blocked 0"}, // a rule that blocks, in a file of names to allow
		{"exception.example.", pupil, "pass allow blocked 0"},
		{"clothoff.io.", pupil, "block ours filtered 2026112201"},
		{"example.org.", pupil, "none"},
		{"block.example.", "198.51.100.7", "block block blocked 0"},
		{"block.example.", "198.51.100.8", "none"},
		{"block.example.", "192.0.2.200", "none"},
		{"block.example.", "", "block block blocked 0"},
	} {
		if got := decide(p, tt.qname, tt.client); got != tt.want {
			t.Errorf("%s asked by %s: %s, want %s", tt.qname, tt.client, got, tt.want)
		}
	}
	var got []string
	for _, e := range editions {
		got = append(got, fmt.Sprintf("%s %v", filepath.Base(e.File), e.Format))
	}
	if want := "[first.txt domains second.rpz rpz builtin domains own.txt domains ok.txt domains ok.adblock adblock]"; fmt.Sprint(got) != want {
		t.Errorf("Editions are %v, want %s", got, want)
	}
}

func TestLoadDefault(t *testing.T) {
	p, editions, err := load(t, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(editions) != 1 || editions[0].Stats.Refused != 0 || editions[0].Set.Len() < 50 {
		t.Errorf("The built-in list: %+v", editions[0].Stats)
	}
	for r := range editions[0].Set.All() {
		if got := p.Decide(r.Name.FQDN(), netip.Addr{}); !got.Blocked() || got.List != builtin.Name {
			t.Errorf("%s: %+v", r, got)
		}
	}
}

// TestLoadFileNamedBuiltin: ./builtin is a file, whatever it is called.
func TestLoadFileNamedBuiltin(t *testing.T) {
	t.Chdir(files(t, "builtin", "badsite.example\n"))
	p, _, err := load(t, "list ./builtin", "")
	if err != nil {
		t.Fatal(err)
	}
	if got := decide(p, "badsite.example.", ""); !strings.HasPrefix(got, "block builtin filtered ") {
		t.Errorf("The name in the file: %s", got)
	}
	if got := decide(p, "clothoff.io.", ""); got != "none" {
		t.Errorf("The built-in list was loaded: %s", got)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := files(t,
		"page.txt", "<!DOCTYPE html>\n", "empty.txt", "", "suffixes.txt", "com\nco.uk\n",
		"pupils", "192.0.2.0/24\nstaff\n", "good.txt", "badsite.example\n",
	)
	tests := []struct {
		properties string
		is         error
		want       string // in the text, with the file's name
	}{
		{"list absent.txt", os.ErrNotExist, "absent.txt: no such file"},
		{"list builtin\nallow ./absent.txt", os.ErrNotExist, "absent.txt: no such file"},
		{"block ./absent.txt", os.ErrNotExist, "absent.txt: no such file"},
		{"clients ./absent", os.ErrNotExist, "absent: no such file"},
		{"except ./absent", os.ErrNotExist, "absent: no such file"},
		{"list .", nil, "not a regular file"},
		{"list page.txt", list.ErrHTML, "page.txt: is a web page"},
		{"allow ./page.txt", list.ErrHTML, "page.txt: is a web page"},
		{"list good.txt\nlist empty.txt", feed.ErrEmpty, "empty.txt: holds no rule"},
		{"list suffixes.txt", list.ErrRefused, "suffixes.txt:1: com: a top-level domain"},
		{"block ./suffixes.txt", list.ErrRefused, "suffixes.txt:1: com: a top-level domain"},
		{"clients ./empty.txt", errNobody, "empty.txt: holds no prefix"},
		{"clients ./pupils", nil, `pupils:2: "staff" is not an address or a prefix`},
		{"except ./pupils", nil, `pupils:2: "staff" is not an address or a prefix`},
	}
	for _, tt := range tests {
		p, _, err := load(t, tt.properties, dir)
		if p != nil || err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, want %q", tt.properties, p, err, tt.want)
		}
	}
	for _, properties := range []string{"allow ./empty.txt", "block ./empty.txt", "allow ./suffixes.txt"} {
		if _, _, err := load(t, properties, dir); err != nil {
			t.Errorf("%s: %v", properties, err)
		}
	}
}

// TestClientsFiles: files of clients and of exceptions, of which only the latter
// may be empty.
func TestClientsFiles(t *testing.T) {
	dir := files(t, "empty", "# nobody yet\n", "one", "192.0.2.1\n")
	tests := []struct{ properties, want string }{ // what 192.0.2.1 and 192.0.2.2 get
		{"", "block block"},
		{"clients ./one", "block none"},
		{"clients ./one\nexcept ./one", "none none"},
		{"except ./empty", "block block"},
		{"except ./one", "none block"},
		{"clients 192.0.2.0/24\nexcept ./one", "none block"},
		{"except 192.0.2.0/24\nclients ./one", "block none"},
	}
	for _, tt := range tests {
		p, _, err := load(t, "block badsite.example\n"+tt.properties, dir)
		if err != nil {
			t.Errorf("%s: %v", tt.properties, err)
			continue
		}
		first, _, _ := strings.Cut(decide(p, "badsite.example.", "192.0.2.1"), " ")
		second, _, _ := strings.Cut(decide(p, "badsite.example.", "192.0.2.2"), " ")
		if first+" "+second != tt.want {
			t.Errorf("%s: %s %s, want %s", tt.properties, first, second, tt.want)
		}
	}
}

// TestFeedKeys: feeds are shared by key, so the key must tell apart whatever
// reads the same bytes differently, and nothing else.
func TestFeedKeys(t *testing.T) {
	keys := func(properties string) (keys []string) {
		feeds, err := mustParse(t, properties).Feeds()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range feeds {
			keys = append(keys, f.Key)
		}
		return keys
	}
	seen := map[string]bool{}
	for _, k := range keys("list ./a.txt\nlist ./a.txt name b format hosts\nlist ./a.txt name c format rpz\nlist builtin\nlist ./builtin name d\nblock ./a.txt\nallow ./a.txt") {
		if seen[k] {
			t.Errorf("Two feeds that differ have the key %q", k)
		}
		seen[k] = true
	}
	one, other := keys("list ./a.txt reason blocked\nallow ./b.txt"), keys("list a.txt name other\nallow b/../b.txt c/d.txt")
	if one[0] != other[0] || one[1] != other[1] {
		t.Errorf("Two feeds that do not differ have the keys %q and %q", one, other)
	}
}

// TestPolicyCounters: each list has the counter of its name, own rules none.
func TestPolicyCounters(t *testing.T) {
	dir := files(t, "a.txt", "badsite.example\n", "b.txt", "worse.example\n")
	c, err := parse(block("list a.txt\nlist b.txt\nblock own.example"), dir)
	if err != nil {
		t.Fatal(err)
	}
	_, editions, err := c.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counters := map[string]*policy.Counter{}
	p, err := c.Policy(editions, nil, func(name string) *policy.Counter {
		counters[name] = new(policy.Counter)
		return counters[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, qname := range []string{"own.example.", "badsite.example.", "worse.example.", "worse.example."} {
		p.Decide(qname, netip.Addr{})
	}
	if len(counters) != 2 || counters["a"].Counts().Positive != 1 || counters["b"].Counts().Positive != 2 {
		t.Errorf("Counters: %v", counters)
	}
}

// TestGuardProtects what is compiled in: those who help with all that is below
// them, what millions share by itself.
func TestGuardProtects(t *testing.T) {
	guard, err := Guard()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		"childline.org.uk": policy.ErrProtected, "a.b.childline.org.uk": policy.ErrProtected,
		"google.com": policy.ErrProtected, "www.google.com": policy.ErrProtected, "badsite.google.com": nil,
		"badsite.example": nil,
	} {
		if got := guard.Check(mustRule(t, name)); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func mustRule(t testing.TB, name string) rule.Rule {
	t.Helper()
	rules := mustParse(t, "allow "+name).Allow.Rules
	return subtree(rule.Block, rules[0].Name)
}

// Load reads everything that a Config names, once, and returns its policy.
func (c *Config) Load(ctx context.Context) (*policy.Policy, []*feed.List, error) {
	feeds, err := c.Feeds()
	if err != nil {
		return nil, nil, err
	}
	editions := make([]*feed.List, len(feeds))
	for i, f := range feeds {
		if editions[i], err = First(ctx, f.Refresher()); err != nil {
			return nil, nil, err
		}
	}
	var prefixes []*[]netip.Prefix
	for _, f := range c.PrefixFiles() {
		v, err := First(ctx, f.Refresher())
		if err != nil {
			return nil, nil, err
		}
		prefixes = append(prefixes, v)
	}
	p, err := c.Policy(editions, c.ClientsOf(prefixes), nil)
	return p, editions, err
}

func TestOwnHost(t *testing.T) {
	want := []rule.Rule{
		{Name: "help.isp.example", Trigger: rule.Exact, Action: rule.Pass},
		{Name: "_dns.help.isp.example", Trigger: rule.Exact, Action: rule.Pass},
		{Name: "_acme-challenge.help.isp.example", Trigger: rule.Exact, Action: rule.Pass},
	}
	if got := ownHost("help.isp.example"); !slices.Equal(got, want) {
		t.Errorf("Got %v", got)
	}
	long := dnsname.Name(strings.Repeat("a.", 120) + "example") // 247 characters: there is room for "_dns." only
	if got := ownHost(long); len(got) != 2 || got[1].Name != "_dns."+long {
		t.Errorf("Of a name of %d characters: %v", len(long), got)
	}
}
