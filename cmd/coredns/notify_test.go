//go:build unix

package main

import (
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// lonePrimary is a primary in the process of the test: its zone never changes,
// and it remembers when it was asked for the SOA record.
type lonePrimary struct {
	addr string
	zone []dns.RR

	mu    sync.Mutex
	polls []time.Time
}

func newLonePrimary(t *testing.T) *lonePrimary {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lonePrimary{addr: l.Addr().String()}
	for _, text := range []string{zoneName + " 60 SOA localhost. hostmaster.example. 1 86400 86400 864000 60", "*.listed.example." + zoneName + " 60 CNAME ."} {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		p.zone = append(p.zone, rr)
	}
	started := make(chan struct{})
	s := &dns.Server{Listener: l, Handler: p, NotifyStartedFunc: func() { close(started) }}
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { s.Shutdown() })
	return p
}

func (p *lonePrimary) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	m.Answer = p.zone[:1]
	if r.Question[0].Qtype == dns.TypeAXFR {
		m.Answer = []dns.RR{p.zone[0], p.zone[1], p.zone[0]}
	} else {
		p.mu.Lock()
		p.polls = append(p.polls, time.Now())
		p.mu.Unlock()
	}
	w.WriteMsg(m)
}

// polled returns how often the SOA record was asked for.
func (p *lonePrimary) polled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.polls)
}

// follow starts a server that has the zone of the primary.
func (p *lonePrimary) follow(t *testing.T, name string) *secondary {
	t.Helper()
	s := secondaryOf(t, name, "0", "axfr://"+p.addr+"/rpz.example", zoneSecret, "start wait")
	s.start()
	t.Cleanup(s.stop)
	s.soon("www.listed.example" + isDenied)
	return s
}

// notified sends a NOTIFY and wants it to be answered with a code, and to have
// brought the next round nearer or not.
func (s *secondary) notified(zone, from string, rcode int, heard bool) {
	s.t.Helper()
	rounds, _ := s.metric("rounds_total", "result=unchanged")
	next, _ := s.metric("next_refresh_timestamp_seconds")
	got, err := notify(s.udp(), zone, from)
	if err != nil || got != rcode {
		s.t.Errorf("NOTIFY of %s from %s: %d, %v", zone, from, got, err)
	}
	if heard {
		s.shows(rounds+1, "rounds_total", "result=unchanged")
		return
	}
	s.quiet(rounds, next)
}

// quiet wants no round to have come, or to be due before its time. A NOTIFY
// that is heard makes one due before it is answered.
func (s *secondary) quiet(rounds, next float64) {
	s.t.Helper()
	if now, _ := s.metric("rounds_total", "result=unchanged"); now != rounds {
		s.t.Errorf("%v rounds instead of %v", now, rounds)
	}
	if now, _ := s.metric("next_refresh_timestamp_seconds"); now != next || time.Until(time.Unix(int64(now), 0)) < time.Hour {
		s.t.Errorf("The next round is due at %v instead of %v", now, next)
	}
}

// TestNotify: only the primary is heard, in whatever letter case it writes the
// name.
func TestNotify(t *testing.T) {
	p := newLonePrimary(t)
	s := p.follow(t, "notify")
	s.notified(zoneName, "127.0.0.2", dns.RcodeRefused, false)
	s.notified(zoneName, "127.0.0.1", dns.RcodeSuccess, true)
	s.notified("RPZ.example.", "127.0.0.1", dns.RcodeSuccess, true)
	s.notified("RPZ.example.", "127.0.0.2", dns.RcodeRefused, false)
	s.now("www.listed.example" + isDenied)
}

