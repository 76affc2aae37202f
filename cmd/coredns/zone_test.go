//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The tests in this file have the server follow a zone on real primaries, which
// run as children of the test on ports and in a directory of their own.

// What the primaries and the server share.
const (
	zoneName   = "rpz.example."
	zoneKey    = "transfer.example."
	zoneSecret = "c2hhcmVkIGJ5IHRoZSBwcmltYXJ5IGFuZCB1cyEhISE="
	wrongKey   = "YW5vdGhlciBzZWNyZXQgb2YgdGhlIHNhbWUgbGVuZ3Ro"
)

// zoneText is the zone at first. Its times are so long that whatever happens in
// a test happens because of a NOTIFY.
var zoneText = "$TTL 60\n@ SOA localhost. hostmaster.example. 1 86400 86400 864000 60\n@ NS localhost.\n" +
	"listed.example CNAME .\n*.listed.example CNAME .\nmixed.example CNAME .\n*.mixed.example CNAME .\nfine.mixed.example CNAME rpz-passthru.\n" +
	"*.hosts.example CNAME .\nalone.example CNAME .\nold.example CNAME .\n*.old.example CNAME .\n" +
	strings.Join(fillers(100), "\n") + "\n"

// fillers are so many rules that to lose two of all is no shrinking.
func fillers(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("n%d.example CNAME .", i)
	}
	return lines
}

// primary is a real server that is primary for the zone.
type primary struct {
	*peer
	tlsPort      string
	args         []string // before the file "config"
	full, partly *regexp.Regexp
}

func newPrimary(t *testing.T, program string, args ...string) *primary {
	t.Helper()
	p := &primary{peer: newPeer(t, program), args: args}
	p.write("zone", zoneText)
	return p
}

// installed finds a server; those of a system need not be in the PATH of its
// users.
func installed(t *testing.T, program string) string {
	t.Helper()
	if path := located(program); path != "" {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed; make setup does", program)
	}
	t.Skipf("%s is not installed; make setup does", program)
	return ""
}

// located returns where a server is, "" if it is not installed.
func located(program string) string {
	for _, path := range []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	return ""
}

// newBIND tells a server of its changes over UDP.
func newBIND(t *testing.T, notify string) *primary {
	t.Helper()
	p := newPrimary(t, "named", "-g", "-c")
	p.tlsPort = freePort(t)
	p.full, p.partly = regexp.MustCompile(`: AXFR started`), regexp.MustCompile(`: IXFR started`)
	p.certificate()
	p.write("config", fmt.Sprintf(`
options {
	directory "%[1]s"; pid-file none; lock-file none; session-keyfile "%[1]s/session.key";
	listen-on port %[2]s { 127.0.0.1; };
	listen-on port %[3]s tls own { 127.0.0.1; };
	listen-on-v6 { none; };
	recursion no; dnssec-validation no; notify-delay 0; allow-transfer { none; };
};
controls { };
tls own { cert-file "%[1]s/cert.pem"; key-file "%[1]s/key.pem"; };
key "%[4]s" { algorithm hmac-sha256; secret "%[5]s"; };
zone "rpz.example" {
	type primary; file "%[1]s/zone";
	allow-transfer { key "%[4]s"; }; allow-update { key "%[4]s"; };
	notify explicit; also-notify { 127.0.0.1 port %[6]s key "%[4]s"; };
};
`, p.dir, p.port, p.tlsPort, zoneKey, zoneSecret, notify))
	return p
}

