package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// routeFrom is the route to a server over UDP from an address of loopback.
func routeFrom(address, server string) route {
	return route{transport: "udp", server: server, from: net.ParseIP(address)}
}

// from asks for a name below another, which a log must not tell, from an address
// of loopback, and says what became of it.
func (s *serving) from(address, name string) string {
	s.t.Helper()
	udp, _ := addrs(s.Instance)
	reply, err := routeFrom(address, udp).ask(new(dns.Msg).SetQuestion(unsaid+"."+name+".", dns.TypeA).SetEdns0(1232, false), "")
	if err != nil {
		s.t.Fatalf("%s from %s: %v", name, address, err)
	}
	return answer(reply)
}

// groups holds what becomes of a name against what each address should get, in
// pairs.
func (s *serving) groups(name string, pairs ...string) error {
	s.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := s.from(pairs[i], name); got != pairs[i+1] {
			return fmt.Errorf("%s from %s: %s, want %s", name, pairs[i], got, pairs[i+1])
		}
	}
	return nil
}

// putFile replaces a file by one that was left alone for a while, each time at
// another time.
func putFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour + time.Duration(names.Add(1))*time.Second)
	if err := os.Chtimes(path+".new", old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestPrefixesUnderQueries puts editions of a file of 100,000 prefixes in the
// place of one another while clients ask without a pause. Each is told what an
// edition says that was in force between the moment its query was sent and the
// moment the reply came.
func TestPrefixesUnderQueries(t *testing.T) {
	p := &moving{file: filepath.Join(t.TempDir(), "clients.txt"), more: fillerPrefixes(100_000)}
	corefile := ".:0 {\n bind 127.0.0.1\n nonudify {\n block badsite.example\n clients " + p.file + "\n except 127.0.9.9 127.0.9.128/25\n }\n whoami\n}\n"
	p.publish(t, 1)
	i := start(t, corefile)
	defer stop(i)
	p.done.Store(1)
	udp, _ := addrs(i)
	end := p.load(t, udp)
	for n := uint32(2); n <= 12; n++ {
		p.publish(t, n)
		stop(start(t, corefile)) // it shares the file and looks at it: when it has started, the edition is in force in both
		p.done.Store(n)
	}
	end()
	t.Logf("%d queries denied, %d passed", p.denied.Load(), p.passed.Load())
	if p.denied.Load() < 100 || p.passed.Load() < 100 {
		t.Error("Nobody has asked")
	}
}

// fillerPrefixes are lines of IPv4 and IPv6 prefixes that hold no client.
func fillerPrefixes(n int) []byte {
	r := rand.New(rand.NewPCG(9, 10))
	var b bytes.Buffer
	for i := range n {
		if i%3 == 0 {
			fmt.Fprintf(&b, "2001:db8:%x:%x::/%d # %d\r\n", r.IntN(1<<16), r.IntN(1<<16), 40+r.IntN(25), i)
		} else {
			fmt.Fprintf(&b, "10.%d.%d.%d/%d\n", r.IntN(256), r.IntN(256), r.IntN(256), 16+r.IntN(17))
		}
	}
	return b.Bytes()
}

// moving is a file of clients in which one network is in every edition and
// another in every second one.
type moving struct {
	file string
	more []byte

	begun, done    atomic.Uint32 // the last edition that was published, and that is in force
	denied, passed atomic.Int64
}

// holds reports whether an edition means the third octet of a client's address.
func (p *moving) holds(edition uint32, octet int) bool {
	return octet == 9 || octet == 1 && edition%2 == 1 || octet == 2 && edition%2 == 0
}

func (p *moving) publish(t *testing.T, n uint32) {
	t.Helper()
	p.begun.Store(n)
	putFile(t, p.file, append(fmt.Appendf(nil, "\ufeff127.0.9.0/24\n::ffff:127.0.%d.0/120\n", 2-n%2), p.more...))
}

// load has clients ask until the returned function is called, each with one
// query under way at a time.
func (p *moving) load(t *testing.T, udp string) (end func()) {
	var all sync.WaitGroup
	quit := make(chan struct{})
	for address, octet := range map[string]int{"127.0.1.1": 1, "127.0.2.1": 2, "127.0.9.1": 9, "127.0.9.9": 0, "127.0.9.200": 0, "127.0.3.1": 3} {
		all.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				if err := p.ask(routeFrom(address, udp), octet); err != nil {
					t.Errorf("From %s: %v", address, err)
					return
				}
			}
		})
	}
	return func() {
		close(quit)
		all.Wait()
	}
}

func (p *moving) ask(r route, octet int) error {
	oldest := p.done.Load()
	reply, err := r.ask(new(dns.Msg).SetQuestion("www.badsite.example.", dns.TypeA), "")
	newest := p.begun.Load()
	if err != nil {
		return fmt.Errorf("a query is lost: %w", err)
	}
	denied := reply.Rcode == dns.RcodeNameError
	if denied {
		p.denied.Add(1)
	} else {
		p.passed.Add(1)
	}
	for n := oldest; n <= newest; n++ {
		if p.holds(n, octet) == denied {
			return nil
		}
	}
	return fmt.Errorf("between editions %d and %d: %v", oldest, newest, reply)
}

