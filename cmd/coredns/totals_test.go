package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/totals"
)

// totalsCorefile has two server blocks that count into one directory, the first of them
// behind a front, the second only in the shadow.
const totalsCorefile = `.:%[1]s {
    bind 127.0.0.1
    nonudify {
        list %[2]s/nudify.txt
        block own.example
        allow ok.badsite.example
        bypass canary
        reason blocked
        state %[2]s/state
        totals on
        front on
    }
    forward . %[3]s
}
.:%[4]s {
    bind 127.0.0.1
    nonudify {
        list %[2]s/nudify.txt
        action shadow
        state %[2]s/state
        totals on
    }
    forward . %[3]s
}
`

// TestTotals: each query is counted once, whichever way it comes, over a reload, and
// what is written says nothing of who asked for what.
func TestTotals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nudify.txt"), []byte("# List-ID: nudify.lists.example\n# Serial: 7\nbadsite.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	upstream := newScript(t, `cloaked.example A NOERROR
    cloaked.example. 60 CNAME www.badsite.example.
    www.badsite.example. 60 A 192.0.2.1
`, newUpstream(t))
	first, second := freePort(t), freePort(t)
	corefile := fmt.Sprintf(totalsCorefile, first, dir, upstream, second)
	i := start(t, corefile)
	askTotals(t, first, second)
	i, err := i.Restart(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
	if err != nil {
		t.Fatal(err)
	}
	up(t, i)
	askTotals(t, first, second)
	stop(i)

	want := map[totals.Key]uint64{
		{List: "nudify", Reason: "blocked", Action: "nxdomain"}: 2 * 20,
		{List: "nudify", Reason: "blocked", Action: "nodata"}:   2 * 2,
		{List: "block", Reason: "blocked", Action: "nxdomain"}:  2 * 2,
		{List: "bypass", Reason: "blocked", Action: "nxdomain"}: 2 * 2,
		{List: "nudify", Reason: "filtered", Action: "shadow"}:  2 * 2,
	}
	now := time.Now()
	days, err := totals.Read(filepath.Join(dir, "state"), now.AddDate(0, 0, -1), now)
	if err != nil {
		t.Fatal(err)
	}
	got := map[totals.Key]uint64{}
	for _, d := range days {
		for _, c := range d.Counts {
			got[c.Key] += c.Queries
			if c.Clients != 0 {
				t.Errorf("%v: at least %d clients", c.Key, c.Clients)
			}
		}
		if len(d.Editions) != 1 || d.Editions[0].ID != "nudify.lists.example" || d.Editions[0].Serial != 7 {
			t.Errorf("editions: %v", d.Editions)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	revealing(t, filepath.Join(dir, "state", totals.Dir))
}

// askTotals asks both servers for names that are blocked, and for some that are not.
func askTotals(t *testing.T, first, second string) {
	t.Helper()
	ask := func(network, port, name string, times int) {
		t.Helper()
		c := dns.Client{Net: network, Timeout: 10 * time.Second}
		for range times {
			if _, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), "127.0.0.1:"+port); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask("udp", first, "Www.badsite.example.", 12) // at the front
	ask("tcp", first, "badsite2.www.badsite.example.", 8)
	ask("tcp", first, "cloaked.example.", 2)
	ask("udp", first, "own.example.", 2)
	ask("udp", first, "use-application-dns.net.", 2)
	ask("udp", first, "ok.badsite.example.", 3)
	ask("udp", first, "other.example.", 3)
	ask("udp", second, "badsite.example.", 1)
	ask("udp", second, "cloaked.example.", 1)
}

// revealing fails the test if anything below a directory has to do with a name that was
// asked for, or with a client.
func revealing(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, secret := range []string{"badsite", "own.example", "application", "127.0.0", "cloaked"} {
			if strings.Contains(string(text)+path[len(dir):], secret) {
				t.Errorf("%s has %q in it", path, secret)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
