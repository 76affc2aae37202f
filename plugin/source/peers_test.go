//go:build unix

package source

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The tests in this file transfer a zone from real servers, which run as
// children of the test on ports and in a directory of their own.

// peer is a running server.
type peer struct {
	addr     string
	listener string            // where it sends NOTIFY, over UDP or TCP as it likes
	notified chan notification // what does not fit is dropped
}

// notification is a NOTIFY message (RFC 1996) and where it came from.
type notification struct {
	*dns.Msg
	from netip.Addr
}

// peerRules is the number of rules of the zone, so many that they take several
// messages.
const peerRules = 5000

func TestBIND(t *testing.T) {
	dir := t.TempDir()
	c, pool := primaryCertificate(t, "primary.example", net.IPv4(127, 0, 0, 1))
	writePEM(t, c, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	port, tlsPort := peerPort(t), peerPort(t)
	p := newPeer(t, port)
	config := fmt.Sprintf(`
options {
	directory "%[1]s"; pid-file none; lock-file none; session-keyfile "%[1]s/session.key";
	listen-on port %[2]s { 127.0.0.1; };
	listen-on port %[3]s tls own { 127.0.0.1; };
	listen-on-v6 { none; };
	recursion no; dnssec-validation no; notify-delay 0; allow-transfer { none; };
};
controls { };
tls own { cert-file "%[1]s/cert.pem"; key-file "%[1]s/key.pem"; };
key "%[4]s" { algorithm %[5]s; secret "%[6]s"; };
zone "rpz.example" {
	type primary; file "%[1]s/zone";
	allow-transfer { key "%[4]s"; }; allow-update { key "%[4]s"; };
	notify explicit; also-notify { %[7]s };
};
`, dir, port, tlsPort, testKey.Name, testKey.Algorithm, testKey.Secret, strings.Replace(p.listener, ":", " port ", 1)+";")
	p.start(t, dir, config, "named", "-g", "-c")
	tr := Transfer{Primary: p.addr, Zone: rpzZone, Key: &testKey}
	p.try(t, tr)
	tr.Primary, tr.TLS = "127.0.0.1:"+tlsPort, &tls.Config{RootCAs: pool}
	t.Run("TLS", func(t *testing.T) { transferAndCompare(t, p, tr) })
	tr.TLS = &tls.Config{}
	if _, err := tr.Open(t.Context(), ""); err == nil {
		t.Error("A certificate that nobody vouches for was taken")
	}
}

func TestKnot(t *testing.T) {
	dir := t.TempDir()
	port := peerPort(t)
	p := newPeer(t, port)
	config := fmt.Sprintf(`
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
    algorithm: %[4]s
    secret: "%[5]s"
remote:
  - id: listener
    address: "%[6]s"
acl:
  - id: ours
    key: %[3]s
    action: [transfer, update]
zone:
  - domain: rpz.example
    storage: "%[1]s"
    file: zone
    acl: ours
    notify: listener
`, dir, port, testKey.Name, testKey.Algorithm, testKey.Secret, strings.Replace(p.listener, ":", "@", 1))
	p.start(t, dir, config, "knotd", "-c")
	p.try(t, Transfer{Primary: p.addr, Zone: rpzZone, Key: &testKey})
	t.Log("Not tried: transfer over TLS from Knot DNS, which takes version 3.4")
}

// newPeer listens for NOTIFY.
func newPeer(t *testing.T, port string) *peer {
	t.Helper()
	p := &peer{addr: "127.0.0.1:" + port, listener: "127.0.0.1:" + peerPort(t), notified: make(chan notification, 100)}
	udp, err := net.ListenPacket("udp", p.listener)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", p.listener)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: udp}, {Listener: tcp}} {
		s.Handler = dns.HandlerFunc(p.handle)
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return p
}

// handle takes one NOTIFY.
func (p *peer) handle(w dns.ResponseWriter, m *dns.Msg) {
	select {
	case p.notified <- notification{m, netip.MustParseAddrPort(w.RemoteAddr().String()).Addr()}:
	default:
	}
	w.WriteMsg(new(dns.Msg).SetReply(m))
}

// start starts the program with its configuration as the last argument.
func (p *peer) start(t *testing.T, dir, config, program string, args ...string) {
	t.Helper()
	path := programPath(t, program)
	for name, text := range map[string]string{"config": config, "zone": peerZone()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, append(args, filepath.Join(dir, "config"))...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	gone := false
	t.Cleanup(func() {
		if !gone {
			cmd.Process.Signal(syscall.SIGTERM)
			<-ended
		}
		if t.Failed() {
			t.Logf("%s:\n%s", program, &out)
		}
	})
	select {
	case err := <-ended:
		gone = true
		if os.Getenv("CI") == "" && bytes.Contains(bytes.ToLower(out.Bytes()), []byte("permission denied")) {
			t.Skipf("%s may not read %s; AppArmor or the like confines it", program, dir)
		}
		t.Fatalf("%s: %v", program, err)
	case <-p.serves(t):
	}
}

// programPath finds a server; those of a system need not be in the PATH of its
// users.
func programPath(t *testing.T, program string) string {
	t.Helper()
	for _, path := range []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed; make setup does", program)
	}
	t.Skipf("%s is not installed; make setup does", program)
	return ""
}

// serves returns a channel that is closed when the server answers.
func (p *peer) serves(t *testing.T) <-chan struct{} {
	ready := make(chan struct{})
	q := new(dns.Msg).SetQuestion(rpzZone, dns.TypeSOA)
	go func() {
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			c := dns.Client{Net: "tcp", Timeout: time.Second}
			if m, _, err := c.ExchangeContext(t.Context(), q, p.addr); err == nil && len(m.Answer) == 1 {
				close(ready)
				return
			}
			select {
			case <-t.Context().Done():
				return
			case <-again.C:
			}
		}
	}()
	return ready
}

