package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func query(t *testing.T, name string, blocked bool) Query {
	t.Helper()
	q, err := NewQuery(name, blocked)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// message returns the bytes that the query sends.
func (q Query) message(id uint16, number uint32) []byte {
	buffer := make([]byte, bufferLen)
	return buffer[:q.put(buffer, id, number)]
}

// TestQuery has a library read what is sent.
func TestQuery(t *testing.T) {
	var m dns.Msg
	if err := m.Unpack(query(t, "www.badsite.example", true).message(7, 0)); err != nil {
		t.Fatal(err)
	}
	want := new(dns.Msg).SetQuestion("www.badsite.example.", dns.TypeA)
	want.Id = 7
	if m.String() != want.String() {
		t.Errorf("Got %v", &m)
	}
	u, err := NewUnique("fine.example")
	if err != nil {
		t.Fatal(err)
	}
	for number, want := range map[uint32]string{0: "00000000.fine.example.", 0xab12: "0000ab12.fine.example."} {
		if err := m.Unpack(u.message(1, number)); err != nil || m.Question[0].Name != want {
			t.Errorf("%v, %v, want %s", m.Question, err, want)
		}
	}
	for _, name := range []string{"", "a..example", strings.Repeat("a", 64) + ".example", strings.Repeat("abcdefg.", 32) + "example"} {
		if _, err := NewQuery(name, false); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
	if got := query(t, "a.b.example", false).Name(); got != "a.b.example" {
		t.Errorf("The name is %s", got)
	}
}

// TestCheck holds answers that a library makes, and mutilated ones, against what they
// have to be.
func TestCheck(t *testing.T) {
	sent := query(t, "name.example", false).message(99, 0)
	record := func(m *dns.Msg, text string) *dns.Msg {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
		return m
	}
	reply := func(change func(*dns.Msg)) []byte {
		var q dns.Msg
		if err := q.Unpack(sent); err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg).SetReply(&q)
		change(m)
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	address := "name.example. 60 IN A " + Address.String()
	passes := reply(func(m *dns.Msg) { record(m, address) })
	compressed := reply(func(m *dns.Msg) { record(m, address).Compress = true })
	denied := reply(func(m *dns.Msg) {
		m.Rcode = dns.RcodeNameError
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "name.example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: ".", Mbox: "."}}
	})
	for _, tt := range []struct {
		title   string
		reply   []byte
		blocked bool
		want    error
	}{
		{"passes", passes, false, nil},
		{"passes, compressed", compressed, false, nil},
		{"denied", denied, true, nil},
		{"passes and is listed", passes, true, errPassed},
		{"denied and is not listed", denied, false, errDenied},
		{"no data", reply(func(*dns.Msg) {}), false, errRecords},
		{"no data and is listed", reply(func(*dns.Msg) {}), true, errPassed},
		{"another address", reply(func(m *dns.Msg) { record(m, "name.example. 60 IN A 192.0.2.1") }), false, errRecords},
		{"another type", reply(func(m *dns.Msg) { record(m, "name.example. 60 IN TXT "+Address.String()) }), false, errRecords},
		{"two addresses", reply(func(m *dns.Msg) { record(record(m, address), address) }), false, errRecords},
		{"denied with an answer", reply(func(m *dns.Msg) { record(m, address).Rcode = dns.RcodeNameError }), true, codeError(3)},
		{"failed", reply(func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }), true, codeError(2)},
		{"refused", reply(func(m *dns.Msg) { m.Rcode = dns.RcodeRefused }), false, codeError(5)},
		{"cut off", reply(func(m *dns.Msg) { record(m, address).Truncated = true }), false, errShort},
		{"the query", sent, false, errQuestion},
		{"another ID", reply(func(m *dns.Msg) { m.Id = 98 }), true, errQuestion},
		{"another name", reply(func(m *dns.Msg) { m.Question[0].Name = "nama.example." }), false, errQuestion},
		{"no question", reply(func(m *dns.Msg) { record(m, address).Question = nil }), false, errQuestion},
		{"a header", passes[:12], false, errQuestion},
		{"less than a header", passes[:11], false, errShort},
		{"an error without a question", reply(func(m *dns.Msg) { m.Question, m.Rcode = nil, dns.RcodeFormatError }), false, codeError(1)},
	} {
		if got := check(sent, tt.reply, tt.blocked); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.title, got, tt.want)
		}
	}
	for n := range passes { // none of them may be read beyond its end
		if check(sent, passes[:n:n], false) == nil {
			t.Errorf("%d of %d bytes are an answer", n, len(passes))
		}
	}
}

