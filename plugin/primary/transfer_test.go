package primary

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// many returns a content of so many names that it takes several batches.
func many(t testing.TB, n int) Content {
	t.Helper()
	var rules strings.Builder
	for i := range n {
		fmt.Fprintf(&rules, "block subtree n%d.example,", i)
	}
	return content(t, rules.String())
}

// TestPinned: a transfer goes on with the edition that it began with, however many
// come meanwhile, and the next one begins without waiting for it.
func TestPinned(t *testing.T) {
	p := newPublished(t, "")
	c := many(t, 2*batch)
	first := p.say(c)
	ch, err := p.Transfer(0)
	if err != nil {
		t.Fatal(err)
	}
	all := <-ch
	for i := range 5 {
		p.say(many(t, 10+i))
	}
	for rrs := range ch {
		all = append(all, rrs...)
	}
	f := &follower{t: t, serial: first, records: map[string]bool{}}
	for _, rr := range all[1 : len(all)-1] {
		f.add(rr)
	}
	last, _ := soaSerial(all[len(all)-1])
	if want := model(c); last != first || !maps.Equal(f.records, want) {
		t.Errorf("Serial %d and %d records, want %d and %d", last, len(f.records), first, len(want))
	}
}

// TestStalled: a secondary that does not go on costs a swap nothing, and its
// transfer ends after a minute, without the record that would make it a whole
// zone.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPublished(t, "")
		p.say(many(t, 3*batch))
		var stalled []<-chan []dns.RR
		for range maxTransfers {
			ch, err := p.Transfer(0)
			if err != nil {
				t.Fatal(err)
			}
			<-ch
			stalled = append(stalled, ch)
		}
		if _, err := p.Transfer(0); !errors.Is(err, ErrBusy) {
			t.Errorf("With %d transfers under way: %v", maxTransfers, err)
		}
		if ch, err := p.Transfer(p.Status().Serial); err != nil || len(<-ch) != 1 {
			t.Errorf("Whoever has the edition is turned away: %v", err)
		}
		before := time.Now()
		p.say(content(t, "block exact a.example"))
		if took := time.Since(before); took > 0 {
			t.Errorf("The next edition took %v", took)
		}
		time.Sleep(maxWait + time.Second)
		synctest.Wait()
		for _, ch := range stalled {
			for rrs := range ch {
				t.Errorf("%d records after the end", len(rrs))
			}
		}
		if got := p.Status().Transfers; got[Aborted] != maxTransfers || got[Refused] != 1 {
			t.Errorf("Counted %v", got)
		}
		if fetch(t, p.Share, 0) == nil {
			t.Error("No transfer afterwards")
		}
	})
}

// TestSlow: a secondary that takes a batch now and then does not have the
// transfer for ever.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPublished(t, "")
		p.say(many(t, 100*batch))
		ch, err := p.Transfer(0)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var last dns.RR
		for rrs := range ch {
			last = rrs[len(rrs)-1]
			time.Sleep(maxWait - time.Second)
		}
		if took := time.Since(begin); took > maxTime+maxWait {
			t.Errorf("It took %v", took)
		}
		if _, whole := soaSerial(last); whole {
			t.Error("The transfer looks complete")
		}
	})
}

// TestReleased: the end of the zone ends its transfers.
func TestReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPublished(t, "")
		p.say(many(t, 3*batch))
		ch, err := p.Transfer(0)
		if err != nil {
			t.Fatal(err)
		}
		<-ch
		p.pool.Release(p.Share)
		n := 0
		for range ch {
			n++
		}
		if n > 0 {
			t.Errorf("%d batches after the end of the zone", n)
		}
	})
}

// TestTold: the secondaries are told of a new edition once, a second later, and of
// none that says the same.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool Pool
		told := 0
		s := pool.Acquire(Config{Origin: origin}, func() error { told++; return nil })
		defer pool.Release(s)
		want := func(n int) {
			t.Helper()
			time.Sleep(2 * settling)
			synctest.Wait()
			if told != n {
				t.Errorf("Told %d times, want %d", told, n)
			}
		}
		for i := range 5 { // in a moment
			<-s.Publish(many(t, 1+i))
		}
		want(1)
		<-s.Publish(many(t, 5))
		want(1)
		<-s.Publish(many(t, 6))
		want(2)
	})
}

// TestBound: the transfer plugin must not take the SOA records of a transfer for
// the answer to a secondary that is up to date: it would end one that was cut off
// with such a record.
func TestBound(t *testing.T) {
	p := newPublished(t, "")
	serial := p.say(content(t, "block exact a.example"))
	for _, rr := range fetch(t, p.Share, 0) {
		if _, ok := rr.(*dns.SOA); ok {
			t.Errorf("%v is of the type that the plugin looks for", rr)
		}
		if _, err := dns.PackRR(rr, make([]byte, 1000), 0, nil, false); err != nil {
			t.Errorf("%v: %v", rr, err)
		}
	}
	if _, ok := fetch(t, p.Share, serial)[0].(*dns.SOA); !ok {
		t.Error("To a secondary that is up to date goes another type than the plugin looks for")
	}
}

