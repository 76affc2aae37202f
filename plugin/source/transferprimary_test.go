package source

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const rpzZone = "rpz.example."

// zonePrimary is a primary server in the process of the test. It answers as a
// primary should unless bend makes something else of its answers.
type zonePrimary struct {
	t    testing.TB
	addr string
	key  *TSIGKey // what it signs with, and wants signed
	// batch is the number of records in a message, signEvery that of messages
	// for one signature.
	batch, signEvery int
	full             bool // no IXFR
	bend             func(q *dns.Msg, replies []reply) []reply

	mu       sync.Mutex
	editions []zoneEdition
	asked    []string
	handlers sync.WaitGroup
}

// zoneEdition is one version of the zone: an SOA record and the others.
type zoneEdition struct {
	soa     *dns.SOA
	records []dns.RR
}

// reply is a message of an answer, and what is wrong with it.
type reply struct {
	*dns.Msg
	unsigned bool
	key      *TSIGKey      // to sign with instead
	skew     time.Duration // of the time of signing
	cut      int           // bytes to send of it, its length included, before the connection is closed
	raw      []byte        // sent instead, though the next signature covers the message
	hang     bool          // wait until the client is gone instead
	close    bool          // the connection, instead
}

// newPrimary starts a primary. When the test ends it waits until the client has
// closed each of its connections.
func newPrimary(t testing.TB, config *tls.Config) *zonePrimary {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	p := &zonePrimary{t: t, addr: l.Addr().String(), batch: 3, signEvery: 1}
	p.handlers.Go(func() { p.accept(l) })
	t.Cleanup(func() {
		l.Close()
		p.handlers.Wait()
	})
	return p
}

// transfer returns the client's side.
func (p *zonePrimary) transfer() Transfer {
	return Transfer{Primary: p.addr, Zone: rpzZone, Key: p.key}
}

// publish adds an edition of the zone; the records are in master-file form,
// relative to the zone.
func (p *zonePrimary) publish(serial uint32, records ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := zoneEdition{soa: zoneSOA(serial), records: zoneRecords(p.t, records...)}
	p.editions = append(p.editions, e)
}

func zoneSOA(serial uint32) *dns.SOA {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: rpzZone, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
		Ns:  "localhost.", Mbox: "hostmaster.example.", Serial: serial, Refresh: 300, Retry: 120, Expire: 86400, Minttl: 60,
	}
}

func zoneRecords(t testing.TB, records ...string) []dns.RR {
	t.Helper()
	var rrs []dns.RR
	for _, r := range records {
		z := dns.NewZoneParser(strings.NewReader("$ORIGIN "+rpzZone+"\n$TTL 60\n"+r+"\n"), "", "")
		rr, ok := z.Next()
		if !ok {
			t.Fatalf("%s: %v", r, z.Err())
		}
		rrs = append(rrs, rr)
	}
	return rrs
}

// questions returns the types that were asked for since the last call.
func (p *zonePrimary) questions() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := strings.Join(p.asked, " ")
	p.asked = nil
	return s
}

func (p *zonePrimary) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		p.handlers.Go(func() {
			defer c.Close()
			p.serve(&dns.Conn{Conn: c})
		})
	}
}

// serve answers the questions of one connection.
func (p *zonePrimary) serve(c *dns.Conn) {
	for {
		wire, err := c.ReadMsgHeader(nil)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if err := q.Unpack(wire); err != nil {
			p.t.Errorf("The primary reads: %v", err)
			return
		}
		s := &signer{every: p.signEvery}
		if p.key != nil {
			s.key = *p.key
			if err := dns.TsigVerify(wire, p.key.Secret, "", false); err != nil {
				p.t.Errorf("The signature of a question: %v", err)
				return
			}
			s.mac, _ = hex.DecodeString(q.IsTsig().MAC)
		}
		if !p.send(c, s, p.answer(q)) {
			return
		}
	}
}

// send sends an answer and reports whether the connection is to be used again.
func (p *zonePrimary) send(c *dns.Conn, s *signer, replies []reply) bool {
	for i, r := range replies {
		switch {
		case r.hang:
			c.Read(make([]byte, 1)) // the client sends nothing more
			return false
		case r.close:
			return false
		}
		var wire []byte
		if r.Msg != nil {
			wire = s.pack(p.t, r, i == len(replies)-1)
		}
		if r.raw != nil {
			wire = r.raw
		}
		if r.cut > 0 {
			c.Conn.Write(append([]byte{byte(len(wire) >> 8), byte(len(wire))}, wire...)[:r.cut])
			return false
		}
		if _, err := c.Write(wire); err != nil {
			return false
		}
	}
	return true
}

