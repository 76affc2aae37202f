package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/list"
)

// testKey is a key for tests only.
var testKey = TSIGKey{Name: "transfer.example.", Algorithm: "hmac-sha256", Secret: "dGhpcyBpcyBub3QgYSBzZWNyZXQ="}

var zoneOne = []string{
	"@ NS localhost.",
	`_list.meta TXT "v=1 list=nudify expires=2026-12-06T00:00:00Z"`,
	"Badsite.example CNAME .",
	"*.badsite.example CNAME .",
	"ok.badsite.example CNAME rpz-passthru.",
	"exact.example CNAME *.",
}

const textOne = `$ORIGIN rpz.example.
@ SOA localhost. hostmaster.example. 1 300 120 86400 60
@ NS localhost.
_list.meta TXT "v=1 list=nudify expires=2026-12-06T00:00:00Z"
badsite.example CNAME .
*.badsite.example CNAME .
ok.badsite.example CNAME rpz-passthru.
exact.example CNAME *.
`

func TestTransfer(t *testing.T) {
	p := newPrimary(t, nil)
	p.publish(1, zoneOne...)
	body, err := p.transfer().Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if want := (Timers{Refresh: 5 * time.Minute, Retry: 2 * time.Minute, Expire: 24 * time.Hour}); body.Timers != want || body.Version != "1" {
		t.Errorf("Version %q, timers %v", body.Version, body.Timers)
	}
	if text, err := io.ReadAll(body); string(text) != textOne || err != nil {
		t.Errorf("Read %v:\n%s", err, text)
	}
	if q := p.questions(); q != "SOA AXFR" {
		t.Errorf("Asked %s", q)
	}
}

// TestTransferIsAList: package list reads the text as the rules of the zone.
func TestTransferIsAList(t *testing.T) {
	p := newPrimary(t, nil)
	p.publish(2026112201, append(zoneOne, "$ORIGIN.example CNAME .", "data.example A 192.0.2.1", "data.example MX 10 mail.example.")...)
	text, _ := open(t, p.transfer(), "")
	s := list.NewScanner(strings.NewReader(text), list.Config{Format: list.RPZ})
	var rules []string
	for s.Scan() {
		rules = append(rules, fmt.Sprint(s.Rule()))
	}
	if h := s.Header(); s.Err() != nil || h.Serial != 2026112201 || h.ID != "nudify" || h.Expires.IsZero() {
		t.Errorf("Header %+v, %v", h, s.Err())
	}
	if stats := s.Stats(); len(rules) != 4 || stats.Refused != 3 {
		t.Errorf("Rules %q, %+v:\n%s", rules, stats, text)
	}
}

