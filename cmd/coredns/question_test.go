package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Questions of the differential test and of the corpus are put together octet by
// octet, because no DNS library writes all that may arrive.

// packet is a message by its parts. Its counts are those of its records unless
// others are given.
type packet struct {
	id     uint16
	bits   uint16 // QR, opcode, AA, TC, RD, RA, Z, AD, CD and rcode, as on the wire
	counts *[4]uint16

	questions, answers, authorities, additionals [][]byte
}

// The bits of a header that a query may have.
const (
	bitQR = 1 << 15
	bitAA = 1 << 10
	bitTC = 1 << 9
	bitRD = 1 << 8
	bitRA = 1 << 7
	bitZ  = 1 << 6
	bitAD = 1 << 5
	bitCD = 1 << 4
)

func (p packet) wire() []byte {
	sections := [][][]byte{p.questions, p.answers, p.authorities, p.additionals}
	var counts [4]uint16
	for i, s := range sections {
		counts[i] = uint16(len(s))
	}
	if p.counts != nil {
		counts = *p.counts
	}
	b := octets(p.id, p.bits, counts[0], counts[1], counts[2], counts[3])
	return append(b, bytes.Join(slices.Concat(sections...), nil)...)
}

// octets returns numbers as they are on the wire.
func octets(numbers ...uint16) (b []byte) {
	for _, n := range numbers {
		b = append(b, byte(n>>8), byte(n))
	}
	return b
}

// entry returns a question about a name on the wire.
func entry(name []byte, qtype, qclass uint16) []byte {
	return slices.Concat(name, octets(qtype, qclass))
}

// rr returns a record. For an OPT record class and ttl mean what they mean there.
func rr(owner []byte, rrtype, class uint16, ttl uint32, rdata []byte) []byte {
	return slices.Concat(entry(owner, rrtype, class), octets(uint16(ttl>>16), uint16(ttl), uint16(len(rdata))), rdata)
}

// option returns an EDNS option.
func option(code uint16, data ...byte) []byte {
	return append(octets(code, uint16(len(data))), data...)
}

// The parts of an OPT record's TTL field.
const (
	ednsRcode    = 0x17 << 24
	ednsVersion1 = 1 << 16
	ednsDO       = 1 << 15
	ednsZ        = 1<<15 - 1
)

// opt returns an OPT record.
func opt(size uint16, ttl uint32, options ...[]byte) []byte {
	return rr([]byte{0}, dns.TypeOPT, size, ttl, bytes.Join(options, nil))
}

// labels returns a name on the wire, of labels that may hold any octet.
func labels(ls ...string) []byte {
	var b []byte
	for _, l := range ls {
		b = append(b, byte(len(l)))
		b = append(b, l...)
	}
	return append(b, 0)
}

// named returns a plain name on the wire.
func named(name string) []byte {
	if name = strings.TrimSuffix(name, "."); name == "" {
		return []byte{0}
	}
	return labels(strings.Split(name, ".")...)
}

// split returns the labels of a name on the wire.
func split(name []byte) (ls []string) {
	for len(name) > 0 && name[0] > 0 {
		n := 1 + int(name[0])
		ls, name = append(ls, string(name[1:n])), name[n:]
	}
	return ls
}

// presented returns a name on the wire as text.
func presented(name []byte) string {
	text, _, err := dns.UnpackDomainName(name, 0)
	if err != nil {
		panic(err) // it was made here
	}
	return text
}

// lower folds the letters of a name on the wire. The octets that give lengths
// are no letters.
func lower(name []byte) []byte {
	b := bytes.Clone(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return b
}

// anyCase returns a name on the wire with its letters in any case.
func anyCase(r *rand.Rand, name []byte) []byte {
	b, mode := bytes.Clone(name), r.IntN(4)
	for i, c := range b {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if letter && (mode == 0 || mode == 1 && r.IntN(2) == 0) {
			b[i] ^= 'a' - 'A'
		}
	}
	return b
}

// The longest name, in octets on the wire.
const maxName = 255

// deepen puts random labels in front of a name, as many as there is room for or
// a few.
func deepen(r *rand.Rand, name []byte) []byte {
	few := 1 + r.IntN(4)
	if r.IntN(8) == 0 {
		few = 127
	}
	for range few {
		room := maxName - len(name) - 1
		if room < 1 {
			break
		}
		n := 1
		if r.IntN(3) > 0 && few < 127 {
			n = 1 + r.IntN(min(room, 63))
		}
		name = append(label(r, n), name...)
	}
	return name
}

// label returns one label, with its length, of letters or of any octets.
func label(r *rand.Rand, n int) []byte {
	b := []byte{byte(n)}
	odd := r.IntN(6) == 0
	for range n {
		c := "abcdefghijklmnopqrstuvwxyz0123456789-_"[r.IntN(38)]
		if odd {
			c = byte(r.IntN(256))
		}
		b = append(b, c)
	}
	return b
}

// lookalike returns a name that differs a little from the one it is given. Most
// of them are strangers, some are below it.
func lookalike(r *rand.Rand, name []byte) []byte {
	ls := split(name)
	i := r.IntN(len(ls))
	l := ls[i]
	at := r.IntN(len(l))
	switch r.IntN(9) {
	case 0:
		ls[i] = l[:at] + string("abc-_019. \x00\xff"[r.IntN(12)]) + l[at:]
	case 1:
		ls[i] = "not" + l
	case 2:
		if len(l) > 1 {
			ls[i] = l[:at] + l[at+1:]
		}
	case 3: // the dot is part of a label
		return labels(strings.Join(ls[:2], "."), strings.Join(ls[2:], "-")+"x")
	case 4:
		return labels("www."+ls[0], strings.Join(ls[1:], "."))
	case 5:
		ls = append(ls, "test")
	case 6:
		ls[i] = l[:at] + string(l[at]^byte(1<<r.IntN(8))) + l[at+1:]
	case 7:
		ls = slices.Delete(ls, i, i+1)
	case 8:
		ls[0] = "www." + ls[0]
	}
	return labels(ls...)
}
