package answer

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
)

// Way is how the reply to a Query goes back: plain DNS over UDP.
type Way struct {
	Reserve int  // as in Request
	IPv6    bool // the client has an IPv6 address, other than one that stands for IPv4
}

// Limits over which CoreDNS compresses a reply over UDP that would fit the client
// as it is, lest it be fragmented (request.Scrub).
const (
	wholeIPv4 = 1480
	wholeIPv6 = 1220
)

// MaxReply is the length of the longest reply that Compose makes.
const MaxReply = maxUDP

// wire is what all replies of an Answerer have in common, as it is on the wire.
type wire struct {
	soa []byte // type, class, TTL and length of the SOA record, its names and times
	// A compressed reply has the last labels of the mailbox name only once: these
	// are those of the server's name, from shared on.
	mbox, unique, shared int
}

// newWire encodes it.
func newWire(a *Answerer) (w wire) {
	server, mbox := wireName(mname), wireName(a.mbox)
	w.mbox, w.unique, w.shared = len(mbox), len(mbox), -1
	for at := 0; mbox[at] != 0 && w.shared < 0; at += 1 + int(mbox[at]) {
		for end := 0; server[end] != 0; end += 1 + int(server[end]) {
			if string(mbox[at:]) == string(server[end:]) {
				w.unique, w.shared = at, end
			}
		}
	}
	w.soa = append(w.soa, 0, byte(dns.TypeSOA), 0, byte(dns.ClassINET))
	w.soa = binary.BigEndian.AppendUint32(w.soa, a.ttl)
	w.soa = append(w.soa, 0, 0)
	w.soa = append(append(w.soa, server...), mbox...)
	for _, n := range [...]uint32{0, refresh, retry, expire, a.ttl} { // the first is the serial
		w.soa = binary.BigEndian.AppendUint32(w.soa, n)
	}
	return w
}

// Lengths in the encoded SOA record.
const (
	fixedLen = 10 // type, class, TTL and length
	mnameLen = len(mname) + 1
	timesLen = 20 // serial and times
)

// wireName returns a name on the wire, which New has found to be one.
func wireName(name string) []byte {
	var b [255]byte
	n, _ := dns.PackDomainName(name, b[:], 0, nil, false)
	return b[:n:n]
}

// Compose writes the reply to a query for a name that v blocks into dst, which
// has room for MaxReply octets, and returns its length. It is octet for octet what
// CoreDNS makes of that of Reply. In rare cases it is left to that, and Compose
// returns 0: where there is room for nothing but a truncated reply, and where the
// end of the query name stands again elsewhere in a compressed one. Compose does
// not allocate.
func (a *Answerer) Compose(dst []byte, q *Query, w Way, v policy.Verdict) int {
	say, c := a.explanation(v), a.plainClient(q)
	p := composition{Answerer: a, query: q, from: c, code: say.code}
	p.plan(v)
	texts := say.plain
	if c.sde {
		texts = say.structured
	}
	r, ok := p.pick(w, texts)
	longest := !q.edns || r.ede && r.text == texts[0]
	if !ok || (p.compressed || !longest) && !p.compressible() { // the length of a compressed one has had a say
		return 0
	}
	return p.write(dst[:0], r, v)
}

// composition is a reply that is being made.
type composition struct {
	*Answerer
	query     *Query
	from      client
	code      uint16
	nxdomain  bool
	addresses []netip.Addr // the reply is these; none: it is a denial
	owner     int          // where in the query the name that was matched begins

	compressed bool
}

// plan decides what is said, as Reply does.
func (p *composition) plan(v policy.Verdict) {
	action := p.Action(v)
	if action == Sinkhole && p.from.sde {
		action = denial(v)
	}
	p.nxdomain = action == NXDomain
	if action == Sinkhole {
		switch p.query.Type {
		case dns.TypeA:
			p.addresses = p.v4
		case dns.TypeAAAA:
			p.addresses = p.v6
		}
	}
	if len(p.addresses) > 0 && !p.from.signals {
		p.code = dns.ExtendedErrorCodeForgedAnswer
	}
	p.owner = headerLen + p.query.name - len(v.Matched(p.query.Name())) - 1
}

// len returns the length of the reply without its OPT record.
func (p *composition) len(compressed bool) int {
	n := headerLen + p.query.name + 4
	pointer := func(name int) int {
		if compressed {
			return 2
		}
		return name
	}
	for _, ip := range p.addresses {
		n += pointer(p.query.name) + fixedLen + ip.BitLen()/8
	}
	if len(p.addresses) > 0 {
		return n
	}
	n += pointer(headerLen+p.query.name-p.owner) + fixedLen + mnameLen + p.wire.mbox + timesLen
	if compressed && p.wire.shared >= 0 {
		n += p.wire.unique + 2 - p.wire.mbox
	}
	return n
}

