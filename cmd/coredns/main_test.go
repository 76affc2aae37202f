package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// scratch is a folder for all tests.
var scratch string

func TestMain(m *testing.M) {
	clog.SetOutput(&logged)
	dnsserver.Quiet = true
	if err := dnsserver.SetDirectives(directives); err != nil {
		panic(err)
	}
	var err error
	if scratch, err = os.MkdirTemp("", "nonudify"); err != nil {
		panic(err)
	}
	trust(filepath.Join(scratch, "authority.pem"))
	code := m.Run()
	for _, line := range logged.with(unsaid) {
		fmt.Println("Must not be in the log:", line)
		code = max(code, 1)
	}
	os.RemoveAll(scratch)
	os.Exit(code)
}

// trust makes the certificates of package sourcetest good ones, for this process
// and those that it starts.
func trust(path string) {
	if err := os.WriteFile(path, sourcetest.Authority(), 0o644); err != nil {
		panic(err)
	}
	os.Setenv("SSL_CERT_FILE", path)
}

// start serves a Corefile in this process. The caller stops it.
func start(t *testing.T, corefile string) *caddy.Instance {
	t.Helper()
	i, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
	if err != nil {
		t.Fatalf("Could not start: %v\n%s", err, corefile)
	}
	up(t, i)
	return i
}

// newProbe returns a query of a later EDNS version. It is answered before any
// plugin sees it, so that nothing is asked of anybody else.
func newProbe() *dns.Msg {
	probe := new(dns.Msg).SetQuestion(".", dns.TypeNS).SetEdns0(1232, false)
	probe.IsEdns0().SetVersion(1)
	return probe
}

func mixedCase(s string) string {
	b := []byte(s)
	for i := 0; i < len(b); i += 2 {
		if 'a' <= b[i] && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

// everyFlag returns the query without EDNS, with it, and with DO and CD.
func everyFlag(qname string, qtype uint16) []*dns.Msg {
	question := func() *dns.Msg { return new(dns.Msg).SetQuestion(dns.Fqdn(qname), qtype) }
	edns := question().SetEdns0(1232, false)
	do := question().SetEdns0(1232, true)
	cd := question().SetEdns0(4096, true)
	cd.CheckingDisabled = true
	return []*dns.Msg{question(), edns, do, cd}
}

// up waits until every server answers: one that is stopped before it has begun
// to serve goes on for ever.
func up(t *testing.T, i *caddy.Instance) {
	t.Helper()
	probe := newProbe()
	for _, r := range routes(i) {
		r.stranger = true
		if reply, err := r.ask(probe, ""); err != nil || reply.Rcode != dns.RcodeBadVers {
			t.Fatalf("The server is not up %v: %v %v", r, reply, err)
		}
	}
}

func stop(i *caddy.Instance) {
	i.ShutdownCallbacks()
	i.Stop()
	i.Wait()
}

// upstream is a DNS server on loopback that answers every question alike and
// remembers the names.
type upstream struct {
	addr string
	mu   sync.Mutex
	seen []string
}

// upstreamAddress is what every name resolves to that the filter lets through.
const upstreamAddress = "192.0.2.53"

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{}
	u.addr = serveBoth(t, u)
	return u
}

func (u *upstream) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	q := r.Question[0]
	u.mu.Lock()
	u.seen = append(u.seen, strings.ToLower(q.Name))
	u.mu.Unlock()
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true
	if q.Qtype == dns.TypeA {
		rr, _ := dns.NewRR(fmt.Sprintf("%s 60 IN A %s", q.Name, upstreamAddress))
		m.Answer = []dns.RR{rr}
	}
	w.WriteMsg(m)
}

// asked returns the names that the upstream was asked for.
func (u *upstream) asked() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.seen...)
}

// addrs returns the UDP and the TCP address of the only server.
func addrs(i *caddy.Instance) (udp, tcp string) {
	s := i.Servers()[0]
	return s.LocalAddr().String(), s.Addr().String()
}

// ports hands out ports below those that systems give to whoever wants any one
// (RFC 6335 §6, and Linux from 32768 on): one of these would be free now, and
// taken by a client of another test a moment later. Where it begins differs from
// process to process.
var ports = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(uint32(os.Getpid()) * 101)
	return &n
}()

// freePort returns a port that is free for UDP and TCP, on all addresses, and that
// no other test of this process is given.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf(":%d", 20_000+ports.Add(1)%12_000)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		l.Close()
		if u, err := net.ListenPacket("udp", addr); err == nil {
			u.Close()
			return addr[1:]
		}
	}
	t.Fatal("No port is free for both UDP and TCP")
	return ""
}

// TestDirectives holds the list of directives against stock CoreDNS: the same
// order, with nonudify right before cache.
func TestDirectives(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleDir(t, "github.com/coredns/coredns"), "plugin.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	place := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			place[name] = len(place) + 1
		}
	}
	last := 0
	for i, d := range directives {
		if d == "nonudify" {
			if directives[i-1] != "acl" || directives[i+1] != "cache" {
				t.Errorf("nonudify stands between %s and %s, want acl and cache", directives[i-1], directives[i+1])
			}
			continue
		}
		if place[d] <= last {
			t.Errorf("%s is out of the order of plugin.cfg", d)
		}
		last = place[d]
	}
	for _, name := range caddy.ListPlugins()["others"] {
		if name, ok := strings.CutPrefix(name, "dns."); ok && !slices.Contains(directives, name) {
			t.Errorf("Plugin %s is linked but not among the directives", name)
		}
	}
	for _, name := range directives {
		if !slices.Contains(caddy.ListPlugins()["others"], "dns."+name) {
			t.Errorf("Directive %s has no plugin", name)
		}
	}
}

// poll repeats a check until it is fine, for half a minute.
func poll(check func() error) error {
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-deadline:
			return err
		case <-again.C:
		}
	}
}