func TestTransferSerials(t *testing.T) {
	tests := []struct {
		name   string
		serial uint32
		have   Version
		err    error
	}{
		{"same", 7, "7", ErrNotModified},
		{"newer", 8, "7", nil},
		{"older", 6, "7", ErrOldSerial},
		{"newer, round the end", 3, "4294967290", nil},
		{"older, round the end", 4294967290, "3", ErrOldSerial},
		{"half the way round", 1 << 31, "0", ErrOldSerial},
		{"no serial at hand", 1, "\"etag\"", nil},
		{"too great a number at hand", 1, "4294967296", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPrimary(t, nil)
			p.publish(tt.serial, zoneOne...)
			body, err := p.transfer().Open(t.Context(), tt.have)
			if !errors.Is(err, tt.err) {
				t.Fatalf("Open: %v, want %v", err, tt.err)
			}
			if u, ok := errors.AsType[Unmodified](err); ok != (tt.err == ErrNotModified) || ok && u.Timers.Refresh != 5*time.Minute {
				t.Errorf("Timers %v, %v", u, ok)
			}
			if err == nil {
				defer body.Close()
				if _, err := io.ReadAll(body); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestTransferSigned: a primary may sign only some of its messages.
func TestTransferSigned(t *testing.T) {
	for _, tt := range []struct{ every, records int }{{1, 10}, {2, 10}, {100, 301}} {
		p := newPrimary(t, nil)
		p.key, p.batch, p.signEvery = &testKey, 1, tt.every
		p.publish(1, manyRules(tt.records)...)
		text, _ := open(t, p.transfer(), "")
		if n := strings.Count(text, "\n"); n != tt.records+2 {
			t.Errorf("%d records, each %dth message signed: %d lines", tt.records, tt.every, n)
		}
	}
}

func manyRules(n int) []string {
	rules := make([]string, n)
	for i := range rules {
		rules[i] = fmt.Sprintf("n%d.example CNAME .", i)
	}
	return rules
}

// bent changes the answer to questions of one type.
func bent(qtype uint16, change func(q *dns.Msg, replies []reply) []reply) func(*dns.Msg, []reply) []reply {
	return func(q *dns.Msg, replies []reply) []reply {
		if q.Question[0].Qtype == qtype {
			return change(q, replies)
		}
		return replies
	}
}

// each changes each message of an answer.
func each(change func(r *reply)) func(*dns.Msg, []reply) []reply {
	return func(_ *dns.Msg, replies []reply) []reply {
		for i := range replies {
			change(&replies[i])
		}
		return replies
	}
}

// last changes the last message of an answer.
func last(change func(r *reply)) func(*dns.Msg, []reply) []reply {
	return func(_ *dns.Msg, replies []reply) []reply {
		change(&replies[len(replies)-1])
		return replies
	}
}

func rcode(n int) func(*dns.Msg, []reply) []reply {
	return func(q *dns.Msg, _ []reply) []reply {
		return []reply{{Msg: new(dns.Msg).SetRcode(q, n)}}
	}
}

// badTSIG answers as RFC 8945 §5.2 says for a signature that is not accepted.
func badTSIG(code uint16) func(*dns.Msg, []reply) []reply {
	return func(q *dns.Msg, _ []reply) []reply {
		m := new(dns.Msg).SetRcode(q, dns.RcodeNotAuth).SetTsig(testKey.Name, dns.HmacSHA256, 300, 0)
		m.IsTsig().Error = code
		wire, err := m.Pack()
		if err != nil {
			panic(err)
		}
		return []reply{{raw: wire}}
	}
}

// transferFaults are what a primary can do wrong, and what is said of it.
// Unsigned faults are tried without a key.
var transferFaults = []struct {
	name  string
	qtype uint16
	plain bool
	bend  func(q *dns.Msg, replies []reply) []reply
	want  string
}{
	{"cut off between messages", dns.TypeAXFR, false, last(func(r *reply) { r.close = true }), "it was cut off"},
	{"cut off within a message", dns.TypeAXFR, false, last(func(r *reply) { r.cut = 20 }), "it was cut off"},
	{"cut off within the length", dns.TypeAXFR, false, last(func(r *reply) { r.cut = 1 }), "it was cut off"},
	{"a message of one byte", dns.TypeAXFR, true, last(func(r *reply) { r.raw = []byte{0} }), "cannot be read"},
	{"another SOA at the end", dns.TypeAXFR, false, last(func(r *reply) { r.Answer = []dns.RR{zoneSOA(2)} }), "began with serial 1 and ended with serial 2"},
	{"another expiry at the end", dns.TypeAXFR, false, last(func(r *reply) {
		soa := zoneSOA(1)
		soa.Expire++
		r.Answer = []dns.RR{soa}
	}), "or other data"},
	{"records behind the end", dns.TypeAXFR, false, last(func(r *reply) { r.Answer = append(r.Answer, r.Answer[0]) }), "records behind the last one"},
	{"no SOA first", dns.TypeAXFR, false, each(func(r *reply) { r.Answer = slices.DeleteFunc(r.Answer, isSOA) }), "does not begin with the SOA"},
	{"SOA of another zone", dns.TypeSOA, false, each(func(r *reply) {
		soa := zoneSOA(2)
		soa.Hdr.Name = "other.example."
		r.Answer = []dns.RR{soa}
	}), "does not begin with the SOA"},
	{"a record of another zone", dns.TypeAXFR, false, last(func(r *reply) {
		r.Answer = append([]dns.RR{foreignRecord}, r.Answer...)
	}), "a record that does not belong there: x.other.example."},
	{"an SOA record inside", dns.TypeAXFR, false, last(func(r *reply) {
		soa := zoneSOA(1)
		soa.Hdr.Name = "x." + rpzZone
		r.Answer = append([]dns.RR{soa}, r.Answer...)
	}), "a record that does not belong there: x.rpz.example. IN SOA"},
	{"a record of another class", dns.TypeAXFR, false, last(func(r *reply) {
		rr := dns.Copy(zoneSOA(1))
		rr.Header().Class = dns.ClassCHAOS
		r.Answer = append([]dns.RR{rr}, r.Answer...)
	}), "a record that does not belong there: rpz.example. CH SOA"},
	{"a record without data", dns.TypeAXFR, false, last(func(r *reply) {
		r.Answer = append([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: rpzZone, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}}}, r.Answer...)
	}), "a record without data"},
	{"another id", dns.TypeAXFR, false, last(func(r *reply) { r.Id++ }), "no answer to the question"},
	{"a question for an answer", dns.TypeSOA, false, each(func(r *reply) { r.Response = false }), "no answer to the question"},
	{"another question", dns.TypeAXFR, false, each(func(r *reply) { r.Question[0].Name = "other.example." }), "an answer to another question"},
	{"no question", dns.TypeAXFR, false, each(func(r *reply) { r.Question = nil }), "an answer to another question"},
	{"truncated", dns.TypeAXFR, false, each(func(r *reply) { r.Truncated = true }), "a truncated answer"},
	{"refused", dns.TypeSOA, false, rcode(dns.RcodeRefused), "the primary answered REFUSED"},
	{"no such zone", dns.TypeAXFR, false, rcode(dns.RcodeNotAuth), "the primary answered NOTAUTH"},
	{"breaks off with an error", dns.TypeAXFR, false, last(func(r *reply) { r.Rcode = dns.RcodeServerFailure }), "the primary answered SERVFAIL"},
	{"fewer records than counted", dns.TypeAXFR, true, last(func(r *reply) {
		r.raw, _ = r.Pack()
		r.raw[7]++
	}), "fewer records than it counts"},
	{"no message", dns.TypeAXFR, true, each(func(r *reply) { r.raw = []byte("no message of DNS") }), "zone transfer failed"},
	{"unsigned", dns.TypeSOA, false, each(func(r *reply) { r.unsigned = true }), "an answer (NOERROR) without a signature"},
	{"unsigned first message", dns.TypeAXFR, false, func(_ *dns.Msg, replies []reply) []reply {
		replies[0].unsigned = true
		return replies
	}, "an answer (NOERROR) without a signature"},
	{"unsigned refusal", dns.TypeAXFR, false, func(q *dns.Msg, _ []reply) []reply {
		return []reply{{Msg: new(dns.Msg).SetRcode(q, dns.RcodeRefused), unsigned: true}}
	}, "an answer (REFUSED) without a signature"},
	{"unsigned last message", dns.TypeAXFR, false, last(func(r *reply) { r.unsigned = true }), "the last message is without a signature"},
	{"unsigned message changed", dns.TypeAXFR, false, func(_ *dns.Msg, replies []reply) []reply {
		changed := replies[1].Copy()
		changed.Answer[0].Header().Ttl++
		replies[1].unsigned = true
		replies[1].raw, _ = changed.Pack()
		return replies
	}, "signature of an answer does not hold"},
	{"another secret", dns.TypeSOA, false, each(func(r *reply) { r.key = &TSIGKey{testKey.Name, testKey.Algorithm, "b3RoZXI="} }), "does not hold: dns: bad signature"},
	{"another key", dns.TypeSOA, false, each(func(r *reply) { r.key = &TSIGKey{"other.example.", testKey.Algorithm, testKey.Secret} }), "it is of the key other.example."},
	{"another algorithm", dns.TypeSOA, false, each(func(r *reply) { r.key = &TSIGKey{testKey.Name, "hmac-sha1", testKey.Secret} }), "(hmac-sha1.)"},
	{"stale", dns.TypeSOA, false, each(func(r *reply) { r.skew = -time.Hour }), "does not hold: dns: bad time"},
	{"of the future", dns.TypeSOA, false, each(func(r *reply) { r.skew = time.Hour }), "does not hold: dns: bad time"},
	{"stale last message", dns.TypeAXFR, false, last(func(r *reply) { r.skew = -time.Hour }), "does not hold: dns: bad time"},
	{"messages in another order", dns.TypeAXFR, true, func(_ *dns.Msg, replies []reply) []reply {
		slices.Reverse(replies)
		return replies
	}, "records behind the last one"},
	{"our key is not known", dns.TypeSOA, false, badTSIG(dns.RcodeBadKey), "does not accept the signature: BADKEY"},
	{"our clock is wrong", dns.TypeSOA, false, badTSIG(dns.RcodeBadTime), "does not accept the signature: BADTIME"},
	{"our secret is wrong", dns.TypeSOA, false, badTSIG(dns.RcodeBadSig), "does not accept the signature: BADSIG"},
}

func isSOA(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA }

var foreignRecord = &dns.CNAME{
	Hdr: dns.RR_Header{Name: "x.other.example.", Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: ".",
}

func TestTransferFaults(t *testing.T) {
	for _, tt := range transferFaults {
		t.Run(tt.name, func(t *testing.T) {
			p := newPrimary(t, nil)
			if !tt.plain {
				p.key = &testKey
			}
			p.publish(1, append(zoneOne, "one.example CNAME .", "two.example CNAME .")...)
			p.bend = bent(tt.qtype, tt.bend)
			_, err := readTransfer(t.Context(), p.transfer(), "")
			if !errors.Is(err, ErrTransfer) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if name := "axfr://" + p.addr + "/rpz.example: "; err == nil || strings.Count(err.Error(), name) != 1 || errors.Is(err, io.EOF) {
				t.Errorf("%v, want it to begin with %s", err, name)
			}
		})
	}
}

// readTransfer opens a transfer and reads all of it.
func readTransfer(ctx context.Context, tr Transfer, have Version) (string, error) {
	body, err := tr.Open(ctx, have)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	return string(text), err
}

// TestTransferUnsigned: the 99 messages that may be unsigned, and one more.
func TestTransferUnsigned(t *testing.T) {
	for unsigned, want := range map[int]error{maxUnsigned: nil, maxUnsigned + 1: ErrTransfer} {
		p := newPrimary(t, nil)
		p.key, p.batch, p.signEvery = &testKey, 1, 1000
		p.publish(1, manyRules(unsigned)...)
		if _, err := readTransfer(t.Context(), p.transfer(), ""); !errors.Is(err, want) {
			t.Errorf("%d messages without a signature: %v, want %v", unsigned, err, want)
		}
	}
}

// TestTransferOneQuestion: a primary that answers one question a connection is
// asked again on another, once.
func TestTransferOneQuestion(t *testing.T) {
	p := newPrimary(t, nil)
	p.publish(1, zoneOne...)
	axfrs := 0
	p.bend = bent(dns.TypeAXFR, func(_ *dns.Msg, replies []reply) []reply {
		if axfrs++; axfrs == 1 {
			return []reply{{close: true}}
		}
		return replies
	})
	if text, err := readTransfer(t.Context(), p.transfer(), ""); text != textOne || err != nil {
		t.Errorf("%v: %s", err, text)
	}
	if q := p.questions(); q != "SOA AXFR AXFR" {
		t.Errorf("Asked %s", q)
	}
	p.bend = bent(dns.TypeAXFR, each(func(r *reply) { r.close = true }))
	if _, err := readTransfer(t.Context(), p.transfer(), ""); !errors.Is(err, ErrTransfer) || p.questions() != "SOA AXFR AXFR" {
		t.Errorf("A primary that always hangs up: %v", err)
	}
}

func TestTransferTimeouts(t *testing.T) {
	hang := each(func(r *reply) { r.hang = true })
	tests := []struct {
		name     string
		qtype    uint16
		bend     func(q *dns.Msg, replies []reply) []reply
		timeouts TransferTimeouts
	}{
		{"silent", dns.TypeSOA, hang, TransferTimeouts{Message: 20 * time.Millisecond}},
		{"silent on the way", dns.TypeAXFR, last(func(r *reply) { r.hang = true }), TransferTimeouts{Message: 20 * time.Millisecond}},
		{"never done", dns.TypeAXFR, last(func(r *reply) { r.hang = true }), TransferTimeouts{Total: 50 * time.Millisecond}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPrimary(t, nil)
			p.publish(1, zoneOne...)
			p.bend = bent(tt.qtype, tt.bend)
			tr := p.transfer()
			tr.Timeouts = tt.timeouts
			if _, err := readTransfer(t.Context(), tr, ""); !errors.Is(err, ErrTimeout) {
				t.Errorf("%v, want %v", err, ErrTimeout)
			}
		})
	}
}

// TestTransferEnds: the end of the context and Close end a transfer that hangs;
// newPrimary waits for its connection to be closed.
func TestTransferEnds(t *testing.T) {
	errStop := errors.New("the server stops")
	for _, end := range []string{"context", "close"} {
		t.Run(end, func(t *testing.T) {
			p := newPrimary(t, nil)
			p.publish(1, zoneOne...)
			p.bend = bent(dns.TypeAXFR, last(func(r *reply) { r.hang = true }))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			body, err := p.transfer().Open(ctx, "")
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			want := fs.ErrClosed
			go func() {
				if end == "close" {
					body.Close()
				} else {
					cancel(errStop)
				}
			}()
			if end == "context" {
				want = errStop
			}
			if _, err := io.ReadAll(body); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
}

// TestTransferLimits: a text at the limit, one byte over it, and primaries that
// never end.
func TestTransferLimits(t *testing.T) {
	p := newPrimary(t, nil)
	p.publish(1, zoneOne...)
	tr := p.transfer()
	for limit, want := range map[int]error{len(textOne): nil, len(textOne) - 1: ErrTooLarge} {
		tr.MaxBytes = int64(limit)
		if _, err := readTransfer(t.Context(), tr, ""); !errors.Is(err, want) {
			t.Errorf("Limit %d: %v, want %v", limit, err, want)
		}
	}
	endless := map[string][]dns.RR{
		"empty messages": nil,
		"signatures":     zoneRecords(t, "x RRSIG CNAME 8 3 60 20300101000000 20200101000000 1 rpz.example. AAAA"),
		"rules":          zoneRecords(t, "x.example CNAME ."),
	}
	for name, records := range endless {
		p.bend = bent(dns.TypeAXFR, func(_ *dns.Msg, replies []reply) []reply {
			replies[1].Answer = records
			return append(replies[:1:1], slices.Repeat(replies[1:2], 2*50_000/minCharge*quotaFactor)...)
		})
		tr.MaxBytes = 50_000
		if _, err := readTransfer(t.Context(), tr, ""); !errors.Is(err, ErrTooLarge) {
			t.Errorf("Endless %s: %v", name, err)
		}
	}
}

func TestTransferBadConfig(t *testing.T) {
	p := newPrimary(t, nil)
	tests := []struct {
		change func(tr *Transfer)
		want   string
	}{
		{func(tr *Transfer) { tr.Zone = "a..example." }, "not the name of a zone"},
		{func(tr *Transfer) { tr.Zone = "" }, "not the name of a zone"},
		{func(tr *Transfer) { tr.Zone = strings.Repeat("a.", 128) }, "not the name of a zone"},
		{func(tr *Transfer) { tr.Key = &TSIGKey{} }, "not the name of a key"},
		{func(tr *Transfer) { tr.Primary = "127.0.0.1" }, "missing port"},
	}
	for _, tt := range tests {
		tr := p.transfer()
		tt.change(&tr)
		if _, err := tr.Open(t.Context(), ""); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tr, err, tt.want)
		}
	}
	if q := p.questions(); q != "" {
		t.Errorf("Asked %s", q)
	}
}

func TestTransferRefusedConnection(t *testing.T) {
	tr := Transfer{Primary: "127.0.0.1:1", Zone: rpzZone}
	if _, err := tr.Open(t.Context(), ""); err == nil || !strings.HasPrefix(err.Error(), "axfr://127.0.0.1:1/rpz.example: ") {
		t.Errorf("Nobody listens: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for primary, want := range map[string]string{
		"192.0.2.1:53": "192.0.2.1", "[2001:db8::1]:853": "2001:db8::1", "[::ffff:192.0.2.1]:53": "192.0.2.1",
	} {
		got, err := Transfer{Primary: primary}.Addresses(t.Context())
		if err != nil || !slices.Equal(got, []netip.Addr{netip.MustParseAddr(want)}) {
			t.Errorf("%s: %v, %v", primary, got, err)
		}
	}
	if _, err := (Transfer{Primary: "192.0.2.1"}).Addresses(t.Context()); err == nil {
		t.Error("A primary without a port has addresses")
	}
}

// TestTransferByName: the primary's name is looked up where the configuration
// says.
func TestTransferByName(t *testing.T) {
	p := newPrimary(t, nil)
	p.publish(1, zoneOne...)
	tr := p.transfer()
	tr.Resolver = nameServer(t, "primary.example.", "127.0.0.1")
	tr.Primary = strings.Replace(p.addr, "127.0.0.1", "primary.example", 1)
	if text, err := readTransfer(t.Context(), tr, ""); text != textOne || err != nil {
		t.Errorf("%v:\n%s", err, text)
	}
	if got, err := tr.Addresses(t.Context()); err != nil || !slices.Equal(got, []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}) {
		t.Errorf("Addresses %v, %v", got, err)
	}
	tr.Primary = "other.example:53"
	if got, err := tr.Addresses(t.Context()); err == nil {
		t.Errorf("A name that is not there has the addresses %v", got)
	}
}

// nameServer starts a server that knows one name, and returns a resolver that
// asks it.
func nameServer(t *testing.T, name, address string) *net.Resolver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: c, NotifyStartedFunc: func() { close(started) }}
	s.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q := q.Question[0]; q.Name != name {
			m.Rcode = dns.RcodeNameError
		} else if q.Qtype == dns.TypeA {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(address)}}
		}
		w.WriteMsg(m)
	})
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { s.Shutdown() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, c.LocalAddr().String())
	}}
}