// peerZone is the zone as a master file.
func peerZone() string {
	var b strings.Builder
	b.WriteString("$TTL 60\n@ SOA localhost. hostmaster.example. 1 300 120 86400 60\n@ NS localhost.\n")
	b.WriteString("_list.meta TXT \"v=1 list=nudify expires=2026-12-06T00:00:00Z\"\n")
	b.WriteString("OK.badsite.example CNAME rpz-passthru.\nodd\\.name\\;.example CNAME .\ndata.example A 192.0.2.1\n")
	for i := range peerRules {
		fmt.Fprintf(&b, "n%d.example CNAME .\n*.n%d.example CNAME .\n", i, i)
	}
	return b.String()
}

// try goes through what a secondary does with its primary.
func (p *peer) try(t *testing.T, tr Transfer) {
	text, v := open(t, tr, "")
	if n := len(lineSet(text)); v != "1" || n != 2+2+3+2*peerRules {
		t.Errorf("Version %s, %d lines", v, n)
	}
	for _, line := range []string{"ok.badsite.example CNAME rpz-passthru.\n", `odd\.name\;.example CNAME .` + "\n", "*.n7.example CNAME .\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("The text lacks %s", line)
		}
	}
	if u, err := errorOf[Unmodified](tr.Open(t.Context(), v)); u.Timers.Refresh != 5*time.Minute {
		t.Errorf("Again: %v", err)
	}
	other := tr
	other.Key = &TSIGKey{testKey.Name, testKey.Algorithm, "b3RoZXI="}
	if _, err := other.Open(t.Context(), ""); !errors.Is(err, ErrTransfer) || !strings.Contains(err.Error(), "BADSIG") {
		t.Errorf("Another secret: %v", err)
	}
	other.Key = nil
	if _, err := other.Open(t.Context(), ""); !errors.Is(err, ErrTransfer) {
		t.Errorf("No key: %v", err)
	}
	transferAndCompare(t, p, tr)
}

