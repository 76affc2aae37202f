//go:build unix

package main

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"
)

// told counts the NOTIFY messages that come to a port.
type told struct {
	port  string
	count atomic.Int32
}

func newTold(t *testing.T) *told {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	s := &told{port: port}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		s.count.Add(1)
		_ = w.WriteMsg(new(dns.Msg).SetReply(r)) // the sender says what is wrong
	}), MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ActivateAndServe() // until the end
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return s
}

// awaits waits until so many messages have come.
func (s *told) awaits(t *testing.T, n int32) {
	t.Helper()
	if err := poll(func() error {
		if got := s.count.Load(); got < n {
			return fmt.Errorf("%d NOTIFY messages, want %d", got, n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// restart reloads the server, and reports whether that has succeeded.
func (p *hiddenPrimary) restart(corefile string) bool {
	p.t.Helper()
	next, err := p.instance.Restart(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
	p.instance = next
	return err == nil
}

// TestZoneFailedReload: of a configuration that fails, whatever in it fails, no
// secondary hears anything, and the server before publishes on.
func TestZoneFailedReload(t *testing.T) {
	const origin = "failing.rpz."
	s, other := newTold(t), newTold(t)
	p := newHiddenPrimary(t, origin, freePort(t), "", s.port)
	p.list("badsite.example")
	p.start()
	first := p.publishes(0, "badsite.example")
	s.awaits(t, 1)
	changed := strings.Replace(p.corefile, "allow fine.mixed.example", "block failed.example", 1)
	changed = strings.Replace(changed, "127.0.0.1:"+s.port, "127.0.0.1:"+s.port+" 127.0.0.1:"+other.port, 1)
	for _, wrong := range []string{
		"example.net:0 {\n bind 192.0.2.1\n whoami\n}\n",
		"example.net:0 {\n bind 127.0.0.1\n nonudify {\n list " + filepath.Join(p.dir, "absent.txt") + "\n }\n}\n",
	} {
		if p.restart(changed + wrong) {
			t.Fatal("The reload has succeeded")
		}
		if got, err := readZone(origin, p.port); err != nil || got.serial != first.serial || !maps.Equal(got.records, first.records) {
			t.Errorf("After a reload that failed: %v, %v; before: %v", got, err, first)
		}
	}
	p.list("badsite.example", "later.example")
	later := p.publishes(first.serial, "later.example !failed.example")
	s.awaits(t, 2) // both were told of by now if they were at all: one message a change
	if later.serial == first.serial || s.count.Load() != 2 || other.count.Load() != 0 {
		t.Errorf("%d and %d NOTIFY messages after one change", s.count.Load(), other.count.Load())
	}
	if !p.restart(changed) {
		t.Fatal("The reload has failed")
	}
	p.publishes(later.serial, "later.example failed.example")
	s.awaits(t, 3)
	other.awaits(t, 1)
}

// TestZoneFirstReload: a zone that comes with a reload is published, also if there was
// nothing of ours before.
func TestZoneFirstReload(t *testing.T) {
	const origin = "late.rpz."
	p := newHiddenPrimary(t, origin, freePort(t), "")
	p.list("badsite.example")
	p.instance = start(t, ".:"+p.port+" {\n bind 127.0.0.1\n whoami\n}\n")
	if !p.restart(p.corefile) {
		t.Fatal("The reload has failed")
	}
	first := p.publishes(0, "badsite.example")
	if !p.restart(strings.Replace(p.corefile, "allow fine.mixed.example", "block other.example", 1)) {
		t.Fatal("The second reload has failed")
	}
	p.publishes(first.serial, "other.example")
}

// TestZoneNotTransferred: where the transfer plugin has other zones, or the way is none
// for transfers, one is refused, and asked of nobody else.
func TestZoneNotTransferred(t *testing.T) {
	up := newUpstream(t)
	p := newHiddenPrimary(t, "ours.rpz.", freePort(t), "")
	p.list("badsite.example")
	p.corefile = strings.Replace(p.corefile, "transfer ours.rpz.", "transfer other.example", 1)
	p.corefile = strings.Replace(p.corefile, "whoami", "forward . "+up.addr, 1)
	p.start()
	for _, qtype := range []uint16{dns.TypeAXFR, dns.TypeIXFR} {
		for _, way := range []string{"tcp", "udp"} {
			m := new(dns.Msg).SetQuestion("ours.rpz.", qtype)
			if qtype == dns.TypeIXFR {
				m.SetIxfr("ours.rpz.", 1, "localhost.", "hostmaster.invalid.")
			}
			reply, _, err := (&dns.Client{Net: way}).Exchange(m, "127.0.0.1:"+p.port)
			if err != nil {
				t.Fatal(err)
			}
			if single := qtype == dns.TypeIXFR && way == "udp"; single != (reply.Rcode == dns.RcodeSuccess && len(reply.Answer) == 1) || !single && reply.Rcode != dns.RcodeRefused {
				t.Errorf("%s over %s: %v", dns.TypeToString[qtype], way, reply)
			}
		}
	}
	if asked := up.asked(); slices.Contains(asked, "ours.rpz.") {
		t.Errorf("Asked of another server: %q", asked)
	}
}

// TestZoneSharedListener: server blocks of one listener for DNS over TLS, of which one
// has the zone and another nothing of ours, go together, and clients have the protocol
// chosen that they offer, or none.
func TestZoneSharedListener(t *testing.T) {
	dir, encrypted := t.TempDir(), freePort(t)
	certify(t, dir)
	settings := "bind 127.0.0.1\n tls " + filepath.Join(dir, "certificate.pem") + " " + filepath.Join(dir, "key.pem")
	i := start(t, fmt.Sprintf("tls://.:%[1]s {\n %[2]s\n nonudify {\n block badsite.example\n zone shared.rpz\n }\n transfer {\n to *\n }\n whoami\n}\n"+
		"tls://corp.example:%[1]s {\n %[2]s\n whoami\n}\n", encrypted, settings))
	defer stop(i)
	for want, offer := range map[string][]string{"dot": {"x", "dot"}, "": {"h2"}} {
		conn, err := tls.Dial("tcp", "127.0.0.1:"+encrypted, &tls.Config{InsecureSkipVerify: true, NextProtos: offer})
		if err != nil {
			t.Fatalf("%q: %v", offer, err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("Of %q the server chose %q", offer, got)
		}
		transfer := dns.Transfer{Conn: &dns.Conn{Conn: conn}}
		ch, err := transfer.In(new(dns.Msg).SetAxfr("shared.rpz."), "")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for e := range ch {
			if e.Error != nil {
				t.Error(e.Error)
			}
			n += len(e.RR)
		}
		if n < 5 {
			t.Errorf("%q: %d records", offer, n)
		}
		conn.Close()
	}
}