// pick chooses the options, as room.pick does, and whether the reply is compressed,
// as the server does; false when there is no room even without options.
func (p *composition) pick(w Way, texts []string) (rung, bool) {
	size := max(int(p.query.size), dns.MinMsgSize)
	b := room{cut: size - w.Reserve, send: min(size, maxUDP) - w.Reserve, plain: p.len(false), packed: p.len(true)}
	best, ok := rung{}, false
	if p.query.edns {
		best, ok = b.pick(texts, p.from.echo)
	} else {
		ok = b.fits(0)
	}
	whole := b.plain
	if p.query.edns {
		whole += best.len()
	}
	p.compressed = whole > size || whole > wholeIPv4 || w.IPv6 && whole > wholeIPv6
	return best, ok
}

// compressible reports whether the names of a compressed reply are what they are
// whatever is asked for. Where the query name ends like one of them, that one
// would become shorter.
func (p *composition) compressible() bool {
	if len(p.addresses) > 0 {
		return true
	}
	name := p.query.Name()
	for _, other := range [...]string{mname, p.mbox} {
		if strings.EqualFold(last(name), last(other)) {
			return false
		}
	}
	return true
}

// last returns the last label of a fully qualified name.
func last(name string) string {
	name = name[:len(name)-1]
	return name[strings.LastIndexByte(name, '.')+1:]
}

// write appends the reply to b.
func (p *composition) write(b []byte, r rung, v policy.Verdict) int {
	b = p.header(b)
	b = append(b, p.query.packet[headerLen:headerLen+p.query.name+4]...)
	for _, ip := range p.addresses {
		b = p.address(b, ip)
	}
	if len(p.addresses) == 0 {
		b = p.denial(b, max(v.Serial, 1))
	}
	if p.query.edns {
		b = p.extension(b, r)
	}
	return len(b)
}

// header appends that of newMessage.
func (p *composition) header(b []byte) []byte {
	flags := uint16(flagResponse | flagAvailable)
	if p.query.recursion {
		flags |= flagRecursion
	}
	if p.query.checkingOff {
		flags |= flagCheckingOff
	}
	if p.nxdomain {
		flags |= uint16(dns.RcodeNameError)
	}
	b = append(b, p.query.packet[0], p.query.packet[1], byte(flags>>8), byte(flags), 0, 1, 0, byte(len(p.addresses)), 0, 0, 0, 0)
	if len(p.addresses) == 0 {
		b[9] = 1
	}
	if p.query.edns {
		b[11] = 1
	}
	return b
}

// name appends a name that the query has at an offset.
func (p *composition) name(b []byte, at int) []byte {
	if p.compressed {
		return binary.BigEndian.AppendUint16(b, 0xc000|uint16(at))
	}
	return append(b, p.query.packet[at:headerLen+p.query.name]...)
}

// address appends an address record.
func (p *composition) address(b []byte, ip netip.Addr) []byte {
	b = p.name(b, headerLen)
	b = append(b, byte(p.query.Type>>8), byte(p.query.Type), 0, byte(dns.ClassINET))
	b = binary.BigEndian.AppendUint32(b, p.hostTTL)
	if ip.Is4() {
		a := ip.As4()
		return append(append(b, 0, 4), a[:]...)
	}
	a := ip.As16()
	return append(append(b, 0, 16), a[:]...)
}

// denial appends the SOA record.
func (p *composition) denial(b []byte, serial uint32) []byte {
	b = p.name(b, p.owner)
	soa := p.wire.soa
	server := len(b) + fixedLen // where its name will be
	mbox, times := fixedLen+mnameLen, len(soa)-timesLen
	if p.compressed && p.wire.shared >= 0 {
		b = append(b, soa[:mbox+p.wire.unique]...)
		b = binary.BigEndian.AppendUint16(b, 0xc000|uint16(server+p.wire.shared))
	} else {
		b = append(b, soa[:times]...)
	}
	b = binary.BigEndian.AppendUint32(b, serial)
	b = append(b, soa[times+4:]...)
	binary.BigEndian.PutUint16(b[server-2:], uint16(len(b)-server))
	return b
}

// extension appends the OPT record.
func (p *composition) extension(b []byte, r rung) []byte {
	do := byte(0)
	if p.query.do {
		do = 0x80
	}
	n := r.len() - optLen
	b = append(b, 0, 0, byte(dns.TypeOPT), byte(p.query.size>>8), byte(p.query.size), 0, 0, do, 0, byte(n>>8), byte(n))
	if r.ede {
		n := 2 + len(r.text)
		b = append(b, 0, byte(dns.EDNS0EDE), byte(n>>8), byte(n), byte(p.code>>8), byte(p.code))
		b = append(b, r.text...)
	}
	if r.echo {
		b = append(b, 0, optionSDE, 0, 0)
	}
	return b
}
