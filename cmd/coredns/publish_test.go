//go:build unix

package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
)

// The tests in this file have real secondaries follow the policy zone that the
// server publishes.

// hiddenPrimary is the server with a list in a file and a policy zone.
type hiddenPrimary struct {
	*scenario
	origin, port, corefile string
	file                   string // of the list
}

// newHiddenPrimary returns a server on a port, not started yet, that tells the
// secondaries at other ports of loopback. more is what else stands in the server
// block.
func newHiddenPrimary(t *testing.T, origin, port, more string, notify ...string) *hiddenPrimary {
	t.Helper()
	dir := t.TempDir()
	p := &hiddenPrimary{scenario: &scenario{t: t, dir: dir, denied: map[string]bool{}}, origin: origin, port: port, file: "list.txt"}
	to := []string{"*"}
	for _, port := range notify {
		to = append(to, "127.0.0.1:"+port)
	}
	p.corefile = fmt.Sprintf(`.:%s {
    bind 127.0.0.1
    tsig {
        secret %s %s
        %s
    }
    nonudify {
        list %s name %s
        allow fine.mixed.example
        state %s
        zone %s
    }
    transfer %[8]s {
        to %[9]s
    }
    whoami
}
`, port, zoneKey, zoneSecret, more, filepath.Join(dir, p.file), origin, filepath.Join(dir, "state"), origin, strings.Join(to, " "))
	t.Cleanup(p.stop)
	return p
}

func (p *hiddenPrimary) start() { p.instance = start(p.t, p.corefile) }

func (p *hiddenPrimary) stop() {
	if p.instance != nil {
		stop(p.instance)
		p.instance = nil
	}
}

// list has the server read other names from the file.
func (p *hiddenPrimary) list(names ...string) {
	p.t.Helper()
	p.scenario.write(p.file, []byte("# List-ID: nudify.lists.example\n"+strings.Join(names, "\n")+"\n"))
}

// zoneState is a zone as a server has it.
type zoneState struct {
	serial  uint32
	records map[string]bool
}

// readZone transfers a zone as a whole.
func readZone(origin, port string) (zoneState, error) {
	z := zoneState{records: map[string]bool{}}
	ch, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr(origin), "127.0.0.1:"+port)
	if err != nil {
		return z, err
	}
	for e := range ch {
		if e.Error != nil {
			err = e.Error
		}
		for _, rr := range e.RR {
			if soa, ok := rr.(*dns.SOA); ok {
				z.serial = soa.Serial
			} else {
				z.records[strings.ReplaceAll(rr.String(), "\t", " ")] = true
			}
		}
	}
	return z, err
}

// String returns the zone as lines.
func (z zoneState) String() string {
	return fmt.Sprintf("serial %d\n%s", z.serial, strings.Join(slices.Sorted(maps.Keys(z.records)), "\n"))
}