// TestRespond has a library read the responder's answers.
func TestRespond(t *testing.T) {
	edns := new(dns.Msg).SetQuestion("A.Name.Example.", dns.TypeAAAA).SetEdns0(4096, true)
	for _, tt := range []struct {
		q    *dns.Msg
		want string
	}{
		{new(dns.Msg).SetQuestion("a.name.example.", dns.TypeA), "a.name.example.\t3600\tIN\tA\t192.0.2.53"},
		{edns, "UDP: 1232"},
		{new(dns.Msg).SetQuestion(".", dns.TypeNS), "ANSWER: 0"},
	} {
		packed, err := tt.q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var m dns.Msg
		p := append(packed, make([]byte, 64)...)
		if err := m.Unpack(p[:respond(p, len(packed))]); err != nil {
			t.Fatal(err)
		}
		if !m.Response || m.Id != tt.q.Id || m.Question[0] != tt.q.Question[0] || !strings.Contains(strings.ToUpper(m.String()), strings.ToUpper(tt.want)) {
			t.Errorf("%v, want %s", &m, tt.want)
		}
	}
	response := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
	response.Response = true
	packed, err := response.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, junk := range [][]byte{nil, packed, packed[:11], append(append([]byte{}, packed[:12]...), 0xc0, 0, 0, 1, 0, 1), packed[:len(packed)-1]} {
		if n := respond(append(junk, make([]byte, 64)...), len(junk)); n != 0 {
			t.Errorf("% x is answered with %d bytes", junk, n)
		}
	}
}

// TestHistogram: quantiles are as exact as they claim to be, at both ends too.
func TestHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 {
		t.Error("Nothing has a median")
	}
	for i := 1; i <= 100_000; i++ {
		h.Add(time.Duration(i) * time.Microsecond)
	}
	for q, want := range map[float64]time.Duration{0.5: 50 * time.Millisecond, 0.99: 99 * time.Millisecond, 1: 100 * time.Millisecond, 0: time.Microsecond} {
		if got := h.Quantile(q); got < want*97/100 || got > want*103/100 {
			t.Errorf("Quantile %v is %v, want %v", q, got, want)
		}
	}
	for _, d := range []time.Duration{-1, 0, 1, fineness - 1, fineness, 12345, time.Hour, 1<<63 - 1} {
		b := bucket(d)
		if b < 0 || b >= len(h.counts) || floor(b) > max(d, 0) || b+1 < len(h.counts) && floor(b+1) > 0 && floor(b+1) <= d {
			t.Errorf("%d ns is counted in bucket %d, from %d", d, b, floor(b))
		}
		h.Add(d)
	}
}

// serve answers with a handler on loopback until the test ends.
func serve(t *testing.T, h dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	started := make(chan struct{})
	s := &dns.Server{Addr: "127.0.0.1:0", Net: "udp", Handler: h, NotifyStartedFunc: func() { close(started) }}
	done := make(chan error)
	go func() { done <- s.ListenAndServe() }()
	<-started
	t.Cleanup(func() {
		s.Shutdown()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return netip.MustParseAddrPort(s.PacketConn.LocalAddr().String())
}

func onLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("Only Linux has recvmmsg: ", ErrUnsupported)
	}
}

