package answer

import (
	"reflect"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

// vandalise changes all of a reply that a plugin above could change, and more.
func vandalise(m *dns.Msg) {
	for _, section := range []*[]dns.RR{&m.Answer, &m.Ns, &m.Extra} {
		for _, rr := range *section {
			h := rr.Header()
			h.Name, h.Ttl, h.Class = "changed.example.", 7, 7
			switch rr := rr.(type) {
			case *dns.SOA:
				rr.Ns, rr.Mbox, rr.Serial, rr.Minttl = "x.", "x.", 7, 7
			case *dns.A:
				rr.A[0]++
			case *dns.AAAA:
				rr.AAAA[0]++
			case *dns.OPT:
				vandaliseOptions(rr)
			}
		}
		*section = append(*section, &dns.TSIG{Hdr: dns.RR_Header{Name: "key.", Rrtype: dns.TypeTSIG}})
	}
	m.Question[0].Name = "changed.example."
	m.Question = append(m.Question, dns.Question{})
	m.Id++
}

func vandaliseOptions(opt *dns.OPT) {
	for _, o := range opt.Option {
		switch o := o.(type) {
		case *dns.EDNS0_EDE:
			o.InfoCode, o.ExtraText = 7, "changed"
		case *dns.EDNS0_LOCAL:
			o.Code, o.Data = 7, append(o.Data, 7)
		}
	}
	opt.Option = append(opt.Option, &dns.EDNS0_PADDING{})
}

// Nothing that is done to a reply shows in the request or in another reply.
func TestNothingShared(t *testing.T) {
	for _, c := range []Config{isp, page} {
		a := mustNew(t, c)
		for _, client := range clients {
			for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeMX} {
				wire := pack(t, query("bad.example.", qtype, client))
				q := unpack(t, wire)
				for _, reply := range []func() *dns.Msg{
					func() *dns.Msg { return a.Reply(request(q), verdict(policy.Blocked)) },
					func() *dns.Msg { return a.NotReady(request(q)) },
				} {
					first, second := reply(), reply()
					want := pack(t, first)
					vandalise(first)
					equal(t, client+": other reply", pack(t, second), want)
					equal(t, client+": next reply", pack(t, reply()), want)
					equal(t, client+": request", q, unpack(t, wire))
				}
			}
		}
	}
}

// Every slice of a reply is full: an append does not write into it.
func TestFullSlices(t *testing.T) {
	for _, c := range []Config{isp, page} {
		for _, client := range clients {
			r := request(query("bad.example.", dns.TypeA, client))
			m := mustNew(t, c).Reply(r, verdict(policy.Blocked))
			equal(t, "question", cap(m.Question), len(m.Question))
			equal(t, "answer", cap(m.Answer), len(m.Answer))
			equal(t, "authority", cap(m.Ns), len(m.Ns))
			equal(t, "additional", cap(m.Extra), len(m.Extra))
			if opt := m.IsEdns0(); opt != nil {
				equal(t, "options", cap(opt.Option), len(opt.Option))
			}
		}
	}
}

// One Answerer serves all goroutines; the race detector looks on.
func TestConcurrent(t *testing.T) {
	a := mustNew(t, page)
	shared := map[string]*dns.Msg{}
	want := map[string][]byte{}
	for _, client := range clients {
		shared[client] = query("bad.example.", dns.TypeA, client)
		want[client] = pack(t, a.Reply(request(shared[client]), verdict(policy.Censored)))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				client := clients[i%len(clients)]
				m := a.Reply(request(shared[client]), verdict(policy.Censored))
				wire, err := m.Pack()
				if err != nil || !reflect.DeepEqual(wire, want[client]) {
					t.Errorf("%s: %v, %x", client, err, wire)
				}
				vandalise(m)
			}
		})
	}
	wg.Wait()
}