// publishes waits until the server publishes another edition than the one before,
// in which these triggers are and are not, and returns it.
func (p *hiddenPrimary) publishes(before uint32, triggers string) zoneState {
	p.t.Helper()
	var z zoneState
	err := poll(func() (err error) {
		if z, err = readZone(p.origin, p.port); err != nil {
			return err
		}
		if z.serial == before {
			return fmt.Errorf("the serial is still %d", before)
		}
		for trigger := range strings.FieldsSeq(triggers) {
			name, absent := strings.CutPrefix(trigger, "!")
			if line := name + "." + p.origin + " 60 IN CNAME ."; z.records[line] == absent {
				return fmt.Errorf("%s: %v", trigger, z)
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return z
}

// reaches waits until the secondary at a port has the same zone.
func (z zoneState) reaches(t *testing.T, origin, port string) {
	t.Helper()
	err := poll(func() error {
		got, err := readZone(origin, port)
		if err == nil && (got.serial != z.serial || !maps.Equal(got.records, z.records)) {
			err = fmt.Errorf("the secondary has %v, want %v", got, z)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// transfers returns how many requests for the zone have ended in a way.
func (p *hiddenPrimary) transfers(result string) float64 {
	p.t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "coredns_nonudify_zone_transfers_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); l[0].GetValue() == result && l[1].GetValue() == p.origin {
				return m.GetCounter().GetValue()
			}
		}
	}
	p.t.Fatalf("No count of transfers of %s that are %s", p.origin, result)
	return 0
}

// launch starts a secondary, and does not wait for anything.
func (p *primary) launch() {
	p.t.Helper()
	p.cmd = exec.Command(p.name, append(p.args, filepath.Join(p.dir, "config"))...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// confined skips the test where the secondary may not read its own files.
func (p *primary) confined() {
	if os.Getenv("CI") == "" && strings.Contains(strings.ToLower(p.out.String()), "permission denied") {
		p.t.Skipf("%s may not read %s; AppArmor or the like confines it", p.name, p.dir)
	}
}

// secondaryBIND is a BIND that has a zone from a port of loopback.
func secondaryBIND(t *testing.T, origin, from, how string) *primary {
	t.Helper()
	p := newPrimary(t, "named", "-g", "-c")
	p.write("config", fmt.Sprintf(`
options {
	directory "%[1]s"; pid-file none; lock-file none; session-keyfile "%[1]s/session.key";
	listen-on port %[2]s { 127.0.0.1; }; listen-on-v6 { none; };
	recursion no; dnssec-validation no; allow-transfer { any; }; notify no;
};
controls { };
key "%[3]s" { algorithm hmac-sha256; secret "%[4]s"; };
tls ours { remote-hostname "127.0.0.1"; ca-file "%[1]s/ca.pem"; };
zone "%[5]s" { type secondary; file "%[1]s/copy"; masterfile-format text; primaries { 127.0.0.1 port %[6]s %[7]s; }; };
`, p.dir, p.port, zoneKey, zoneSecret, origin, from, how))
	return p
}

// secondaryKnot is a Knot DNS that has a zone from a port of loopback.
func secondaryKnot(t *testing.T, origin, from string) *primary {
	t.Helper()
	p := newPrimary(t, "knotd", "-c")
	p.write("config", fmt.Sprintf(`
server:
  rundir: "%[1]s"
  listen: "127.0.0.1@%[2]s"
control:
  listen: "%[1]s/knot.sock"
database:
  storage: "%[1]s"
log:
  - target: stderr
    any: info
key:
  - id: %[3]s
    algorithm: hmac-sha256
    secret: "%[4]s"
remote:
  - id: ours
    address: "127.0.0.1@%[6]s"
    key: %[3]s
acl:
  - id: loopback
    address: 127.0.0.1
    action: [notify, transfer]
zone:
  - domain: %[5]s
    storage: "%[1]s"
    file: copy
    master: ours
    acl: loopback
`, p.dir, p.port, zoneKey, zoneSecret, origin, from))
	return p
}

func TestPublishToBIND(t *testing.T) {
	const origin = "bind.rpz."
	port := freePort(t)
	lead(t, secondaryBIND(t, origin, port, "key "+zoneKey), origin, port)
}

func TestPublishToKnot(t *testing.T) {
	const origin = "knot.rpz."
	port := freePort(t)
	lead(t, secondaryKnot(t, origin, port), origin, port)
}

// lead goes through what happens to a zone while a secondary follows it: its
// refresh time is so long that what it has is there because of a NOTIFY.
func lead(t *testing.T, s *primary, origin, port string) {
	p := newHiddenPrimary(t, origin, port, "", s.port)
	p.list("badsite.example", "mixed.example")
	p.start()
	first := p.publishes(0, "badsite.example *.badsite.example")
	s.launch()
	err := poll(func() error {
		_, err := readZone(origin, s.port)
		return err
	})
	if err != nil {
		s.confined()
	}
	first.reaches(t, origin, s.port)
	partly := p.transfers("incremental")

	p.list("badsite.example", "mixed.example", "new.example")
	second := p.publishes(first.serial, "new.example *.new.example")
	second.reaches(t, origin, s.port)
	p.list("badsite.example", "mixed.example") // back to what was before
	third := p.publishes(second.serial, "!new.example badsite.example")
	if int32(third.serial-second.serial) <= 0 || !maps.Equal(third.records, first.records) {
		t.Errorf("After a rollback: %v, the first edition was %v", third, first)
	}
	third.reaches(t, origin, s.port)

	s.kill() // the secondary is away for two editions
	p.list("badsite.example", "while.example")
	away := p.publishes(third.serial, "while.example !mixed.example")
	p.list("badsite.example", "back.example")
	back := p.publishes(away.serial, "back.example !while.example")
	s.launch()
	back.reaches(t, origin, s.port)
	if n := p.transfers("incremental") - partly; n != 3 {
		t.Errorf("%v incremental transfers, want 3", n)
	}

	p.stop() // and then this server, which counts anew
	p.start()
	if again := p.publishes(0, "back.example"); again.serial != back.serial {
		t.Errorf("After a restart with the same list the serial is %d, was %d", again.serial, back.serial)
	}
	p.list("last.example")
	last := p.publishes(back.serial, "last.example !badsite.example")
	last.reaches(t, origin, s.port)
	if n := p.transfers("incremental"); n != 1 {
		t.Errorf("%v incremental transfers after a restart, want 1", n)
	}
}

// TestPublishOverTLS has BIND transfer the zone over TLS (RFC 9103), and one that
// does not trust the certificate get nothing.
func TestPublishOverTLS(t *testing.T) {
	const origin = "tls.rpz."
	port, encrypted := freePort(t), freePort(t)
	s := secondaryBIND(t, origin, encrypted, "key "+zoneKey+" tls ours")
	s.certificate() // of this server
	cert, err := os.ReadFile(filepath.Join(s.dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.write("ca.pem", string(cert))
	stranger := secondaryBIND(t, origin, encrypted, "key "+zoneKey+" tls ours")
	stranger.certificate()
	if err := os.Rename(filepath.Join(stranger.dir, "cert.pem"), filepath.Join(stranger.dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	p := newHiddenPrimary(t, origin, port, "", s.port)
	p.corefile = strings.Replace(p.corefile, ".:"+port+" {", fmt.Sprintf(".:%s tls://.:%s {\n    tls %s %s", port, encrypted,
		filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem")), 1)
	p.list("badsite.example")
	p.start()
	first := p.publishes(0, "badsite.example")
	stranger.launch()
	s.launch()
	first.reaches(t, origin, s.port)
	p.list("badsite.example", "new.example")
	p.publishes(first.serial, "new.example").reaches(t, origin, s.port)
	if z, err := readZone(origin, stranger.port); err == nil {
		t.Errorf("Who does not trust the certificate has %v", z)
	}
}

// TestPublishToCoreDNS has the secondary plugin take the zone, which knows neither
// keys nor differences.
func TestPublishToCoreDNS(t *testing.T) {
	const origin = "coredns.rpz."
	port, own := freePort(t), freePort(t)
	p := newHiddenPrimary(t, origin, port, "", own)
	p.list("badsite.example")
	p.start()
	first := p.publishes(0, "badsite.example")
	i := start(t, fmt.Sprintf("%s:%s {\n bind 127.0.0.1\n secondary {\n transfer from 127.0.0.1:%s\n }\n transfer {\n to *\n }\n}\n", origin, own, port))
	defer stop(i)
	first.reaches(t, origin, own)
	p.list("badsite.example", "new.example")
	p.publishes(first.serial, "new.example").reaches(t, origin, own)
}

// TestPublishSigned: where the tsig plugin wants a signature, nobody gets the zone
// without one, or with another.
func TestPublishSigned(t *testing.T) {
	const origin = "signed.rpz."
	port := freePort(t)
	p := newHiddenPrimary(t, origin, port, "require AXFR IXFR")
	p.list("badsite.example")
	p.start()
	for secret, want := range map[string]string{"": "bad xfr rcode: 5", wrongKey: "bad authentication", zoneSecret: ""} {
		m := new(dns.Msg).SetAxfr(origin)
		tr := new(dns.Transfer)
		if secret != "" {
			m.SetTsig(zoneKey, dns.HmacSHA256, 300, time.Now().Unix())
			tr.TsigSecret = map[string]string{zoneKey: secret}
		}
		ch, err := tr.In(m, "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		n, got := 0, ""
		for e := range ch {
			n += len(e.RR)
			if e.Error != nil {
				got = e.Error.Error()
			}
		}
		if !strings.Contains(got, want) || (got == "") != (want == "") || (n > 0) != (want == "") {
			t.Errorf("With the secret %q: %d records, %q", secret, n, got)
		}
	}
}

// TestPublishChain has one of our servers take the zone of another as its list, and
// publish it again.
func TestPublishChain(t *testing.T) {
	const origin = "chain.rpz."
	port, own := freePort(t), freePort(t)
	p := newHiddenPrimary(t, origin, port, "", own)
	p.list("badsite.example", "mixed.example", "listed.example", "one.example", "two.example", "three.example", "four.example", "five.example")
	p.start()
	first := p.publishes(0, "badsite.example")
	s := secondaryOf(t, "chained", own, "axfr://127.0.0.1:"+port+"/chain.rpz?tsig="+zoneKey, zoneSecret, "state "+t.TempDir()+"\n zone again.rpz")
	s.corefile = strings.Replace(s.corefile, "whoami", "transfer again.rpz {\n to *\n }\n whoami", 1)
	s.start()
	defer s.stop()
	s.soon("www.badsite.example" + isDenied)
	s.now("fine.mixed.example"+isPassed, "x.mixed.example"+isDenied, "any.example"+isPassed)
	p.list("badsite.example", "mixed.example", "listed.example", "one.example", "two.example", "three.example", "four.example", "new.example")
	p.publishes(first.serial, "new.example !five.example")
	s.soon("www.new.example" + isDenied)
	s.now("five.example" + isPassed)
	again := &hiddenPrimary{scenario: s.scenario, origin: "again.rpz.", port: own}
	again.publishes(0, "new.example *.new.example !five.example")
}

// TestPublishInterrupted has secondaries hang up, or stop reading, in the middle of
// a transfer, over and over: the next edition comes all the same, others get it,
// and nothing stays behind of those that hung up.
func TestPublishInterrupted(t *testing.T) {
	const origin = "broken.rpz."
	port := freePort(t)
	p := newHiddenPrimary(t, origin, port, "")
	names := make([]string, 8_000)
	for i := range names {
		names[i] = fmt.Sprintf("n%d.example", i)
	}
	p.list(names...)
	p.start()
	first := p.publishes(0, "n7.example *.n7.example")
	ask := func() (conn net.Conn) {
		err := poll(func() (err error) { // one client has only some, and those that hung up may not have been noticed
			if conn, err = net.Dial("tcp", "127.0.0.1:"+port); err != nil {
				return err
			}
			conn.(*net.TCPConn).SetReadBuffer(4096)
			c := dns.Conn{Conn: conn}
			m := new(dns.Msg)
			if err = c.WriteMsg(new(dns.Msg).SetAxfr(origin)); err == nil {
				m, err = c.ReadMsg()
			}
			if err != nil || len(m.Answer) < 100 {
				conn.Close()
				return fmt.Errorf("the first message: %v, %v", m, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	for range 5 {
		ask() // and never reads on
	}
	before := runtime.NumGoroutine()
	for range 10 {
		ask().Close()
	}
	err := poll(func() error {
		if n := runtime.NumGoroutine(); n > before+3 {
			return fmt.Errorf("%d goroutines, %d before", n, before)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	p.list(append(names, "new.example")...)
	second := p.publishes(first.serial, "new.example n7.example")
	if len(second.records) != len(first.records)+2 {
		t.Errorf("%d records after %d", len(second.records), len(first.records))
	}
	p.checked(second)
}

// checked has BIND's checker read the zone as it was transferred.
func (p *hiddenPrimary) checked(z zoneState) {
	p.t.Helper()
	program := installed(p.t, "named-checkzone")
	soa, err := dns.NewRR(fmt.Sprintf("%s 60 IN SOA localhost. hostmaster.invalid. %d 300 120 2592000 60", p.origin, z.serial))
	if err != nil {
		p.t.Fatal(err)
	}
	lines := append([]string{soa.String()}, slices.Sorted(maps.Keys(z.records))...)
	file := filepath.Join(p.dir, "dump")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	out, err := exec.Command(program, "-k", "fail", p.origin, file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "OK") {
		p.t.Errorf("named-checkzone: %v\n%s", err, out)
	}
}

// TestPublishTwo has two secondaries at different serials, and one that has never
// been there: each gets what it lacks, in one and the same moment.
func TestPublishTwo(t *testing.T) {
	const origin = "two.rpz."
	port := freePort(t)
	p := newHiddenPrimary(t, origin, port, "")
	p.list("a.example")
	p.start()
	one := p.publishes(0, "a.example")
	p.list("a.example", "b.example")
	two := p.publishes(one.serial, "b.example")
	p.list("b.example", "c.example")
	three := p.publishes(two.serial, "c.example")
	for serial, want := range map[uint32]int{one.serial: 2 + 4 + 8 - 2 - 2 + 2, two.serial: 2 + 2 + 4, three.serial: 1} {
		ch, err := new(dns.Transfer).In(new(dns.Msg).SetIxfr(origin, serial, "localhost.", "x."), "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for e := range ch {
			if e.Error != nil {
				t.Errorf("From serial %d: %v", serial, e.Error)
			}
			n += len(e.RR)
		}
		if n != want {
			t.Errorf("From serial %d come %d records, want %d", serial, n, want)
		}
	}
}

// resolverBIND is a BIND that resolves by an upstream, and filters by the zone.
func resolverBIND(t *testing.T, origin, from, upstream string) *primary {
	t.Helper()
	p := newPrimary(t, "named", "-g", "-c")
	host, port, _ := net.SplitHostPort(upstream)
	p.write("config", fmt.Sprintf(`
options {
	directory "%[1]s"; pid-file none; lock-file none; session-keyfile "%[1]s/session.key";
	listen-on port %[2]s { 127.0.0.1; }; listen-on-v6 { none; };
	recursion yes; dnssec-validation no; notify no; empty-zones-enable no;
	forward only; forwarders { %[3]s port %[4]s; };
	response-policy { zone "%[5]s" min-update-interval 1; } break-dnssec yes qname-wait-recurse no;
};
controls { };
zone "%[5]s" { type secondary; file "%[1]s/copy"; primaries { 127.0.0.1 port %[6]s; }; };
`, p.dir, p.port, host, port, origin, from))
	return p
}

// resolverUnbound is an Unbound that resolves by an upstream, and filters by the
// zone.
func resolverUnbound(t *testing.T, origin, from, upstream string) *primary {
	t.Helper()
	p := newPrimary(t, "unbound", "-d", "-c")
	host, port, _ := net.SplitHostPort(upstream)
	p.write("config", fmt.Sprintf(`
server:
  module-config: "respip iterator"
  interface: 127.0.0.1@%[2]s
  do-ip6: no
  do-not-query-localhost: no
  directory: "%[1]s"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  verbosity: 2
  local-zone: "example." transparent
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: %[3]s@%[4]s
rpz:
  name: %[5]s
  primary: 127.0.0.1@%[6]s
  allow-notify: 127.0.0.1
  zonefile: "%[1]s/copy"
`, p.dir, p.port, host, port, origin, from))
	return p
}

// TestPublishVerdicts asks resolvers that filter by the zone what the server
// itself is asked, before and after a change: they say the same.
func TestPublishVerdicts(t *testing.T) {
	for name, resolver := range map[string]func(t *testing.T, origin, from, upstream string) *primary{"bind": resolverBIND, "unbound": resolverUnbound} {
		t.Run(name, func(t *testing.T) {
			origin, port, up := name+"-verdicts.rpz.", freePort(t), newUpstream(t)
			s := resolver(t, origin, port, up.addr)
			p := newHiddenPrimary(t, origin, port, "", s.port)
			p.corefile = strings.Replace(p.corefile, "    whoami", "    forward . "+up.addr, 1)
			p.list("badsite.example", "mixed.example", "deep.very.fine.mixed.example", "sub-badsite2.example")
			p.start()
			first := p.publishes(0, "badsite.example")
			s.launch()
			asked := []string{"badsite.example.", "www.badsite.example.", "a.b.badsite.example.", "mixed.example.", "x.mixed.example.", "fine.mixed.example.", "x.fine.mixed.example.",
				"very.fine.mixed.example.", "deep.very.fine.mixed.example.", "sub-badsite2.example.", "badsite2.example.", "sundress.example.", "xbadsite.example.", "example.", "new.example.", "www.new.example."}
			agree := func() error {
				for _, name := range asked {
					ours, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), "127.0.0.1:"+port)
					if err != nil {
						return err
					}
					theirs, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), "127.0.0.1:"+s.port)
					if err != nil {
						return err
					}
					if blocked := len(ours.Answer) == 0; blocked != (len(theirs.Answer) == 0) || theirs.Rcode != ours.Rcode {
						return fmt.Errorf("%s: we say %s with %d records, they %s with %d", name,
							dns.RcodeToString[ours.Rcode], len(ours.Answer), dns.RcodeToString[theirs.Rcode], len(theirs.Answer))
					}
				}
				return nil
			}
			if err := poll(agree); err != nil {
				s.confined()
				t.Fatal(err)
			}
			p.list("mixed.example", "new.example")
			p.publishes(first.serial, "new.example !badsite.example")
			if err := poll(agree); err != nil {
				t.Error(err)
			}
		})
	}
}