// TestReply has ordinary queries say what the zone says, as a server that has
// transferred it would.
func TestReply(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	name := func() string {
		labels := make([]string, 1+r.IntN(4))
		for i := range labels {
			labels[i] = []string{"a", "b", "a-b"}[r.IntN(3)]
		}
		return strings.Join(append(labels, "example"), ".")
	}
	asked := map[string]int{}
	for range 200 {
		var rules []string
		for range 1 + r.IntN(10) {
			rules = append(rules, []string{"block", "block", "pass"}[r.IntN(3)]+" "+[]string{"exact", "below", "subtree"}[r.IntN(3)]+" "+name())
		}
		p := newPublished(t, "")
		p.say(content(t, strings.Join(rules, ","), "v=1"))
		z := served{map[string]string{}, map[string]bool{}}
		for _, rr := range fetch(t, p.Share, 0) {
			z.add(rr)
		}
		for range 30 {
			q := name() + "." + origin
			if r.IntN(10) == 0 {
				q = "*." + q
			}
			reply := p.Reply(new(dns.Msg).SetQuestion(strings.ToUpper(q), dns.TypeA))
			want, exists := z.look(q)
			switch {
			case want != "":
				asked["data"]++
				if len(reply.Answer) != 1 || reply.Answer[0].(*dns.CNAME).Target != want || reply.Rcode != dns.RcodeSuccess || !reply.Authoritative {
					t.Fatalf("%s of %q: %v, want %s", q, rules, reply, want)
				}
			case len(reply.Answer) > 0 || len(reply.Ns) != 1:
				t.Fatalf("%s of %q: %v", q, rules, reply)
			case exists:
				asked["nodata"]++
				if reply.Rcode != dns.RcodeSuccess {
					t.Fatalf("%s of %q is there: %v", q, rules, reply)
				}
			default: // an exception that undoes nothing is no rule, but may be taken for one here
				asked["nxdomain"]++
				if reply.Rcode != dns.RcodeNameError && !strings.Contains(strings.Join(rules, ","), "pass") {
					t.Fatalf("%s of %q is not there: %v", q, rules, reply)
				}
			}
		}
		p.pool.Release(p.Share)
	}
	t.Log(asked)
	if len(asked) != 3 || asked["data"] < 500 {
		t.Errorf("Too few answers of each kind: %v", asked)
	}
}

// served is a zone in the hands of a server.
type served struct {
	targets map[string]string
	names   map[string]bool
}

func (z served) add(rr dns.RR) {
	owner := rr.Header().Name
	if c, ok := rr.(*dns.CNAME); ok {
		z.targets[owner] = c.Target
	}
	for _, i := range dns.Split(owner) {
		z.names[owner[i:]] = true
	}
}

// look returns the target of the CNAME record that a name has, or that is made of
// a wildcard for it (RFC 4592 §3.3), and whether the name exists.
func (z served) look(name string) (target string, exists bool) {
	if z.names[name] {
		return z.targets[name], true
	}
	for _, i := range dns.Split(name)[1:] {
		if z.names[name[i:]] {
			target = z.targets["*."+name[i:]]
			return target, target != ""
		}
	}
	return "", false
}

