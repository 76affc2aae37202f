package packettest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Specimen is a message that nobody should send to a resolver.
type Specimen struct {
	Name string // what is wrong with it
	Wire []byte
}

// Specimens returns all of them. Each of those with a question is about each of
// the names.
func Specimens(names ...[]byte) (all []Specimen) {
	for _, name := range names {
		for _, kind := range []func([]byte) []Specimen{cutShort, miscounted, misnamed, misextended, misused, oversized} {
			for _, s := range kind(name) {
				all = append(all, Specimen{s.Name + ", " + Text(name), s.Wire})
			}
		}
	}
	return append(all, pointing(names[0])...)
}

// cutShort is a full query, cut after every octet.
func cutShort(name []byte) (all []Specimen) {
	whole := Question(name).With(OPT(1232, DO, Option(dns.EDNS0COOKIE, 1, 2, 3, 4, 5, 6, 7, 8), Option(26), Option(dns.EDNS0PADDING, 0, 0, 0))).Wire()
	for n := range len(whole) + 1 {
		all = append(all, Specimen{fmt.Sprintf("cut after %d octets", n), whole[:n]})
	}
	return append(all, Specimen{"octets behind the end", append(bytes.Clone(whole), 0xff, 0, 0xc0)})
}

// miscounted has headers that promise other records than there are.
func miscounted(name []byte) (all []Specimen) {
	counts := [][4]uint16{
		{0, 0, 0, 0}, {2, 0, 0, 0}, {65535, 0, 0, 0}, {65535, 65535, 65535, 65535}, {1, 1, 0, 0}, {1, 65535, 0, 0}, {1, 0, 1, 0}, {1, 0, 65535, 0},
		{1, 0, 0, 1}, {1, 0, 0, 2}, {1, 0, 0, 3}, {1, 0, 0, 65535}, {0, 1, 0, 0}, {0, 0, 0, 1},
	}
	for _, c := range counts {
		p := Question(name)
		p.Counts = &c
		all = append(all, Specimen{fmt.Sprintf("counts %d", c), p.Wire()}, Specimen{fmt.Sprintf("counts %d before an OPT", c), p.With(OPT(1232, 0)).Wire()})
	}
	two := Question(name)
	two.Questions = append(two.Questions, Entry(Name("good.test"), dns.TypeA, dns.ClassINET))
	all = append(all, Specimen{"two questions", two.Wire()})
	slices.Reverse(two.Questions)
	return append(all, Specimen{"two questions the other way", two.Wire()})
}

// misnamed has names that are none.
func misnamed(name []byte) (all []Specimen) {
	ends := map[string][]byte{
		"label of 64 octets": append([]byte{64}, bytes.Repeat([]byte{'a'}, 64)...), "reserved label type 0x40": {0x41, 'a'}, "reserved label type 0x80": {0x80, 'a'},
		"bit label": {0x41, 8, 0xff}, "name without an end": bytes.Repeat([]byte{1, 'a'}, 40), "name of 256 octets": bytes.Repeat([]byte{1, 'a'}, 128),
		"name of 128 labels": append(bytes.Repeat([]byte{1, 'a'}, 127), 0, 0), "label past the end": {63, 'a'}, "label past the end by one": {5, 'a'},
	}
	for what, end := range ends {
		for _, rest := range [][]byte{nil, Octets(dns.TypeA, dns.ClassINET)} {
			p := Packet{ID: 1, Bits: RD, Questions: [][]byte{slices.Concat(name[:len(name)-1], end, rest)}}
			all = append(all, Specimen{fmt.Sprintf("%s, %d octets after it", what, len(rest)), p.Wire()})
		}
	}
	odd := []string{"\x00", "\xff\xfe", ".", "a.b", "\\", "\"", " ", "\n", strings.Repeat("\x00", 63)}
	for _, l := range odd {
		all = append(all, Specimen{fmt.Sprintf("label %q", l), Question(append(Labels(l)[:1+len(l)], name...)).Wire()})
	}
	return all
}