// brokenPrefixes are editions of a file of clients that cannot be used, and what
// the log says of them behind the file's name.
var brokenPrefixes = map[string]struct {
	text string
	want string
}{
	"bad line":      {"127.0.1.0/24\n# two\n127.0.2.0/33\n127.0.3.0/24\n", `:3: "127.0.2.0/33" is not an address or a prefix`},
	"mapped":        {"127.0.1.0/24\r\n::ffff:127.0.2.0/24\r\n", `:2: "::ffff:127.0.2.0/24" holds more than the IPv4 addresses`},
	"zone":          {"\n\nfe80::1%eth0/64\n", `:3: "fe80::1%eth0/64" is not an address or a prefix`},
	"empty":         {"", ": holds no prefix"},
	"comments only": {"# 127.0.1.0/24\n\n", ": holds no prefix"},
	"half written":  {"127.0.1.0/24\n127.0.2.0/24\n127.0.3", `:3: "127.0.3" is not an address or a prefix`},
	"error page":    {"<!DOCTYPE html>\n<title>502</title>\n", `:1: "<!DOCTYPE html>" is not an address or a prefix`},
	"zeros":         {"127.0.1.0/24\n" + strings.Repeat("\x00", 512), `:2: "\x00`},
	"long line":     {"127.0.1.0/24\n#" + strings.Repeat("-", 8192) + "\n", ":2: a line of 4096 octets or more"},
	"too many":      {strings.Repeat("127.0.1.1\n", 1<<20+1), ":1048577: more than 1048576 prefixes"},
	"directory":     {"", ": not a regular file"},
	"removed":       {"", ": "},
}

// brokenEdition puts an edition of that name into force, or tries to.
func brokenEdition(t *testing.T, name, path string) {
	t.Helper()
	if name != "directory" && name != "removed" {
		putFile(t, path, []byte(brokenPrefixes[name].text))
		return
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if name == "directory" {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// goodEdition is a file of clients: one network.
func goodEdition(t *testing.T, path, network string) {
	t.Helper()
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	putFile(t, path, []byte(network+"\n"))
}

// TestBrokenPrefixes: of an edition that cannot be used, the log tells where it
// is wrong, once; the last good one goes on, through a reload, too, until there
// is another good one.
func TestBrokenPrefixes(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	tests := map[string]string{}
	for name := range brokenPrefixes {
		tests[name] = name
	}
	together(t, tests, func(t *testing.T, name string) {
		path, want := filepath.Join(t.TempDir(), "clients.txt"), brokenPrefixes[name].want
		goodEdition(t, path, "127.0.1.0/24")
		corefile := block(up, "block badsite.example\n clients "+path)
		s := &serving{t, start(t, corefile)}
		defer func() { stop(s.Instance) }()
		brokenEdition(t, name, path)
		until(t, func() error {
			if lines := logged.with("[ERROR]", path+want); len(lines) != 1 {
				return fmt.Errorf("the log says %q, want one line with %s%s", lines, path, want)
			}
			return nil
		})
		for range 2 {
			if err := s.groups("badsite.example", "127.0.1.1", denies, "127.0.2.1", passes, "127.0.3.1", passes); err != nil {
				t.Error(err)
			}
			if err := s.reload(corefile); err != nil {
				t.Fatal(err)
			}
		}
		goodEdition(t, path, "127.0.2.0/24")
		until(t, func() error { return s.groups("badsite.example", "127.0.1.1", passes, "127.0.2.1", denies) })
	})
}

// TestBrokenAtReload: what a reload finds out is in the log as well, once. The
// rounds that come later find nothing new to tell.
func TestBrokenAtReload(t *testing.T) {
	up := newUpstream(t)
	for _, tt := range []struct{ property, good, bad, mended string }{
		{"except", "127.0.1.0/24\n", "127.0.1.0/24\n127.0.2.0/24x\n", "Loaded except "},
		{"list", "other.example\n", "<!DOCTYPE html>\n", "fresh again"},
	} {
		name := fresh("reload")
		path := filepath.Join(t.TempDir(), name+".txt")
		putFile(t, path, []byte(tt.good))
		corefile := block(up, "block badsite.example\n "+tt.property+" "+path)
		s := &serving{t, start(t, corefile)}
		defer func() { stop(s.Instance) }()
		reload := func(text string) {
			putFile(t, path, []byte(text))
			for range 2 {
				if err := s.reload(corefile); err != nil {
					t.Fatal(err)
				}
			}
		}
		reload(tt.bad)
		if lines := logged.with("[ERROR]", name); len(lines) != 1 || !strings.Contains(lines[0], "eeping the last good") {
			t.Errorf("%s: the log says %q", tt.property, lines)
		}
		reload(tt.good)
		if lines := logged.with("[INFO]", name, tt.mended); len(lines) == 0 {
			t.Errorf("%s: the log does not tell that it is fine again", tt.property)
		}
		if err := s.groups("badsite.example", "127.0.2.1", denies); err != nil {
			t.Error(err)
		}
	}
}

// TestMappedClients: behind a socket of both families, a client of IPv4 is known
// by its address mapped into IPv6.
func TestMappedClients(t *testing.T) {
	if !hasIPv6() {
		t.Skip("Not tried: this machine has no IPv6")
	}
	corefile := block(newUpstream(t), "block badsite.example\n clients 127.0.1.0/24 ::1\n except ::ffff:127.0.1.128/121")
	s := &serving{t, start(t, strings.Replace(corefile, " bind 127.0.0.1\n", "", 1))}
	defer func() { stop(s.Instance) }()
	port := netip.MustParseAddrPort(s.Servers()[0].LocalAddr().String()).Port()
	for from, want := range map[string]string{"127.0.1.1": denies, "127.0.1.129": passes, "127.0.2.1": passes, "::1": denies} {
		to := map[bool]string{true: "[::1]", false: "127.0.0.1"}[from == "::1"]
		reply, err := routeFrom(from, fmt.Sprint(to, ":", port)).ask(new(dns.Msg).SetQuestion("www.badsite.example.", dns.TypeA).SetEdns0(1232, false), "")
		if err != nil || answer(reply) != want {
			t.Errorf("From %s: %v, %v, want %s", from, reply, err, want)
		}
	}
}