func responder(t *testing.T) *Responder {
	t.Helper()
	onLinux(t)
	r, err := Listen(loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// TestRun asks so many queries, as fast as they are answered and at a rate.
func TestRun(t *testing.T) {
	t.Parallel()
	r := responder(t)
	unique, err := NewUnique("fine.example")
	if err != nil {
		t.Fatal(err)
	}
	queries := []Query{query(t, "a.example", false), query(t, "b.example", false), unique}
	for _, c := range []Config{
		{Count: 5000},
		{Count: 1, Sockets: 1, Window: 1},
		{Count: 3000, Sockets: maxSockets, Window: maxWindow},
		{Count: 300, Rate: 3000},
	} {
		before := r.Asked()
		c.Addr, c.Queries, c.Patience = r.Addr, queries, 20*time.Second
		result, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if result.Sent != c.Count || result.Right != c.Count || result.Wrong+result.Lost+result.Stray > 0 || r.Asked()-before != uint64(c.Count) {
			t.Errorf("%d queries: %+v, %d came", c.Count, result, r.Asked()-before)
		}
		if result.Latency.Quantile(0.5) <= 0 {
			t.Error("The answers took no time")
		}
	}
}

// TestRunTime ends when its time is over.
func TestRunTime(t *testing.T) {
	t.Parallel()
	r := responder(t)
	result, err := Run(t.Context(), Config{Addr: r.Addr, Queries: []Query{query(t, "a.example", false)}, Time: 50 * time.Millisecond, Patience: 20 * time.Second})
	if err != nil || result.Sent == 0 || result.Right != result.Sent || result.Elapsed > 50*time.Millisecond || result.PerSecond() <= 0 {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestRunCounts: what is wrong, late or missing is counted as that.
func TestRunCounts(t *testing.T) {
	t.Parallel()
	onLinux(t)
	addr := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		switch name := q.Question[0].Name; {
		case strings.HasPrefix(name, "lost"):
			return
		case strings.HasPrefix(name, "denied"):
			m.Rcode = dns.RcodeNameError
		case strings.HasPrefix(name, "twice"):
			m.Rcode = dns.RcodeNameError
			w.WriteMsg(m)
		case strings.HasPrefix(name, "other"): // an answer to something else comes first, which is to be ignored
			m.Rcode = dns.RcodeNameError
			m.Question[0].Name = "else.example."
			w.WriteMsg(m)
			m.Question[0].Name = name
		}
		w.WriteMsg(m)
	})
	queries := []Query{query(t, "lost.example", true), query(t, "denied.example", true), query(t, "wrong.example", true), query(t, "denied.example", false), query(t, "twice.example", true), query(t, "other.example", true)}
	result, err := Run(t.Context(), Config{Addr: addr, Queries: queries, Count: 60, Window: 64, Patience: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if result.Lost != 10 || result.Wrong != 20 || result.Right != 30 || result.Stray < 10 || len(result.Samples) != sampled {
		t.Errorf("Got %+v", result)
	}
	if !strings.HasPrefix(result.Samples[0], "wrong.example: it passed") && !strings.HasPrefix(result.Samples[0], "denied.example: it was denied") {
		t.Error(result.Samples)
	}
	sum := &Result{}
	for range 3 {
		sum.Add(result)
	}
	if sum.Sent != 180 || sum.Lost != 30 || len(sum.Samples) != sampled {
		t.Errorf("Three of them are %+v", sum)
	}
}

// TestRunEnds: nobody listens, the caller has enough, or what is asked for makes no
// sense.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	onLinux(t)
	r, err := Listen(loopback)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Addr: r.Addr, Queries: []Query{query(t, "a.example", false)}, Time: time.Hour}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("Ended with %v", err)
	}
	if _, err := Listen(r.Addr); err == nil {
		t.Error("Two listen on one port")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "nobody listens") {
		t.Errorf("Without a server: %v", err)
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.Queries = nil },
		func(c *Config) { c.Time = 0 },
		func(c *Config) { c.Sockets = maxSockets + 1 },
		func(c *Config) { c.Window = maxWindow + 1 },
		func(c *Config) { c.Sockets, c.Window = 1, maxSlots+1 },
		func(c *Config) { c.Window = 2 },
		func(c *Config) { c.Rate = -1 },
	} {
		c := c
		change(&c)
		if _, err := Run(t.Context(), c); err == nil {
			t.Errorf("%+v is carried out", c)
		}
	}
}

// TestAsk asks single questions over both transports.
func TestAsk(t *testing.T) {
	t.Parallel()
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeNameError))
	})
	addr := serve(t, h)
	for name, blocked := range map[string]bool{"a.example": true, "b.example": false} {
		err := Ask(t.Context(), "udp", addr, query(t, name, blocked), 20*time.Second)
		if (err == nil) != blocked {
			t.Errorf("%s: %v", name, err)
		}
	}
	started := make(chan struct{})
	s := &dns.Server{Addr: "127.0.0.1:0", Net: "tcp", Handler: h, NotifyStartedFunc: func() { close(started) }}
	done := make(chan error)
	go func() { done <- s.ListenAndServe() }()
	<-started
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	if err := Ask(t.Context(), "tcp", at, query(t, "a.example", true), 20*time.Second); err != nil {
		t.Error(err)
	}
	s.Shutdown()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Ask(t.Context(), "tcp", at, query(t, "a.example", true), 20*time.Second); err == nil {
		t.Error("An answer from nobody")
	}
}

// TestFlood: a flood sends what it says, at its rate, and does not mind that nothing is
// answered; where nobody listens it ends.
func TestFlood(t *testing.T) {
	onLinux(t)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	c := Config{Addr: addr, Queries: []Query{query(t, "one.example", false), query(t, "two.example", true)}, Rate: 1000, Time: 200 * time.Millisecond}
	sent, took, err := Flood(t.Context(), c)
	if err != nil || sent == 0 || sent > 200 || took < c.Time {
		t.Errorf("%d sent in %v: %v", sent, took, err)
	}
	seen := map[string]int{}
	buf := make([]byte, bufferLen)
	for range sent {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			t.Fatalf("Of %d only %v came: %v", sent, seen, err)
		}
		seen[nameOf(buf[:n])]++
	}
	if seen["one.example"]-seen["two.example"] > 1 || len(seen) != 2 {
		t.Errorf("%v", seen)
	}
	conn.Close()
	if _, _, err := Flood(t.Context(), c); err == nil {
		t.Error("It does not notice that nobody listens")
	}
	for _, c := range []Config{{Addr: addr, Queries: c.Queries, Time: time.Second}, {Addr: addr, Queries: c.Queries, Rate: 1, Count: 1}} {
		if _, _, err := Flood(t.Context(), c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
