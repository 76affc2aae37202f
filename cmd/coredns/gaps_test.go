package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestGapsBesideViews: views and listeners make no gap less of one, and a block
// that no query reaches is no filter.
func TestGapsBesideViews(t *testing.T) {
	up := newUpstream(t)
	block := func(keys string, properties ...string) string {
		return keys + " {\n bind 127.0.0.1\n" + strings.Join(properties, "") + " forward . " + up.addr + "\n}\n"
	}
	at := func(address, block string) string { return strings.Replace(block, "127.0.0.1\n", address+"\n", 1) }
	const filter = " nonudify {\n  block badsite.example\n }\n"
	const pupils, staff = " view pupils {\n  expr true\n }\n", " view staff {\n  expr true\n }\n"
	root, open, filtered := block(".:0", filter), block("ZONE:0"), block("ZONE:0", filter)
	openStaff, filteredPupils := block("ZONE:0", staff), block("ZONE:0", pupils, filter)
	one, other, third := freePort(t), freePort(t), freePort(t)
	dir := t.TempDir()
	certify(t, dir)
	secure := " tls " + dir + "/certificate.pem " + dir + "/key.pem\n"
	together(t, map[string]struct {
		corefile string   // ZONE is one that no other test has
		want     []string // of the warnings
	}{
		"below a view": {block(".:0", pupils, filter) + block(".:0") + open,
			[]string{"block ZONE.:0 resolves names without nonudify, though .:0 (view pupils) filters"}},
		"open view below":       {root + openStaff, []string{"block ZONE.:0 (view staff) resolves names without nonudify, though .:0 filters"}},
		"one of two views open": {root + openStaff + filteredPupils, []string{"ZONE.:0 (view staff) resolves names"}},
		"open behind filtered":  {root + filteredPupils + open, []string{"block ZONE.:0 resolves names"}},
		"all filter":            {root + filteredPupils + filtered, nil},
		"a group without":       {filteredPupils + open, nil},

		"hidden":             {open + filteredPupils, []string{"No query arrives at server block ZONE.:0 (view pupils), which filters: ZONE.:0, before it"}},
		"hidden by a filter": {filtered + filteredPupils, []string{"No query arrives at server block ZONE.:0 (view pupils)"}},
		"hidden among views": {openStaff + open + filteredPupils, []string{"No query arrives at server block ZONE.:0 (view pupils), which filters: ZONE.:0,"}},
		"hidden elsewhere":   {at("127.0.0.2", open) + filteredPupils, nil},

		"second listener": {block(".:"+one+" .:"+other, filter) + block("ZONE:"+other),
			[]string{"block ZONE.:" + other + " resolves names without nonudify, though .:" + other + " filters"}},
		"other listener":  {root + block("ZONE:"+third), nil},
		"second address":  {at("127.0.0.1 127.0.0.3", root) + at("127.0.0.3", open), []string{"ZONE.:0 resolves names"}},
		"other transport": {root + block("tls://ZONE:0", secure), nil},
		"same transport": {block("tls://.:0", secure, filter) + block("tls://ZONE:0", secure),
			[]string{"block tls://ZONE.:0 resolves names without nonudify, though tls://.:0 filters"}},
	}, func(t *testing.T, tt struct {
		corefile string
		want     []string
	}) {
		zone := fresh("view") + ".test"
		stop(start(t, strings.ReplaceAll(tt.corefile, "ZONE", zone)))
		lines := append(logged.with(zone, "resolves names"), logged.with(zone, "No query arrives")...)
		if len(lines) != len(tt.want) {
			t.Fatalf("The log says %q, want %q", lines, tt.want)
		}
		for i, want := range tt.want {
			if want = strings.ReplaceAll(want, "ZONE", zone); !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "[WARNING]") {
				t.Errorf("The log says %q, want %q", lines[i], want)
			}
		}
	})
}

// TestManyHidden: the log is not filled with them.
func TestManyHidden(t *testing.T) {
	zone := fresh("hidden") + ".test"
	var corefile strings.Builder
	corefile.WriteString(zone + ":0 {\n bind 127.0.0.1\n whoami\n}\n")
	for i := range 7 {
		fmt.Fprintf(&corefile, "%s:0 {\n bind 127.0.0.1\n view v%d {\n  expr true\n }\n nonudify\n whoami\n}\n", zone, i)
	}
	const others = "No query arrives at 2 more server blocks"
	before := len(logged.with(others))
	stop(start(t, corefile.String()))
	if lines := logged.with(zone, "No query arrives at server block"); len(lines) != 5 {
		t.Errorf("%d lines about them: %q", len(lines), lines)
	}
	if n := len(logged.with(others)) - before; n != 1 {
		t.Errorf("%d lines about the others, want 1", n)
	}
}
