package answer

import (
	"reflect"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
)

// knobs is what a fuzzed byte string turns: one bit or field each.
type knobs uint64

func (k *knobs) take(n uint64) uint64 {
	v := uint64(*k) % n
	*k /= knobs(n)
	return v
}

func (k *knobs) config() Config {
	c := Config{}
	if k.take(2) == 1 {
		c = large
	}
	c.Action, c.SDE = Action(k.take(3)), SDE(k.take(3))
	if c.Action == Sinkhole {
		c.Addresses = addrs("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", "2001:db8::3")[k.take(6):]
	}
	if k.take(2) == 1 {
		c.Mbox = longestMbox
	}
	return c
}

func (k *knobs) verdict() policy.Verdict {
	return policy.Verdict{
		Action: rule.Block, Reason: policy.Reason(k.take(4)), Trigger: rule.Trigger(k.take(4)),
		Open: k.take(2) == 1, Labels: int(k.take(130)), Serial: uint32(k.take(3)),
	}
}

// FuzzReply answers arbitrary queries under arbitrary settings. Seeds: the
// clients of the tests, and names of every kind.
func FuzzReply(f *testing.F) {
	for i, client := range clients {
		for j, name := range []string{"bad.example.", ".", `a\.b\000.C.`, strings.Repeat("ab.", 84), "a.blocked.invalid."} {
			wire, err := query(name, uint16(1+27*(j%2)), client).Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(wire, uint64(i*977+j*31), uint16(512*j))
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, seed uint64, size uint16) {
		q := new(dns.Msg)
		if q.Unpack(wire) != nil {
			t.Skip("not a DNS message")
		}
		k := knobs(seed)
		r := Request{Msg: q, Size: int(size), UDP: k.take(2) == 1, Encrypted: k.take(2) == 1}
		a := mustNew(t, k.config())
		v := k.verdict()
		checkReply(t, r, a.Reply(r, v))
		if m, _ := sent(t, r, a.NotReady(r)); m.Rcode != dns.RcodeServerFailure || m.Truncated {
			t.Errorf("not ready: %v", m)
		}
		if before := unpack(t, wire); !reflect.DeepEqual(q, before) {
			t.Errorf("request changed: %v, was %v", q, before)
		}
	})
}

// checkReply checks what is true of every reply.
func checkReply(t *testing.T, r Request, reply *dns.Msg) {
	t.Helper()
	limit := max(r.Size, 512)
	if r.UDP {
		limit = min(limit, 1232)
	}
	if own := len(pack(t, reply)); own > limit {
		t.Fatalf("%d octets, limit %d", own, limit)
	}
	m, n := sent(t, r, reply)
	if n > limit || m.Truncated {
		t.Fatalf("%d octets, limit %d: %v", n, limit, m)
	}
	if m.Id != r.Msg.Id || !m.Response || m.Authoritative || m.AuthenticatedData || !m.RecursionAvailable || m.Zero ||
		m.Opcode != r.Msg.Opcode || m.RecursionDesired != r.Msg.RecursionDesired || m.CheckingDisabled != r.Msg.CheckingDisabled {
		t.Errorf("header %v", m)
	}
	if len(r.Msg.Question) != 1 {
		equal(t, "rcode", m.Rcode, dns.RcodeFormatError)
		return
	}
	equal(t, "question", m.Question, r.Msg.Question)
	checkRecords(t, m)
	checkErrors(t, r, m)
}

func checkRecords(t *testing.T, m *dns.Msg) {
	t.Helper()
	soa := soaIn(m)
	if soa == nil {
		if len(m.Answer) == 0 || len(m.Ns) != 0 || m.Rcode != dns.RcodeSuccess {
			t.Fatalf("neither a denial nor an answer: %v", m)
		}
		return
	}
	if m.Rcode != dns.RcodeNameError && m.Rcode != dns.RcodeSuccess {
		t.Errorf("rcode %d", m.Rcode)
	}
	if !strings.HasSuffix(m.Question[0].Name, soa.Hdr.Name) || !dns.IsSubDomain(soa.Hdr.Name, m.Question[0].Name) {
		t.Errorf("owner %q of the SOA for %q", soa.Hdr.Name, m.Question[0].Name)
	}
	if soa.Serial == 0 || soa.Hdr.Ttl != soa.Minttl {
		t.Errorf("SOA %v", soa)
	}
}

func checkErrors(t *testing.T, r Request, m *dns.Msg) {
	t.Helper()
	if r.Msg.IsEdns0() == nil {
		equal(t, "additional records", len(m.Extra), 0)
		return
	}
	e := errorIn(t, m)
	if e.InfoCode == 4 && len(m.Answer) == 0 {
		t.Errorf("forged answer: %v", m)
	}
	if echoes(m) && !echoes(r.Msg) || structured(e.ExtraText) && e.InfoCode == 4 {
		t.Errorf("not asked for: %v", m)
	}
}
