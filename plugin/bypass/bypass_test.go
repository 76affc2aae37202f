package bypass

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

var all = []policy.Bypass{policy.Canary, policy.PrivateRelay, policy.DoH}

func TestRules(t *testing.T) {
	show := func(b policy.Bypass) (names []string) {
		for _, r := range Rules(b) {
			names = append(names, r.String())
		}
		return names
	}
	if got := show(policy.NoBypass); got != nil {
		t.Errorf("NoBypass has %q", got)
	}
	if got, want := show(policy.Canary), []string{"block subtree use-application-dns.net"}; !slices.Equal(got, want) {
		t.Errorf("canary has %q, want %q", got, want)
	}
	if got, want := show(policy.PrivateRelay), []string{"block subtree mask-h2.icloud.com", "block subtree mask.icloud.com"}; !slices.Equal(got, want) {
		t.Errorf("private-relay has %q, want %q", got, want)
	}
	names := show(policy.DoH)
	if len(names) < 30 {
		t.Errorf("doh has %d names", len(names))
	}
	for _, want := range []string{
		"block subtree cloudflare-dns.com", "block subtree dns.google", "block subtree dns.quad9.net", "block subtree dns.nextdns.io",
		"block subtree d.adguard-dns.com", "block subtree dns.controld.com", "block exact dns.cloudflare.com",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("doh lacks %q", want)
		}
	}
	rules := Rules(policy.DoH)
	rules[0] = rule.Rule{}
	if Rules(policy.DoH)[0] == rules[0] {
		t.Error("Rules hands out the same slice twice")
	}
}

// TestTables holds every name against what it must never be, and asks for its
// provenance.
func TestTables(t *testing.T) {
	// Whole providers, and a resolver's name that is a web site for people, too.
	never := []string{"one.one.one.one", "google.com", "cloudflare.com", "opendns.com", "quad9.net", "apple.com", "icloud.com", "nextdns.io", "adguard-dns.com"}
	seen := map[string]policy.Bypass{}
	for _, k := range all {
		entries, err := read(k)
		if err != nil {
			t.Fatal(err)
		}
		last := ""
		for _, e := range entries {
			name := string(e.rule.Name)
			if name <= last {
				t.Errorf("%v: %s stands behind %s", k, name, last)
			}
			last = name
			if other, twice := seen[name]; twice {
				t.Errorf("%s is in %v and in %v", name, other, k)
			}
			seen[name] = k
			if suffix, _ := publicsuffix.PublicSuffix(name); suffix == name {
				t.Errorf("%s is a public suffix", name)
			}
			if slices.Contains(never, name) {
				t.Errorf("%s has other uses", name)
			}
			u, err := url.Parse(e.source)
			if err != nil || u.Scheme != "https" || u.Host == "" || e.provider == "" {
				t.Errorf("%s: provider %q, source %q", name, e.provider, e.source)
			}
			if e.read.Before(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("%s: read on %v", name, e.read)
			}
		}
		for parent := range seen {
			for name := range seen {
				if strings.HasSuffix(name, "."+parent) {
					t.Errorf("%s is below %s", name, parent)
				}
			}
		}
	}
	if len(dohTable) > 20_000 {
		t.Errorf("doh.tsv has %d bytes", len(dohTable))
	}
}

func TestParse(t *testing.T) {
	const good = "resolver.example\tsubtree\tExample\thttps://docs.example/\t2026-11-22\n"
	for _, tt := range []struct{ text, want string }{
		{"name\n" + good, "1: has another title than it should"},
		{title + "\n" + good + "resolver.example\tsubtree\n", "3: not as many columns as the title has"},
		{title + "\n\n", "2: not as many columns as the title has"},
		{title + "\n" + strings.Replace(good, "subtree", "below", 1), "2: unknown trigger: want exact or subtree"},
		{title + "\n" + strings.Replace(good, "resolver", "resolver.", 1), "2: label is empty or longer than 63 characters"},
		{title + "\n" + strings.Replace(good, "2026-11-22", "yesterday", 1), `2: parsing time "yesterday" as "2006-01-02": cannot parse "yesterday" as "2006"`},
	} {
		if entries, err := parse(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("%q gave %v, %v, want %s", tt.text, entries, err, tt.want)
		}
	}
	if entries, err := parse(title + "\n" + good); err != nil || len(entries) != 1 {
		t.Errorf("A good table gave %v, %v", entries, err)
	}
}
