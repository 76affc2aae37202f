package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestResolved has systemd-resolved forward to ours, as it does on most Linux
// desktops, in a network of its own: its stub has a fixed address, and it asks
// nobody before there is a link other than loopback.
func TestResolved(t *testing.T) {
	if os.Getenv(apart) != "" {
		resolveApart(t)
		return
	}
	findResolved(t)
	for _, program := range []string{"knotd", "unbound", "ip"} {
		installed(t, program)
	}
	t.Parallel()
	rerunApart(t)
}

// resolveApart is the test in the network apart.
func resolveApart(t *testing.T) {
	connect(t)
	w := newWorld(t)
	above := newUnbound(t, w.addr(), w.anchor)
	results := &table{}
	defer results.log(t)
	for _, dnssec := range []string{"no", "allow-downgrade", "yes"} {
		n := neighbour{name: "DNSSEC=" + dnssec, validating: dnssec != "no", lenient: dnssec != "no"}
		var without map[question]string
		t.Run(n.name+", without ours", func(t *testing.T) { without = newResolved(t, w, above.addr(), dnssec).outcomes() })
		t.Run(n.name, func(t *testing.T) {
			ours := newFilter(t, above.addr(), "")
			n.peer = newResolved(t, w, ours.addr(), dnssec)
			n.askedTwice(t, without, results)
			n.outcome(remembered)
			ours.end(syscall.SIGKILL)
			n.remembers(t)
		})
		t.Run(n.name+", forgetting", func(t *testing.T) {
			ours := newFilter(t, above.addr(), "ttl 2s")
			n.peer = newResolved(t, w, ours.addr(), dnssec)
			n.blocksForgotten(t)
			ours.write("list.txt", "bad.example\n")
			n.forgets(t)
		})
	}
}

// resolved is where the program is, and the folder of the library that fits no
// other version of it, "" for that of the system.
type resolved struct{ program, library string }

// findResolved prefers the one of the system to what setup unpacks.
func findResolved(t *testing.T) resolved {
	t.Helper()
	unpacked, err := filepath.Abs("../../build/resolved")
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"", unpacked} {
		for _, path := range []string{"/usr/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved"} {
			if _, err := os.Stat(root + path); err != nil {
				continue
			}
			if root == "" {
				return resolved{path, ""}
			}
			if libraries, _ := filepath.Glob(root + "/usr/lib/*/systemd"); len(libraries) == 1 {
				return resolved{root + path, libraries[0]}
			}
		}
	}
	lacking(t, "systemd-resolved")
	return resolved{}
}

// connect gives the network apart a loopback address and a link, and systemd a
// folder of its own for what is in /run, and a user.
func connect(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "here", "type", "veth", "peer", "name", "there"},
		{"address", "add", "198.51.100.1/24", "dev", "here"},
		{"link", "set", "here", "up"},
		{"link", "set", "there", "up"},
	} {
		if out, err := exec.Command(installed(t, "ip"), args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v\n%s", args, err, out)
		}
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	overlay(t, "/etc/passwd", "root:x:0:0::/:/bin/sh\nsystemd-resolve:x:0:0::/:/bin/sh\n")
	overlay(t, "/etc/group", "root:x:0:\nsystemd-resolve:x:0:\n")
}

// overlay puts a text in the place of a file of the system, for this process and
// those that it starts.
func overlay(t *testing.T, path, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(file, path, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
}

// newResolved starts it with a server to ask and a key to trust.
func newResolved(t *testing.T, w *world, forward, dnssec string) *peer {
	t.Helper()
	found := findResolved(t)
	p := newPeer(t, found.program)
	p.dir, p.host, p.port = "/run", "127.0.0.53", "53"
	for _, dir := range []string{"/run/systemd/resolve", "/run/systemd/resolved.conf.d", "/run/dnssec-trust-anchors.d"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.write("systemd/resolved.conf.d/zz-test.conf", fmt.Sprintf(
		"[Resolve]\nDNS=\nDNS=%s\nFallbackDNS=\nDomains=~.\nDNSSEC=%s\nDNSOverTLS=no\nLLMNR=no\nMulticastDNS=no\nCache=yes\nCacheFromLocalhost=yes\nDNSStubListener=yes\n", forward, dnssec))
	p.write("dnssec-trust-anchors.d/root.positive", ". IN DS "+w.digest(" ")+"\n")
	env := []string{"SYSTEMD_LOG_TARGET=console"}
	if found.library != "" {
		env = append(env, "LD_LIBRARY_PATH="+found.library)
	}
	p.start(env)
	return p
}