// pointing has compression in the question, where there is nothing to point to.
func pointing(listed []byte) (all []Specimen) {
	for what, name := range map[string][]byte{
		"pointer to itself": {0xc0, 12}, "pointer forward": {0xc0, 14}, "pointer past the end": {0xff, 0xff}, "pointer into the header": {0xc0, 0},
		"half a pointer": {0xc0}, "loop behind a label": {1, 'a', 0xc0, 12}, "two pointers at each other": {0xc0, 14, 0xc0, 12},
		"pointer into a label": {3, 1, 'a', 0, 0xc0, 13}, "name that ends in a pointer to itself": append(bytes.Clone(listed[:len(listed)-1]), 0xc0, 12),
	} {
		all = append(all, Specimen{what, Question(name).Wire()})
	}
	q := Question(listed)
	deep := q.Wire()
	for last := 12; deep[11] < 200; deep[11]++ { // every owner points at the one before
		owner := Octets(0xc000 | uint16(last))
		last = len(deep)
		deep = append(deep, RR(owner, dns.TypeA, dns.ClassINET, 0, []byte{1, 2, 3, 4})...)
	}
	return append(all, Specimen{"a chain of pointers", deep},
		Specimen{"owner of the OPT is a pointer to the name", q.With(RR([]byte{0xc0, 12}, dns.TypeOPT, 1232, 0, nil)).Wire()},
		Specimen{"owner of the OPT is a pointer to itself", q.With(RR([]byte{0xc0, byte(12 + len(listed) + 4)}, dns.TypeOPT, 1232, 0, nil)).Wire()})
}

// misextended has OPT records and options that are not as they should be.
func misextended(name []byte) (all []Specimen) {
	q, plain := Question(name), OPT(1232, 0)
	add := func(what string, p Packet) { all = append(all, Specimen{what, p.Wire()}) }
	add("two OPTs", q.With(plain, plain))
	add("two OPTs, the second of version 1", q.With(plain, OPT(1232, Version1)))
	add("two OPTs, the first of version 1", q.With(OPT(1232, Version1), plain))
	add("three OPTs", q.With(plain, plain, plain))
	add("OPT with a name", q.With(RR(name, dns.TypeOPT, 1232, 0, nil)))
	add("EDNS version 1", q.With(OPT(1232, Version1)))
	add("EDNS version 255", q.With(OPT(1232, 0xff<<16)))
	add("extended rcode", q.With(OPT(1232, ExtendedRcode)))
	add("all flags", q.With(OPT(1232, DO|Reserved)))
	for _, size := range []uint16{0, 1, 511, 512, 65535} {
		add(fmt.Sprintf("OPT of size %d", size), q.With(OPT(size, 0)))
	}
	misplaced := q
	misplaced.Answers = [][]byte{plain}
	add("OPT among the answers", misplaced)
	misplaced.Answers, misplaced.Authorities = nil, [][]byte{plain}
	add("OPT in the authority section", misplaced)
	for what, data := range map[string][]byte{
		"option cut": {0, 10, 0}, "option longer than its record": {0, 10, 0, 9, 1}, "option of 65535 octets": {0, 10, 255, 255},
		"cookie of one octet": Option(dns.EDNS0COOKIE, 1), "cookie of 41 octets": Option(dns.EDNS0COOKIE, make([]byte, 41)...),
		"subnet of no octets": Option(dns.EDNS0SUBNET), "subnet of family 9": Option(dns.EDNS0SUBNET, 0, 9, 24, 0, 1, 2, 3),
		"subnet of 255 bits": Option(dns.EDNS0SUBNET, 0, 1, 255, 255, 1), "extended error of one octet": Option(dns.EDNS0EDE, 1), "lease of one octet": Option(dns.EDNS0UL, 1),
		"keepalive of one octet": Option(dns.EDNS0TCPKEEPALIVE, 1), "expire of one octet": Option(dns.EDNS0EXPIRE, 1), "a hundred options": bytes.Repeat(Option(65001), 100),
		"structured errors with data": Option(26, 1, 2, 3), "structured errors thrice": bytes.Repeat(Option(26), 3),
	} {
		add(what, q.With(OPT(1232, 0, data)))
	}
	return all
}

