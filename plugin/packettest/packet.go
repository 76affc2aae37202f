// Package packettest makes DNS messages octet by octet, for tests: no DNS library
// writes all that may arrive. Names in it are on the wire, uncompressed.
package packettest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Packet is a message by its parts (RFC 1035 §4.1).
type Packet struct {
	ID     uint16
	Bits   uint16     // QR, opcode, AA, TC, RD, RA, Z, AD, CD and rcode, as in the header
	Counts *[4]uint16 // what the header says of the sections; nil: what is true

	Questions, Answers, Authorities, Additionals [][]byte // the records, from Entry, RR or OPT
}

// The bits of a header.
const (
	QR = 1 << 15
	AA = 1 << 10
	TC = 1 << 9
	RD = 1 << 8
	RA = 1 << 7
	Z  = 1 << 6
	AD = 1 << 5
	CD = 1 << 4
)

// Question returns a query with one question, of type A.
func Question(name []byte) Packet {
	return Packet{ID: 1, Bits: RD, Questions: [][]byte{Entry(name, dns.TypeA, dns.ClassINET)}}
}

// With returns the packet with further records in its additional section.
func (p Packet) With(additionals ...[]byte) Packet {
	p.Additionals = slices.Concat(p.Additionals, additionals)
	return p
}

// Wire returns the message as it is sent.
func (p Packet) Wire() []byte {
	sections := [][][]byte{p.Questions, p.Answers, p.Authorities, p.Additionals}
	var counts [4]uint16
	for i, s := range sections {
		counts[i] = uint16(len(s))
	}
	if p.Counts != nil {
		counts = *p.Counts
	}
	b := Octets(p.ID, p.Bits, counts[0], counts[1], counts[2], counts[3])
	return append(b, bytes.Join(slices.Concat(sections...), nil)...)
}

// Octets returns numbers in network order.
func Octets(numbers ...uint16) (b []byte) {
	for _, n := range numbers {
		b = append(b, byte(n>>8), byte(n))
	}
	return b
}

// Entry returns an entry of the question section.
func Entry(name []byte, qtype, qclass uint16) []byte {
	return slices.Concat(name, Octets(qtype, qclass))
}

// RR returns a record. Of an OPT record class and ttl are what they are there.
func RR(owner []byte, rrtype, class uint16, ttl uint32, rdata []byte) []byte {
	return slices.Concat(Entry(owner, rrtype, class), Octets(uint16(ttl>>16), uint16(ttl), uint16(len(rdata))), rdata)
}

// The parts of the TTL field of an OPT record (RFC 6891 §6.1.3).
const (
	ExtendedRcode = 0xff << 24
	Version1      = 1 << 16
	DO            = 1 << 15
	Reserved      = 1<<15 - 1
)

// OPT returns an OPT record.
func OPT(size uint16, ttl uint32, options ...[]byte) []byte {
	return RR([]byte{0}, dns.TypeOPT, size, ttl, bytes.Join(options, nil))
}

// Option returns an EDNS option.
func Option(code uint16, data ...byte) []byte {
	return append(Octets(code, uint16(len(data))), data...)
}

// MaxName is the length of the longest name, in octets (RFC 1035 §2.3.4).
const MaxName = 255

// Labels returns a name of labels that may hold any octet.
func Labels(ls ...string) []byte {
	var b []byte
	for _, l := range ls {
		b = append(b, byte(len(l)))
		b = append(b, l...)
	}
	return append(b, 0)
}

// Name returns a name of plain letters, with a dot at its end or without.
func Name(text string) []byte {
	if text = strings.TrimSuffix(text, "."); text == "" {
		return []byte{0}
	}
	return Labels(strings.Split(text, ".")...)
}

// Split returns the labels of a name.
func Split(name []byte) (ls []string) {
	for len(name) > 0 && name[0] > 0 {
		n := 1 + int(name[0])
		ls, name = append(ls, string(name[1:n])), name[n:]
	}
	return ls
}

// Text returns a name as the DNS library writes it. It panics if it is none.
func Text(name []byte) string {
	text, _, err := dns.UnpackDomainName(name, 0)
	if err != nil {
		panic(err)
	}
	return text
}

// FromText is the opposite of Text.
func FromText(text string) []byte {
	b := make([]byte, MaxName+1)
	n, err := dns.PackDomainName(text, b, 0, nil, false)
	if err != nil {
		panic(err)
	}
	return b[:n]
}

// Lower folds the letters of a name. The octets that give lengths are no letters.
func Lower(name []byte) []byte {
	b := bytes.Clone(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return b
}