// errorOf returns the error of a call as one of a type.
func errorOf[T error](_ Body, err error) (T, error) {
	e, _ := errors.AsType[T](err)
	return e, err
}

// transferAndCompare changes the zone twice and wants the changes to make what a
// full transfer brings, and a NOTIFY of them.
func transferAndCompare(t *testing.T, p *peer, tr Transfer) {
	t.Helper()
	before, v := open(t, tr, "")
	p.update(t, []string{`_list.meta TXT "v=1 list=nudify expires=2026-12-07T00:00:00Z"`, "new.example CNAME .", "n8.example CNAME *."},
		[]string{`_list.meta TXT "v=1 list=nudify expires=2026-12-06T00:00:00Z"`, "n8.example CNAME .", "N9.example CNAME ."})
	p.update(t, []string{"newer.example CNAME .", "n9.example CNAME ."}, []string{"new.example CNAME ."})
	// Only what is made of the text at hand has a line that the primary lacks.
	const mark = "mark.example CNAME .\n"
	tr.Previous = textOf(before + mark)
	changed, v2 := open(t, tr, v)
	tr.Previous = nil
	after, v3 := open(t, tr, v)
	p.waitNotify(t, tr, v3)
	if v2 != v3 || !slices.Equal(lineSet(changed), lineSet(after+mark)) {
		t.Errorf("Version %s by changes, %s as a whole; %d and %d lines", v2, v3, len(lineSet(changed)), len(lineSet(after)))
	}
	if strings.Contains(after, "new.example CNAME") || !strings.Contains(after, "newer.example CNAME .\n") || !strings.Contains(after, "2026-12-07") {
		t.Error("The zone does not have the changes")
	}
	// Back to what it was, for the next to try.
	p.update(t, []string{`_list.meta TXT "v=1 list=nudify expires=2026-12-06T00:00:00Z"`, "n8.example CNAME ."},
		[]string{`_list.meta TXT "v=1 list=nudify expires=2026-12-07T00:00:00Z"`, "n8.example CNAME *.", "newer.example CNAME ."})
}

// update changes the zone (RFC 2136).
func (p *peer) update(t *testing.T, add, remove []string) {
	t.Helper()
	m := new(dns.Msg).SetUpdate(rpzZone)
	m.Remove(zoneRecords(t, remove...))
	m.Insert(zoneRecords(t, add...))
	m.SetTsig(testKey.Name, testKey.Algorithm+".", 300, time.Now().Unix())
	c := dns.Client{Net: "tcp", Timeout: 10 * time.Second, TsigSecret: map[string]string{testKey.Name: testKey.Secret}}
	if reply, _, err := c.ExchangeContext(t.Context(), m, p.addr); err != nil || reply.Rcode != dns.RcodeSuccess {
		t.Fatalf("Update: %v, %v", reply, err)
	}
}

// waitNotify waits for the NOTIFY of a serial and wants it to come from an
// address of the primary.
func (p *peer) waitNotify(t *testing.T, tr Transfer, serial Version) {
	t.Helper()
	addrs, err := tr.Addresses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	timeout := time.After(30 * time.Second)
	for {
		select {
		case <-timeout:
			t.Fatal("No NOTIFY came")
		case n := <-p.notified:
			if n.Opcode != dns.OpcodeNotify || !strings.EqualFold(n.Question[0].Name, rpzZone) || !slices.Contains(addrs, n.from) {
				t.Errorf("NOTIFY from %v, the primary is at %v: %v", n.from, addrs, n)
			}
			if len(n.Answer) == 1 && fmt.Sprint(n.Answer[0].(*dns.SOA).Serial) == string(serial) {
				return
			}
		}
	}
}

// peerPort returns a port that is free for UDP and TCP.
func peerPort(t *testing.T) string {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if u, err := net.ListenPacket("udp", "127.0.0.1:"+port); err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("No port is free for both UDP and TCP")
	return ""
}