// TestReplyApex has the records about the zone, and what they are not.
func TestReplyApex(t *testing.T) {
	p := newPublished(t, "")
	ask := func(name string, qtype uint16) *dns.Msg {
		return p.Reply(new(dns.Msg).SetQuestion(name, qtype).SetEdns0(1232, true))
	}
	if ask(origin, dns.TypeSOA) != nil || p.Current(new(dns.Msg)) != nil {
		t.Error("Answered without an edition")
	}
	serial := p.say(content(t, "block exact a.example", "v=1 list=l"))
	for _, tt := range []struct {
		name  string
		qtype uint16
		want  []string
		rcode int
	}{
		{"RPZ.example.", dns.TypeSOA, []string{fmt.Sprintf("rpz.example. 60 IN SOA localhost. dns.isp.example. %d 300 120 2592000 60", serial)}, 0},
		{origin, dns.TypeNS, []string{"rpz.example. 60 IN NS localhost."}, 0},
		{origin, dns.TypeTXT, nil, 0},
		{"_LIST.meta." + origin, dns.TypeTXT, []string{`_list.meta.rpz.example. 60 IN TXT "v=1 list=l"`}, 0},
		{"_list.meta." + origin, dns.TypeA, nil, 0},
		{"meta." + origin, dns.TypeA, nil, 0},
		{"list.meta." + origin, dns.TypeA, nil, dns.RcodeNameError},
		{"x.rpz-ip." + origin, dns.TypeA, nil, dns.RcodeNameError},
		{`a\.example.` + origin, dns.TypeA, nil, dns.RcodeNameError},
	} {
		m := ask(tt.name, tt.qtype)
		if got := texts(m.Answer); !slices.Equal(got, tt.want) || m.Rcode != tt.rcode || (len(m.Ns) == 1) != (tt.want == nil) || m.IsEdns0() == nil {
			t.Errorf("%s: %v", tt.name, m)
		}
	}
	if m := p.Current(new(dns.Msg).SetIxfr(origin, 1, "a.", "b.")); len(m.Answer) != 1 || !m.Authoritative {
		t.Errorf("An IXFR query over UDP: %v", m)
	}
	for qname, want := range map[string]bool{
		origin: true, "RPZ.Example.": true, "x." + origin: true, "xrpz.example.": false, `x\.rpz.example.`: false, `x\\.rpz.example.`: true, "example.": false, ".": false,
	} {
		if got := p.Owns(qname); got != want {
			t.Errorf("Owns(%s) = %v", qname, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { p.Owns("www.good.example.") }); n > 0 {
		t.Errorf("Owns allocates %v times", n)
	}
}

// FuzzDecode: whatever stands in the file of a zone, it is either refused or leads
// to its serial.
func FuzzDecode(f *testing.F) {
	d := delta{from: 5, to: 7, gone: appendRecord(nil, record{kind: nxdomain, name: "a.example"}), come: appendRecord(nil, record{kind: about, name: "v=1"})}
	data, err := (&saved{Origin: origin, Serial: 7, Sum: make([]byte, 32), history: []delta{d}}).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:len(data)-32])
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decode(sealed(body), origin)
		if err != nil {
			return
		}
		serial := s.Serial
		for i, d := range s.history {
			if i == 0 {
				serial = d.from
			}
			n := 0
			for _, part := range [][]byte{d.gone, d.come} {
				for r := range each(part) {
					n++
					if r.rr(origin) == nil {
						t.Fatalf("%v is no record", r)
					}
				}
			}
			if d.from != serial || n != d.records {
				t.Fatalf("From %d, %d records, want %d, %d", d.from, n, serial, d.records)
			}
			serial = d.to
		}
		if serial != s.Serial {
			t.Fatalf("The history leads to %d, not %d", serial, s.Serial)
		}
		again, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(again, origin); err != nil {
			t.Fatalf("What was read cannot be read again: %v", err)
		}
	})
}

// TestReplyAddress: rules about addresses are asked for by their owners, as a secondary
// has them.
func TestReplyAddress(t *testing.T) {
	p := newPublished(t, "")
	p.say(content(t, "block exact a.example,block address 192.0.2.0/24,pass address 192.0.2.1/32,pass address 198.51.100.0/24,block address 2001:db8:1::/48"))
	if s := p.Status(); s.Records != 4 || s.LeftOut != 0 {
		t.Errorf("%+v", s)
	}
	want := []string{"a.example CNAME *.", "24.0.2.0.192.rpz-ip CNAME .", "32.1.2.0.192.rpz-ip CNAME rpz-passthru.", "48.zz.1.db8.2001.rpz-ip CNAME ."}
	var got []string
	for _, rr := range fetch(t, p.Share, 0) {
		if c, ok := rr.(*dns.CNAME); ok {
			got = append(got, strings.TrimSuffix(c.Hdr.Name, "."+origin)+" CNAME "+c.Target)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("The zone is %q, want %q", got, want)
	}
	for owner, want := range map[string]string{
		"24.0.2.0.192.rpz-ip": ".", "24.0.2.0.192.RPZ-IP": ".", "32.1.2.0.192.rpz-ip": "rpz-passthru.", "48.ZZ.1.db8.2001.rpz-ip": ".",
		"32.2.2.0.192.rpz-ip": "", "24.0.100.51.198.rpz-ip": "", "48.0.0.0.0.0.1.db8.2001.rpz-ip": "", "rpz-ip": "", "192.rpz-ip": "", "x.rpz-ip": "",
	} {
		m := p.Reply(new(dns.Msg).SetQuestion(owner+"."+origin, dns.TypeCNAME))
		target := ""
		if len(m.Answer) == 1 {
			target = m.Answer[0].(*dns.CNAME).Target
		}
		if target != want || m.Rcode != dns.RcodeSuccess || (len(m.Ns) == 1) != (want == "") {
			t.Errorf("%s: %v, want %q", owner, m, want)
		}
	}
}
