package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
)

// refusal returns why a Corefile does not start, "" if it does.
func refusal(t *testing.T, corefile string) string {
	t.Helper()
	i, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
	if err != nil {
		return err.Error()
	}
	up(t, i)
	stop(i)
	return ""
}

// TestPlaceInChain starts servers that were built with the plugin in the wrong
// place: by a plugin.cfg in another order, or by COREDNS_PLUGINS, which appends.
// Not in parallel: the order is that of the process.
func TestPlaceInChain(t *testing.T) {
	defer func() {
		if err := dnsserver.SetDirectives(directives); err != nil {
			t.Error(err)
		}
	}()
	up := newUpstream(t)
	for _, tt := range []struct {
		behind, plugins string
		want            string // of the error; "": the server starts
	}{
		{"acl", "cache\n forward . " + up.addr, ""},
		{"cache", "forward . " + up.addr, ""},
		{"cache", "cache\n forward . " + up.addr, "Corefile:3 - nonudify stands behind cache"},
		{"forward", "forward . " + up.addr, "Corefile:3 - nonudify stands behind forward"},
		{"forward", "cache\n forward . " + up.addr, "Corefile:3 - nonudify stands behind cache"},
		{"view", "forward . " + up.addr, "Corefile:3 - nonudify stands behind forward"},
		{"view", "whoami", ""},
	} {
		order := slices.DeleteFunc(slices.Clone(directives), func(d string) bool { return d == "nonudify" })
		if err := dnsserver.SetDirectives(slices.Insert(order, slices.Index(order, tt.behind)+1, "nonudify")); err != nil {
			t.Fatal(err)
		}
		got := refusal(t, ".:0 {\n bind 127.0.0.1\n nonudify\n "+tt.plugins+"\n}\n")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) || tt.want != "" && !strings.Contains(got, "plugin.cfg") {
			t.Errorf("behind %s, with %q: %q, want %q", tt.behind, tt.plugins, got, tt.want)
		}
	}
}

