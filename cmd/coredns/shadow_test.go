package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// leadingAnswers are those of an upstream: some lead to names that are listed.
const leadingAnswers = `www.badsite.example A NOERROR
    www.badsite.example. 60 A 192.0.2.1
badsite.example A NXDOMAIN
badsite.example TXT NOERROR TC
    ! badsite.example. 60 TXT first
    badsite.example. 60 TXT second
cloaked.example A NOERROR
    cloaked.example. 60 CNAME WWW.badsite.example.
    www.badsite.example. 60 A 192.0.2.1
gone.example A NXDOMAIN
    gone.example. 60 CNAME gone.badsite.example.
www.old.example A NOERROR
    old.example. 60 DNAME badsite.example.
    www.old.example. 60 CNAME www.badsite.example.
    www.badsite.example. 60 A 192.0.2.1
alias.example HTTPS NOERROR
    alias.example. 60 HTTPS 0 badsite.example.
extra.example SVCB NOERROR
    extra.example. 60 SVCB 1 svc.example.
    + svc.example. 60 CNAME badsite.example.
ok.example A NOERROR
    ok.example. 60 CNAME fine.badsite.example.
    fine.badsite.example. 60 A 192.0.2.2
`

// leadingQuestions are asked of it: listed says which are for a name that is listed, or
// lead to one.
var leadingQuestions = []struct {
	name   string
	qtype  uint16
	listed bool
}{
	{"www.badsite.example.", dns.TypeA, true}, {"badsite.example.", dns.TypeA, true}, {"badsite.example.", dns.TypeTXT, true}, {"other.badsite.example.", dns.TypeAAAA, true},
	{"cloaked.example.", dns.TypeA, true}, {"gone.example.", dns.TypeA, true}, {"www.old.example.", dns.TypeA, true}, {"alias.example.", dns.TypeHTTPS, true},
	{"extra.example.", dns.TypeSVCB, true}, {"ok.example.", dns.TypeA, false}, {"fine.badsite.example.", dns.TypeA, false}, {"good.example.", dns.TypeA, false},
}

// verdicts returns how many verdicts a view has had, by action.
func verdicts(t *testing.T, view string) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	for key, n := range series(t) {
		labels, counted := strings.CutPrefix(key, "coredns_nonudify_verdicts_total{action=")
		if counted && strings.HasSuffix(labels, ",view="+view+"}") {
			action, _, _ := strings.Cut(labels, ",")
			counts[action] += n
		}
	}
	return counts
}

// wire sends a query and returns the reply as it comes, less its id and the time
// that records have left.
func wire(conn *dns.Conn, q *dns.Msg) ([]byte, error) {
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if err := conn.WriteMsg(q); err != nil {
		return nil, err
	}
	raw, err := conn.ReadMsgHeader(nil)
	if err != nil {
		return nil, err
	}
	m := new(dns.Msg)
	if err := m.Unpack(raw); err != nil || m.Id != q.Id {
		return nil, fmt.Errorf("%x: %v", raw, err)
	}
	m.Id = 0
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			if rr.Header().Rrtype != dns.TypeOPT {
				rr.Header().Ttl = 0
			}
		}
	}
	same, err := m.Pack()
	return fmt.Append(same, " of ", len(raw), " octets"), err
}

// TestShadow: what the filter would do is counted, and nothing on the wire tells
// that it is there: the replies are those of a server without it, octet for
// octet, from the upstream and from the cache.
func TestShadow(t *testing.T) {
	view := fresh("shadow")
	up := newScript(t, leadingAnswers, newUpstream(t))
	without := ".:0 {\n bind 127.0.0.1\n view " + view + " {\n  expr true\n }\n cache\n forward . " + up + "\n}\n"
	with := strings.Replace(without, " cache", " nonudify {\n  block badsite.example\n  allow fine.badsite.example\n  action shadow\n }\n cache", 1)
	servers := [2]*serving{{t, start(t, without)}, {t, start(t, with)}}
	want := 0.0
	for _, network := range []string{"udp", "tcp"} {
		var conns [2]*dns.Conn
		for i, s := range servers {
			udp, tcp := addrs(s.Instance)
			conn, err := dns.DialTimeout(network, map[string]string{"udp": udp, "tcp": tcp}[network], 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.UDPSize = dns.MaxMsgSize
			conns[i] = conn
		}
		for _, question := range leadingQuestions {
			for _, q := range everyFlag(mixedCase(question.name), question.qtype) {
				var replies [2][]byte
				for i, conn := range conns {
					var err error
					if replies[i], err = wire(conn, q); err != nil {
						t.Fatalf("%v: %v", q, err)
					}
				}
				if !bytes.Equal(replies[0], replies[1]) {
					t.Errorf("Over %s, without the filter %x, in its shadow %x, when asked\n%v", network, replies[0], replies[1], q)
				}
				if question.listed {
					want++
				}
			}
		}
	}
	for _, s := range servers {
		stop(s.Instance)
	}
	if got := verdicts(t, view); len(got) != 2 || got["shadow"] != want || got["pass"] == 0 {
		t.Errorf("Verdicts: %v, want %v in the shadow", got, want)
	}
}
