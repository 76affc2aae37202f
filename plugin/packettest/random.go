package packettest

import (
	"bytes"
	"math/rand/v2"
	"strings"

	"github.com/miekg/dns"
)

// RandomName returns a name of at most 255 octets on the wire that ends in one of
// the given ones, in presentation form.
func RandomName(r *rand.Rand, ends ...string) string {
	name := ends[r.IntN(len(ends))] + "."
	for range r.IntN(6) {
		label := make([]byte, 1+r.IntN([]int{3, 12, 63}[r.IntN(3)]))
		for i := range label {
			label[i] = "abcxyzABCXYZ019-_"[r.IntN(17)]
		}
		if len(name)+len(label)+2 > 255 {
			break
		}
		name = string(label) + "." + name
	}
	return name
}

// RandomQuery returns a query for a name in presentation form, without escapes. It is
// one that a client may send, with EDNS or without.
func RandomQuery(r *rand.Rand, name string) []byte {
	types := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeMX, dns.TypeTXT, dns.TypeANY, dns.TypeDS, uint16(r.Uint32())}
	p := Packet{ID: uint16(r.Uint32()), Bits: []uint16{0, RD, RD | AD, RD | CD}[r.IntN(4)]}
	p.Questions = [][]byte{Entry(Name(strings.TrimSuffix(name, ".")), types[r.IntN(len(types))], dns.ClassINET)}
	if r.IntN(4) == 0 {
		return p.Wire()
	}
	options := [][]byte{
		Option(26), Option(26, 1, 2), Option(dns.EDNS0EDE, 0, 0), Option(dns.EDNS0EDE, 0, 15, 'x'),
		Option(dns.EDNS0COOKIE, 1, 2, 3, 4, 5, 6, 7, 8), Option(dns.EDNS0PADDING, make([]byte, r.IntN(60))...),
	}
	r.Shuffle(len(options), func(i, j int) { options[i], options[j] = options[j], options[i] })
	sizes := []uint16{0, 511, 512, 513, 600, 700, 800, 1100, 1219, 1220, 1221, 1232, 1233, 1400, 1480, 4096, 65535, uint16(512 + r.IntN(800))}
	flags := uint32(0)
	if r.IntN(2) == 0 {
		flags = DO
	}
	return p.With(OPT(sizes[r.IntN(len(sizes))], flags, options[:r.IntN(3)]...)).Wire()
}

// Mutate returns a message with some octets changed, cut off or added. The first
// two, its id, stay.
func Mutate(r *rand.Rand, wire []byte) []byte {
	wire = bytes.Clone(wire)
	for range 1 + r.IntN(3) {
		at := 2 + r.IntN(max(1, len(wire)-2))
		switch r.IntN(8) {
		case 0:
			wire = wire[:max(2, min(at, len(wire)))]
		case 1:
			wire = append(wire, byte(r.Uint32()))
		default:
			if at < len(wire) {
				wire[at] ^= 1 << r.IntN(8)
			}
		}
	}
	return wire
}