// TestMinimalBesideTransfer: minimal lets only the last message of a transfer
// through.
func TestMinimalBesideTransfer(t *testing.T) {
	const transfer, directive = "\n transfer example.test {\n  to *\n }", "\n nonudify"
	for body, want := range map[string]string{
		"minimal" + transfer + directive: "Corefile:7 - minimal stands beside transfer",
		directive + transfer + "minimal": "Corefile:4 - minimal stands beside transfer",
		"minimal" + directive:            "",
		transfer + directive:             "",
		"minimal" + transfer:             "",
	} {
		body = strings.Replace(body, "}minimal", "}\n minimal", 1)
		got := refusal(t, ".:0 {\n bind 127.0.0.1\n "+body+"\n whoami\n}\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// TestUnsafeReload: the old configuration stays in force, and nothing of the new
// one is left behind.
func TestUnsafeReload(t *testing.T) {
	up := newUpstream(t)
	s := serve(t, up, "block old.example")
	unsafe := strings.Replace(block(up, "block new.example"), "forward", "minimal\n transfer example.test {\n  to *\n }\n forward", 1)
	for range 2 {
		if err := s.reload(unsafe); err == nil || !strings.Contains(err.Error(), "Corefile:3 - minimal stands beside transfer") {
			t.Errorf("The reload ended with %v", err)
		}
		s.want("old.example", denies, "new.example", passes)
	}
	if err := s.reload(block(up, "block new.example")); err != nil {
		t.Fatal(err)
	}
	s.want("old.example", passes, "new.example", denies)
}

// TestRefusedProperties: what a directive says of itself is refused with its line.
func TestRefusedProperties(t *testing.T) {
	for property, want := range map[string]string{
		"action sinkhole 0.0.0.0":      "Corefile:5 - Error during parsing: bad sinkhole address 0.0.0.0",
		"action sinkhole 192.0.2.1 ::": "Corefile:5 - Error during parsing: bad sinkhole address ::",
		"reason censored":              "Corefile:5 - Error during parsing: who is kept from a site by law",
		"list ./a.txt reason censored": "Corefile:5 - Error during parsing: who is kept from a site by law",
	} {
		if got := refusal(t, ".:0 {\n bind 127.0.0.1\n nonudify {\n  ttl 5s\n  "+property+"\n  sde off\n }\n whoami\n}\n"); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", property, got, want)
		}
	}
}

// TestDoubtfulSinkhole: an address that works for some is taken, with a word in
// the log.
func TestDoubtfulSinkhole(t *testing.T) {
	serve(t, newUpstream(t), "action sinkhole 127.66.0.1 10.66.0.1 9.9.9.66 fe80::66 2001:db8::66")
	for address, want := range map[string]string{
		"127.66.0.1":   "right only if all clients run on this one",
		"10.66.0.1":    "right only if all clients are inside that network",
		"fe80::66":     "right for nobody",
		"2001:db8::66": "right for nobody",
		"9.9.9.66":     "",
	} {
		lines := logged.with("Sinkhole address " + address + " ")
		if want == "" && len(lines) == 0 {
			continue
		}
		if len(lines) != 1 || want == "" || !strings.Contains(lines[0], "[WARNING]") || !strings.Contains(lines[0], want) || !strings.Contains(lines[0], "Corefile:3 - ") {
			t.Errorf("%s: the log says %q, want %q", address, lines, want)
		}
	}
}

// TestGaps: a server block that resolves names without the directive is warned
// of if another on its listener filters a zone above, once.
func TestGaps(t *testing.T) {
	up := newUpstream(t)
	forward := "\n bind 127.0.0.1\n forward . " + up.addr + "\n}\n"
	root := ".:0 {\n nonudify" + forward
	together(t, map[string]struct {
		corefile string // ZONE is one that no other test has
		want     string // of the one warning; "": there is none
	}{
		"resolves":        {root + "ZONE:0 {" + forward, "Server block ZONE.:0 resolves names without nonudify, though .:0 filters"},
		"first":           {"ZONE:0 {" + forward + root, "ZONE.:0 resolves names"},
		"deep":            {root + "deep.ZONE:0 {" + forward, "deep.ZONE.:0 resolves names"},
		"two filter":      {root + "test:0 {\n nonudify" + forward + "ZONE:0 {" + forward, "ZONE.:0 resolves names"},
		"second key":      {root + "other.example:0 ZONE:0 {" + strings.Replace(forward, "\n}", "\n nonudify\n}", 1) + "sub.ZONE:0 {" + forward, "sub.ZONE.:0 resolves names without nonudify, though"},
		"open second key": {root + "other.example:0 ZONE:0 {" + forward, "ZONE.:0 resolves names"},
		"two addresses":   {strings.ReplaceAll(root+"ZONE:0 {"+forward, "127.0.0.1\n", "127.0.0.1 127.0.0.2\n"), "ZONE.:0 resolves names"},
		"of its zones":    {".:0 {\n nonudify test" + forward + "ZONE:0 {" + forward, "ZONE.:0 resolves names"},
		"zone below":      {".:0 {\n nonudify www.ZONE" + forward + "ZONE:0 {" + forward, "ZONE.:0 resolves names"},

		"local data":    {root + "ZONE:0 {\n bind 127.0.0.1\n hosts {\n 192.0.2.1 www.ZONE\n fallthrough\n }\n template ANY ANY\n}\n", ""},
		"filtered":      {root + "ZONE:0 {\n nonudify" + forward, ""},
		"above":         {".:0 {" + forward + "ZONE:0 {\n nonudify" + forward, ""},
		"beside":        {"other.test:0 {\n nonudify" + forward + "ZONE:0 {" + forward, ""},
		"another bind":  {root + strings.Replace("ZONE:0 {"+forward, "127.0.0.1\n", "127.0.0.2\n", 1), ""},
		"other zones":   {".:0 {\n nonudify other.test" + forward + "ZONE:0 {" + forward, ""},
		"another view":  {"ZONE:0 {\n view some {\n expr true\n }\n nonudify" + forward + "ZONE:0 {" + forward, ""},
		"none filtered": {".:0 {" + forward + "ZONE:0 {" + forward, ""},
	}, func(t *testing.T, tt struct{ corefile, want string }) {
		zone := fresh("gap") + ".test"
		stop(start(t, strings.ReplaceAll(tt.corefile, "ZONE", zone)))
		lines := logged.with(zone, "resolves names")
		if tt.want == "" {
			if len(lines) != 0 {
				t.Errorf("The log says %q", lines)
			}
			return
		}
		if want := strings.ReplaceAll(tt.want, "ZONE", zone); len(lines) != 1 || !strings.Contains(lines[0], "[WARNING]") || !strings.Contains(lines[0], want) {
			t.Errorf("The log says %q, want one line with %q", lines, want)
		}
	})
}

// TestManyGaps: the log is not filled with them, and a reload is a new start.
func TestManyGaps(t *testing.T) {
	up, zone := newUpstream(t), fresh("gaps")+".test"
	var corefile strings.Builder
	corefile.WriteString(block(up, "list builtin"))
	for i := range 7 {
		fmt.Fprintf(&corefile, "z%d.%s:0 {\n bind 127.0.0.1\n forward . %s\n}\n", i, zone, up.addr)
	}
	s := &serving{t, start(t, block(up, "list builtin"))}
	defer func() { stop(s.Instance) }()
	if err := s.reload(corefile.String()); err != nil {
		t.Fatal(err)
	}
	if lines := logged.with(zone, "resolves names"); len(lines) != 5 {
		t.Errorf("%d lines about them: %q", len(lines), lines)
	}
	if lines := logged.with("2 more server blocks resolve names"); len(lines) != 1 {
		t.Errorf("The log says of the others: %q", lines)
	}
	// What the look at the blocks has left in CoreDNS does not become a server.
	if n := len(s.Servers()); n != 1 {
		t.Errorf("%d servers for one listener", n)
	}
	if got := answer(s.ask("www.z3." + zone)); got != passes {
		t.Errorf("A name of an open block: %s", got)
	}
}

// TestAddressesNowhere: a list that cannot hold any is told to honour its
// addresses.
func TestAddressesNowhere(t *testing.T) {
	for name, text := range map[string]string{"plain": "badsite.example\n", "zone": "@ SOA a. b. 1 2 3 4 5\nbadsite.example CNAME .\n"} {
		file := filepath.Join(t.TempDir(), fresh(name)+".list")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		stop(start(t, ".:0 {\n bind 127.0.0.1\n nonudify {\n list "+file+" addresses on\n}\n}\n"))
		list := strings.TrimSuffix(filepath.Base(file), ".list")
		if got := len(logged.with("List " + list + ": has no addresses to honour")); got != map[string]int{"plain": 1}[name] {
			t.Errorf("%s: %d warnings", name, got)
		}
	}
}
