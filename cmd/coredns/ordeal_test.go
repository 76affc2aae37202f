package main

import (
	"bytes"
	"math/rand/v2"
	"slices"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/packettest"
)

// ordeal is a random query.
type ordeal struct {
	wire   []byte
	tcp    bool
	qname  []byte // as it is sent
	judged []byte // what the rewrite plugin makes of it
}

// arrives returns what the server reads of it: datagrams are cut.
func (o *ordeal) arrives() []byte {
	if !o.tcp {
		return cutTo(o.wire, dns.MinMsgSize)
	}
	return o.wire
}

// maker makes random queries.
type maker struct {
	*rand.Rand
	realm   *realm
	rewrite map[string]string
	usual   [][]byte // names that are asked for again and again
}

// usualNames is how many there are.
const usualNames = 100

func newMaker(r *rand.Rand, w *realm, rewrite map[string]string) *maker {
	m := &maker{Rand: r, realm: w, rewrite: rewrite}
	for range usualNames {
		m.usual = append(m.usual, deepen(r, packettest.Name("good.test")))
	}
	return m
}

// one returns one of several.
func one[T any](m *maker, all ...T) T { return all[m.IntN(len(all))] }

// maybe is true once in n times.
func (m *maker) maybe(n int) bool { return m.IntN(n) == 0 }

func (m *maker) ordeal() *ordeal {
	name := m.name()
	o := &ordeal{tcp: m.maybe(10), qname: anyCase(m.Rand, name)}
	o.judged = m.rewritten(o.qname)
	p := packettest.Packet{ID: uint16(m.Uint32()), Bits: m.bits(), Questions: [][]byte{packettest.Entry(o.qname, m.qtype(), m.class())}}
	if m.IntN(3) > 0 {
		p.Additionals = [][]byte{m.opt()}
	}
	o.wire = p.Wire()
	return o
}

// name returns a name in lower case.
func (m *maker) name() []byte {
	listed := one(m, m.realm.names()...)
	switch n := m.IntN(100); {
	case n < 6:
		return listed
	case n < 16:
		return deepen(m.Rand, listed)
	case n < 20: // above a rule, or the rule
		ls := packettest.Split(listed)
		return packettest.Labels(ls[m.IntN(len(ls)):]...)
	case n < 34:
		return lookalike(m.Rand, listed)
	case n < 38:
		return deepen(m.Rand, lookalike(m.Rand, listed))
	case n < 40:
		return deepen(m.Rand, packettest.Name(one(m, "", "test", "example", "alias.test", "moved.test", "local.test")))
	case n < 46 && m.rewrite != nil:
		return deepen(m.Rand, packettest.Name(one(m, "alias.test", "moved.test", "local.test")))
	case n < 80:
		return one(m, m.usual...)
	case n < 81:
		return []byte{0}
	}
	return deepen(m.Rand, packettest.Name(one(m, "test", "cdn.test", "good.test", "new.example", "example", "invalid", "")))
}

// rewritten returns what the rewrite plugin makes of a name.
func (m *maker) rewritten(name []byte) []byte {
	for from, to := range m.rewrite {
		if from, to := packettest.Name(from[1:]), packettest.Name(to[1:]); bytes.HasSuffix(packettest.Lower(name), from) && len(name) > len(from) {
			return slices.Concat(name[:len(name)-len(from)], to)
		}
	}
	return name
}

func (m *maker) qtype() uint16 {
	switch n := m.IntN(100); {
	case n < 60:
		return one(m, dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS)
	case n < 85:
		return one(m, dns.TypeTXT, dns.TypeMX, dns.TypeNS, dns.TypeSOA, dns.TypeCNAME, dns.TypeDNAME, dns.TypeSVCB, dns.TypeSRV, dns.TypePTR, dns.TypeDS,
			dns.TypeDNSKEY, dns.TypeCAA, dns.TypeANY)
	case n < 93:
		return one(m, dns.TypeAXFR, dns.TypeIXFR, dns.TypeMAILB, dns.TypeMAILA, dns.TypeTKEY, dns.TypeTSIG, dns.TypeOPT, dns.TypeNone, dns.TypeNULL, 65280, 65535)
	}
	return uint16(m.Uint32())
}

func (m *maker) class() uint16 {
	if m.IntN(12) > 0 {
		return dns.ClassINET
	}
	return one(m, uint16(dns.ClassCHAOS), dns.ClassHESIOD, dns.ClassNONE, dns.ClassANY, 0, uint16(m.Uint32()))
}

func (m *maker) bits() (bits uint16) {
	if m.IntN(8) > 0 {
		bits |= packettest.RD
	}
	for _, usual := range []uint16{packettest.CD, packettest.AD} {
		if m.maybe(4) {
			bits |= usual
		}
	}
	for _, odd := range []uint16{packettest.Z, packettest.AA, packettest.TC, packettest.RA, dns.RcodeRefused} {
		if m.maybe(60) {
			bits |= odd
		}
	}
	return bits
}

func (m *maker) opt() []byte {
	ttl := uint32(0)
	if m.maybe(3) {
		ttl |= packettest.DO
	}
	for _, odd := range []uint32{packettest.Version1, packettest.Reserved, packettest.ExtendedRcode} {
		if m.maybe(60) {
			ttl |= odd
		}
	}
	var options [][]byte
	if m.maybe(2) {
		for range m.IntN(4) {
			options = append(options, m.option())
		}
	}
	return packettest.OPT(one(m, 0, 511, 512, 600, 1232, 1232, 1400, 4096, 65535, uint16(m.Uint32())), ttl, options...)
}

// option returns an EDNS option, rarely one that is malformed.
func (m *maker) option() []byte {
	octets := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(m.Uint32())
		}
		return b
	}
	v4, v6 := []byte{0, 1, 24, 0, 198, 51, 100}, []byte{0, 2, 56, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 1}
	switch m.IntN(14) {
	case 0:
		return packettest.Option(dns.EDNS0NSID)
	case 1, 2:
		return packettest.Option(dns.EDNS0COOKIE, octets(one(m, 8, 8, 16, 24, 40))...)
	case 3, 4:
		return packettest.Option(dns.EDNS0SUBNET, one(m, v4, v6, []byte{0, 1, 0, 0})...)
	case 5, 6:
		return packettest.Option(dns.EDNS0PADDING, make([]byte, m.IntN(300))...)
	case 7:
		return packettest.Option(dns.EDNS0TCPKEEPALIVE, octets(one(m, 0, 2))...)
	case 8:
		return packettest.Option(dns.EDNS0EXPIRE, octets(one(m, 0, 4))...)
	case 9:
		return packettest.Option(26)
	case 10:
		return packettest.Option(dns.EDNS0EDE, octets(one(m, 0, 2, 5))...)
	case 11:
		return packettest.Option(uint16(m.Uint32()), octets(m.IntN(20))...)
	case 12:
		return packettest.Option(65001, octets(m.IntN(100))...)
	}
	return packettest.Option(one(m, uint16(dns.EDNS0SUBNET), dns.EDNS0TCPKEEPALIVE, dns.EDNS0UL, dns.EDNS0DAU), octets(m.IntN(12))...)
}