// newKnot tells a server of its changes over TCP.
func newKnot(t *testing.T, notify string) *primary {
	t.Helper()
	p := newPrimary(t, "knotd", "-c")
	p.full, p.partly = regexp.MustCompile(`AXFR, outgoing.* started`), regexp.MustCompile(`IXFR, outgoing.* started`)
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
  - id: server
    address: "127.0.0.1@%[5]s"
acl:
  - id: ours
    key: %[3]s
    action: [transfer, update]
zone:
  - domain: rpz.example
    storage: "%[1]s"
    file: zone
    acl: ours
    notify: server
`, p.dir, p.port, zoneKey, zoneSecret, notify))
	return p
}

// certificate makes a certificate of its own for the primary.
func (p *primary) certificate() {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		p.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	p.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// start starts the primary and waits until it has the zone.
func (p *primary) start() {
	p.t.Helper()
	p.startUntil(dns.Question{Name: zoneName, Qtype: dns.TypeSOA}, 1, nil, append(p.args, filepath.Join(p.dir, "config"))...)
}

// update adds a name with all that is below it, and removes another.
func (p *primary) update(add, remove string) {
	p.t.Helper()
	owners := func(name string) []string {
		if name == "" {
			return nil
		}
		return []string{name, "*." + name}
	}
	p.change(owners(add), owners(remove))
}

// change changes the zone (RFC 2136), and so its serial by one.
func (p *primary) change(add, remove []string) {
	p.t.Helper()
	m := new(dns.Msg).SetUpdate(zoneName)
	for _, c := range []struct {
		owners []string
		change func([]dns.RR)
	}{{add, m.Insert}, {remove, m.Remove}} {
		for _, owner := range c.owners {
			rr, err := dns.NewRR(owner + "." + zoneName + " 60 CNAME .")
			if err != nil {
				p.t.Fatal(err)
			}
			c.change([]dns.RR{rr})
		}
	}
	m.SetTsig(zoneKey, dns.HmacSHA256, 300, time.Now().Unix())
	c := dns.Client{Net: "tcp", Timeout: 10 * time.Second, TsigSecret: map[string]string{zoneKey: zoneSecret}}
	if reply, _, err := c.Exchange(m, "127.0.0.1:"+p.port); err != nil || reply.Rcode != dns.RcodeSuccess {
		p.t.Fatalf("Update: %v, %v", reply, err)
	}
}

// served returns how many transfers of each kind the primary has logged.
func (p *primary) served() (full, partly int) {
	log := p.out.String()
	return len(p.full.FindAllString(log, -1)), len(p.partly.FindAllString(log, -1))
}

// secondary is the server with the zone as its only list.
type secondary struct {
	*scenario
	list     string // its name
	corefile string
}

// secondaryOf returns a server on a port, not started yet. Each has a list name
// of its own: the metrics are those of the process.
func secondaryOf(t *testing.T, name, port, url, secret, more string) *secondary {
	return &secondary{
		scenario: &scenario{t: t, denied: map[string]bool{}}, list: name,
		corefile: fmt.Sprintf(`.:%s {
    bind 127.0.0.1
    tsig {
        secret %s %s
    }
    nonudify {
        list %s name %s
        %s
    }
    whoami
}
`, port, zoneKey, secret, url, name, more),
	}
}

func (s *secondary) start() { s.instance = start(s.t, s.corefile) }

// stop may be called again.
func (s *secondary) stop() {
	if s.instance != nil {
		stop(s.instance)
		s.instance = nil
	}
}

// now plays steps of a scenario that must hold at once.
func (s *secondary) now(steps ...string) {
	s.t.Helper()
	for _, step := range steps {
		if err := s.ask(strings.Fields(step)); err != nil {
			s.t.Errorf("%s: %v", step, err)
		}
	}
}

// soon waits for a step to hold.
func (s *secondary) soon(step string) {
	s.t.Helper()
	if err := s.eventually(strings.Fields(step)); err != nil {
		s.t.Fatalf("%s: %v", step, err)
	}
}

// shows waits for a metric of the list to have a value.
func (s *secondary) shows(want float64, metric string, labels ...string) {
	s.t.Helper()
	err := poll(func() error {
		if got, ok := s.metric(metric, labels...); !ok || got != want {
			return fmt.Errorf("%s%v is %v (%v), want %v", metric, labels, got, ok, want)
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
}

// metric returns the value of a metric of the list, whose other labels are given as
// cause=tls, and whether there is one.
func (s *secondary) metric(name string, labels ...string) (float64, bool) {
	s.t.Helper()
	value, known := series(s.t)[listSeries(s.list, name, labels...)]
	return value, known
}

// transfers waits until the primary has logged as many transfers as a whole and
// by changes.
func (s *secondary) transfers(p *primary, full, partly int) {
	s.t.Helper()
	err := poll(func() error {
		if f, n := p.served(); f != full || n != partly {
			return fmt.Errorf("the primary has served %d full and %d incremental transfers, want %d and %d", f, n, full, partly)
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
}

// Answers to names that are blocked, that are blocked without all or some of
// those below, that are not blocked, and while there is no list.
const (
	isDenied = " A +edns => NXDOMAIN ede=17"
	isEmpty  = " A +edns => NOERROR ede=17"
	isPassed = " A => NOERROR answers=0 by=whoami"
	isAbsent = " A +edns => SERVFAIL ede=14"
)

func TestZoneFromBIND(t *testing.T) {
	port := freePort(t)
	p := newBIND(t, port)
	followZone(t, p, port, "from-bind")
}

func TestZoneFromKnot(t *testing.T) {
	port := freePort(t)
	p := newKnot(t, port)
	followZone(t, p, port, "from-knot")
	t.Log("Not tried: transfer over TLS from Knot DNS, which takes version 3.4")
}

// followZone goes through what happens to a server and its primary.
func followZone(t *testing.T, p *primary, port, name string) {
	p.start()
	url := "axfr://127.0.0.1:" + p.port + "/rpz.example?tsig=" + zoneKey
	refuseSecret(t, p, url, name+"-wrong")
	s := secondaryOf(t, name, port, url, zoneSecret, "state "+t.TempDir()+"\nstart wait")
	s.start()
	defer s.stop()
	for _, step := range []struct {
		name string
		do   func(*secondary, *primary)
	}{{"load", loadZone}, {"notify", followNotify}, {"primary dies", surviveDeath}, {"restart", startFromCopy}} {
		t.Log(step.name)
		if step.do(s, p); t.Failed() {
			return
		}
	}
}

// refuseSecret: with another secret nothing is loaded, and nothing passes.
func refuseSecret(t *testing.T, p *primary, url, name string) {
	s := secondaryOf(t, name, "0", url, wrongKey, "start wait")
	s.start()
	defer s.stop()
	s.shows(1, "failing", "cause=transfer")
	s.now("listed.example"+isAbsent, "any.example"+isAbsent)
	s.shows(0, "serial")
	s.shows(0, "entries")
	s.transfers(p, 0, 0)
}

// loadZone: the zone comes as a whole, and its rules mean what they mean in RPZ.
func loadZone(s *secondary, p *primary) {
	s.soon("listed.example" + isDenied)
	s.now(
		"www.listed.example"+isDenied,
		"mixed.example"+isEmpty, "www.mixed.example"+isDenied, "fine.mixed.example"+isPassed, "any.example"+isPassed,
		"hosts.example"+isPassed, "www.hosts.example"+isDenied, "a.b.hosts.example"+isDenied,
		"alone.example"+isEmpty, "www.alone.example"+isPassed,
		"old.example"+isDenied, "new.example"+isPassed,
	)
	s.shows(1, "serial")
	s.shows(109, "entries")
	s.shows(0, "failing", "cause=none")
	s.transfers(p, 1, 0)
}

// followNotify: each change is there when the primary has told of it, and only
// what has changed is fetched.
func followNotify(s *secondary, p *primary) {
	next, _ := s.metric("next_refresh_timestamp_seconds")
	if until := time.Until(time.Unix(int64(next), 0)); until < 20*time.Hour {
		s.t.Fatalf("The next round would come in %v without a NOTIFY", until)
	}
	p.update("new.example", "")
	s.soon("new.example" + isDenied)
	s.now("www.new.example"+isDenied, "old.example"+isDenied)
	s.shows(2, "serial")
	p.update("", "old.example")
	s.soon("old.example" + isPassed)
	s.now("www.old.example"+isPassed, "new.example"+isDenied, "fine.mixed.example"+isPassed)
	s.shows(3, "serial")
	s.shows(109, "entries")
	s.transfers(p, 1, 2)
}

// surviveDeath: without its primary the list goes on, and with it again it is
// followed again.
func surviveDeath(s *secondary, p *primary) {
	p.kill()
	if rcode, err := notify(s.udp(), zoneName, "127.0.0.1"); err != nil || rcode != dns.RcodeSuccess {
		s.t.Errorf("NOTIFY: %d, %v", rcode, err)
	}
	s.shows(1, "failing", "cause=network")
	s.now("listed.example"+isDenied, "new.example"+isDenied, "any.example"+isPassed)
	s.shows(3, "serial")
	p.start()
	p.update("later.example", "")
	s.soon("later.example" + isDenied)
	s.shows(4, "serial")
	s.shows(0, "failing", "cause=none")
	s.transfers(p, 1, 3)
}

// startFromCopy: a server that is started without its primary has the list from
// the first query on, and goes on from there when the primary is back.
func startFromCopy(s *secondary, p *primary) {
	s.stop()
	p.kill()
	s.start()
	s.now("listed.example"+isDenied, "later.example"+isDenied, "fine.mixed.example"+isPassed, "any.example"+isPassed)
	s.shows(4, "serial")
	s.shows(1, "failing", "cause=network") // within ten seconds it has asked
	s.now("later.example" + isDenied)
	p.start()
	p.update("last.example", "")
	s.soon("last.example" + isDenied)
	s.shows(5, "serial")
	s.shows(0, "failing", "cause=none")
	s.transfers(p, 1, 4)
}

func (s *secondary) udp() string {
	udp, _ := addrs(s.instance)
	return udp
}

// notify says from an address that a zone has changed, and returns the code of
// the answer.
func notify(server, zone, from string) (int, error) {
	m := new(dns.Msg).SetNotify(zone)
	c := dns.Client{Timeout: 5 * time.Second, Dialer: &net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}}
	reply, _, err := c.Exchange(m, server)
	switch {
	case err != nil:
		return 0, err
	case reply.Opcode != dns.OpcodeNotify || !reply.Response || reply.Question[0] != m.Question[0]:
		return 0, fmt.Errorf("got %v", reply)
	case reply.Rcode == dns.RcodeSuccess && !reply.Authoritative:
		return 0, errors.New("the answer is not authoritative")
	}
	return reply.Rcode, nil
}

// TestZoneOverTLS has the resolver as it is installed transfer the zone over
// TLS: the authorities that a process trusts are read once.
func TestZoneOverTLS(t *testing.T) {
	p := newBIND(t, "9") // nobody is told
	p.start()
	corefile := filepath.Join(t.TempDir(), "Corefile")
	s := secondaryOf(t, "over-tls", "{$PORT}", "axfrs://127.0.0.1:"+p.tlsPort+"/rpz.example?tsig="+zoneKey, zoneSecret, "start wait")
	if err := os.WriteFile(corefile, []byte(s.corefile), 0o600); err != nil {
		t.Fatal(err)
	}
	rcode := func(r *process) (int, error) {
		m, err := dns.Exchange(new(dns.Msg).SetQuestion("www.listed.example.", dns.TypeA), "127.0.0.1:"+r.port)
		if err != nil {
			return 0, err
		}
		return m.Rcode, nil
	}
	stranger := run(t, corefile)
	err := poll(func() error {
		if !strings.Contains(stranger.out.String(), "certificate") {
			return errors.New("a certificate that nobody vouches for was not complained of")
		}
		return nil
	})
	if code, askErr := rcode(stranger); err != nil || askErr != nil || code != dns.RcodeServerFailure {
		t.Errorf("%v; answered with %d, %v", err, code, askErr)
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(p.dir, "cert.pem"))
	trusting := run(t, corefile)
	err = poll(func() error {
		if code, err := rcode(trusting); err != nil || code != dns.RcodeNameError {
			return fmt.Errorf("answered with %d, %v:\n%s", code, err, trusting.out)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