// answer answers one question.
func (p *zonePrimary) answer(q *dns.Msg) []reply {
	p.mu.Lock()
	defer p.mu.Unlock()
	qtype := q.Question[0].Qtype
	p.asked = append(p.asked, dns.TypeToString[qtype])
	var records []dns.RR
	switch last := p.editions[len(p.editions)-1]; {
	case qtype == dns.TypeSOA:
		records = []dns.RR{last.soa}
	case qtype == dns.TypeIXFR && !p.full:
		records = p.changes(q.Ns[0].(*dns.SOA).Serial)
	default:
		records = slices.Concat([]dns.RR{last.soa}, last.records, []dns.RR{last.soa})
	}
	replies := p.messages(q, records)
	if p.bend != nil {
		replies = p.bend(q, replies)
	}
	return replies
}

// changes returns what an IXFR says: the changes since a serial, the whole zone
// when the primary does not know it.
func (p *zonePrimary) changes(since uint32) []dns.RR {
	last := p.editions[len(p.editions)-1]
	from := slices.IndexFunc(p.editions, func(e zoneEdition) bool { return e.soa.Serial == since })
	if since == last.soa.Serial {
		return []dns.RR{last.soa}
	}
	if from < 0 {
		return slices.Concat([]dns.RR{last.soa}, last.records, []dns.RR{last.soa})
	}
	out := []dns.RR{last.soa}
	for i, e := range p.editions[from+1:] {
		before := p.editions[from+i]
		out = slices.Concat(out, []dns.RR{before.soa}, without(before.records, e.records), []dns.RR{e.soa}, without(e.records, before.records))
	}
	return append(out, last.soa)
}

func without(records, others []dns.RR) []dns.RR {
	known := map[string]bool{}
	for _, rr := range others {
		known[rr.String()] = true
	}
	return slices.DeleteFunc(slices.Clone(records), func(rr dns.RR) bool { return known[rr.String()] })
}

// messages puts records into messages.
func (p *zonePrimary) messages(q *dns.Msg, records []dns.RR) []reply {
	var out []reply
	for batch := range slices.Chunk(records, p.batch) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative, m.Compress = true, p.batch < 100 // which takes its time
		m.Answer = batch
		out = append(out, reply{Msg: m})
	}
	return out
}

// signer signs the messages of one answer, the first, the last and each in
// between whose turn it is.
type signer struct {
	key     TSIGKey
	mac     []byte
	pending []byte // messages without a signature since
	every   int
	n       int
}

func (s *signer) pack(t testing.TB, r reply, last bool) []byte {
	first := s.n == 0
	s.n++
	if s.key.Name == "" || r.unsigned || !first && !last && s.n%s.every != 0 {
		wire, err := r.Pack()
		if err != nil {
			t.Error(err)
		}
		if s.key.Name != "" {
			s.pending = append(s.pending, wire...)
		}
		return wire
	}
	m, key := r.Copy(), s.key
	if r.key != nil {
		key = *r.key
	}
	m.SetTsig(key.Name, key.Algorithm+".", 300, time.Now().Add(r.skew).Unix())
	used := *s
	used.key = key
	wire, mac, err := dns.TsigGenerateWithProvider(m, &used, hex.EncodeToString(s.mac), !first)
	if err != nil {
		t.Error(err)
	}
	s.mac, _ = hex.DecodeString(mac)
	s.pending = nil
	return wire
}

// Generate signs with SHA-256 whatever the key says.
func (s *signer) Generate(msg []byte, _ *dns.TSIG) ([]byte, error) {
	secret, err := base64.StdEncoding.DecodeString(s.key.Secret)
	if err != nil {
		return nil, err
	}
	before := 2 + len(s.mac)
	h := hmac.New(sha256.New, secret)
	h.Write(bytes.Join([][]byte{msg[:before], s.pending, msg[before:]}, nil))
	return h.Sum(nil), nil
}

func (*signer) Verify([]byte, *dns.TSIG) error { return dns.ErrSig }