// TestNotifyOfOtherZone: a zone that is none of the lists is the business of the
// next plugin, unless its name is blocked: it would be forwarded like a lookup.
func TestNotifyOfOtherZone(t *testing.T) {
	p := newLonePrimary(t)
	up := newUpstream(t)
	s := secondaryOf(t, "notify-other", "0", "axfr://"+p.addr+"/rpz.example", zoneSecret, "block other.example")
	s.corefile = strings.Replace(s.corefile, "whoami", "forward . "+up.addr, 1)
	s.start()
	defer s.stop()
	s.soon("www.listed.example" + isDenied)
	s.notified(zoneName, "127.0.0.1", dns.RcodeSuccess, true)
	s.notified(zoneName, "127.0.0.2", dns.RcodeRefused, false)
	m, err := dns.Exchange(new(dns.Msg).SetNotify("other.example."), s.udp())
	if err != nil || m.Rcode != dns.RcodeNameError || slices.Contains(up.asked(), "other.example.") {
		t.Errorf("A NOTIFY for a blocked name: %v, %v", m, err)
	}
	for _, zone := range []string{"another.example.", "sub." + zoneName, "example."} {
		rounds, _ := s.metric("rounds_total", "result=unchanged")
		next, _ := s.metric("next_refresh_timestamp_seconds")
		m := new(dns.Msg).SetNotify(zone)
		reply, err := dns.Exchange(m, s.udp())
		if err != nil || reply.Rcode != dns.RcodeSuccess || reply.Opcode != dns.OpcodeNotify {
			t.Errorf("%s: %v, %v", zone, reply, err)
		}
		if asked := up.asked(); len(asked) == 0 || asked[len(asked)-1] != zone {
			t.Errorf("%s was not handed on: %v", zone, asked)
		} else if slices.Contains(asked, zoneName) {
			t.Errorf("What was answered was also handed on: %v", asked)
		}
		s.quiet(rounds, next)
	}
}

// TestNotifySigned: the tsig plugin takes the signature off a NOTIFY and signs
// the answer; one whose signature does not hold gets no further.
func TestNotifySigned(t *testing.T) {
	p := newLonePrimary(t)
	s := p.follow(t, "notify-signed")
	for _, tt := range []struct {
		secret string
		rcode  int
		heard  bool
	}{{wrongKey, dns.RcodeNotAuth, false}, {zoneSecret, dns.RcodeSuccess, true}} {
		rounds, _ := s.metric("rounds_total", "result=unchanged")
		next, _ := s.metric("next_refresh_timestamp_seconds")
		m := new(dns.Msg).SetNotify(zoneName)
		m.SetTsig(zoneKey, dns.HmacSHA256, 300, time.Now().Unix())
		wire, err := exchange(s.udp(), m, map[string]string{zoneKey: tt.secret})
		if err != nil {
			t.Fatal(err)
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(wire); err != nil || reply.Rcode != tt.rcode || reply.IsTsig() == nil {
			t.Errorf("Got %v, %v", reply, err)
		}
		if tt.heard {
			s.shows(rounds+1, "rounds_total", "result=unchanged")
		} else {
			s.quiet(rounds, next)
		}
	}
}

// TestNotifyFlood: however often the primary tells of a change, it is asked at
// most once a second, and every query is answered meanwhile.
func TestNotifyFlood(t *testing.T) {
	p := newLonePrimary(t)
	s := p.follow(t, "notify-flood")
	begin, before := time.Now(), p.polled()
	sent := 0
	for sent < 1000 || p.polled() < before+4 && time.Since(begin) < time.Minute {
		if rcode, err := notify(s.udp(), zoneName, "127.0.0.1"); err != nil || rcode != dns.RcodeSuccess {
			t.Fatalf("NOTIFY %d: %d, %v", sent, rcode, err)
		}
		if sent++; sent%100 == 0 {
			s.now("www.listed.example"+isDenied, "any.example"+isPassed)
		}
	}
	rounds, took := p.polled()-before, time.Since(begin)
	t.Logf("%d NOTIFYs in %v: asked %d times", sent, took, rounds)
	if rounds < 4 || rounds > 2+int(took/time.Second) { // one at the begin, and one whose question was late
		t.Errorf("Asked %d times in %v", rounds, took)
	}
}