func TestKeyValidate(t *testing.T) {
	tests := []struct {
		key  TSIGKey
		want string
	}{
		{testKey, ""},
		{TSIGKey{"Transfer.example.", "hmac-sha256", "c2VjcmV0"}, `"Transfer.example." is not the name of a key`},
		{TSIGKey{"transfer.example", "hmac-sha256", "c2VjcmV0"}, `is not the name of a key`},
		{TSIGKey{".", "hmac-sha256", "c2VjcmV0"}, `is not the name of a key`},
		{TSIGKey{"k.", "hmac-sha1", "c2VjcmV0"}, `key k.: algorithm "hmac-sha1" is not one of`},
		{TSIGKey{"k.", "hmac-md5.sig-alg.reg.int", "c2VjcmV0"}, `is not one of`},
		{TSIGKey{"k.", "hmac-sha256", "c2VjcmV0!"}, `key k.: the secret is not base64, or empty`},
		{TSIGKey{"k.", "hmac-sha256", ""}, `key k.: the secret is not base64, or empty`},
	}
	for _, tt := range tests {
		err := tt.key.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.key, err, tt.want)
		}
		if s := fmt.Sprint(tt.key, &tt.key, err); tt.key.Secret != "" && strings.Contains(s, tt.key.Secret) {
			t.Errorf("%s tells the secret", s)
		}
	}
}