// misused has what is no question at all, or none for a resolver.
func misused(name []byte) (all []Specimen) {
	add := func(what string, p Packet) { all = append(all, Specimen{what, p.Wire()}) }
	for opcode := range uint16(16) {
		for _, more := range []uint16{0, QR, AA | TC | RA | Z | AD | CD | 15} {
			p := Question(name)
			p.Bits |= opcode<<11 | more
			add(fmt.Sprintf("opcode %d with bits %04x", opcode, more), p)
			p.Authorities = [][]byte{RR(name, dns.TypeA, dns.ClassINET, 0, []byte{192, 0, 2, 1})}
			add(fmt.Sprintf("opcode %d with bits %04x and a record", opcode, more), p)
		}
	}
	for _, class := range []uint16{0, 2, dns.ClassCHAOS, dns.ClassHESIOD, dns.ClassNONE, dns.ClassANY, 65535} {
		p := Question(name)
		p.Questions[0] = Entry(name, dns.TypeA, class)
		add(fmt.Sprintf("class %d", class), p)
	}
	for _, qtype := range []uint16{0, dns.TypeOPT, dns.TypeTKEY, dns.TypeTSIG, dns.TypeIXFR, dns.TypeAXFR, dns.TypeMAILA, dns.TypeANY, 65535} {
		p := Question(name)
		p.Questions[0] = Entry(name, qtype, dns.ClassINET)
		add(fmt.Sprintf("type %d", qtype), p)
	}
	mac := slices.Concat(Name("hmac-sha256"), Octets(0, 0, 0, 300, 4), []byte{1, 2, 3, 4}, Octets(1, 0, 0))
	for what, data := range map[string][]byte{
		"TSIG": mac, "TSIG of nothing": nil, "TSIG cut": mac[:20], "TSIG of garbage": bytes.Repeat([]byte{0xff}, 60), "TSIG with a pointer": {0xc0, 12},
	} {
		add(what, Question(name).With(RR(Name("key.example"), dns.TypeTSIG, dns.ClassANY, 0, data)))
		add(what+" before an OPT", Question(name).With(RR(Name("key.example"), dns.TypeTSIG, dns.ClassANY, 0, data), OPT(1232, 0)))
	}
	sig0 := slices.Concat(Octets(0, 0x0d00, 0, 0, 0xffff, 0xffff, 0, 0, 1), Name("key.example"), make([]byte, 64))
	for what, data := range map[string][]byte{"SIG(0)": sig0, "SIG(0) cut": sig0[:15], "SIG(0) of nothing": nil} {
		add(what, Question(name).With(RR([]byte{0}, dns.TypeSIG, dns.ClassANY, 0, data)))
	}
	return all
}

// oversized is what no datagram should hold. Over UDP the server reads 512 octets.
func oversized(name []byte) (all []Specimen) {
	for _, n := range []int{400, 512, 1500, 60000} {
		all = append(all,
			Specimen{fmt.Sprintf("padding of %d octets", n), Question(name).With(OPT(1232, 0, Option(dns.EDNS0PADDING, make([]byte, n)...))).Wire()},
			Specimen{fmt.Sprintf("record of %d octets", n), Question(name).With(RR(name, 65280, dns.ClassINET, 0, make([]byte, n))).Wire()})
	}
	return append(all, Specimen{"nothing but zeros", make([]byte, 500)}, Specimen{"nothing but ones", bytes.Repeat([]byte{0xff}, 500)})
}
