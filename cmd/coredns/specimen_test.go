package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// specimen is a query that nobody should send.
type specimen struct {
	name string
	wire []byte
}

// specimens are all of them, for a listed name and for another one.
func specimens() (all []specimen) {
	for _, name := range [][]byte{named("www.badsite.example"), named("good.test")} {
		for _, make := range []func([]byte) []specimen{cutShort, miscounted, misnamed, misextended, misused, oversized} {
			for _, s := range make(name) {
				all = append(all, specimen{s.name + ", " + presented(name), s.wire})
			}
		}
	}
	return append(all, pointing()...)
}

// question is a packet with one question of type A.
func question(name []byte) packet {
	return packet{id: 1, bits: bitRD, questions: [][]byte{entry(name, dns.TypeA, dns.ClassINET)}}
}

// with returns the packet with further records in its additional section.
func (p packet) with(additionals ...[]byte) packet {
	p.additionals = append(slices.Clone(p.additionals), additionals...)
	return p
}

// cutShort is a full query, cut after every octet.
func cutShort(name []byte) (all []specimen) {
	whole := question(name).with(opt(1232, ednsDO, option(dns.EDNS0COOKIE, 1, 2, 3, 4, 5, 6, 7, 8), option(26), option(dns.EDNS0PADDING, 0, 0, 0))).wire()
	for n := range len(whole) + 1 {
		all = append(all, specimen{fmt.Sprintf("cut after %d octets", n), whole[:n]})
	}
	return append(all, specimen{"octets behind the end", append(bytes.Clone(whole), 0xff, 0, 0xc0)})
}

// miscounted has headers that promise other records than there are.
func miscounted(name []byte) (all []specimen) {
	counts := [][4]uint16{
		{0, 0, 0, 0}, {2, 0, 0, 0}, {65535, 0, 0, 0}, {65535, 65535, 65535, 65535}, {1, 1, 0, 0}, {1, 65535, 0, 0}, {1, 0, 1, 0}, {1, 0, 65535, 0},
		{1, 0, 0, 1}, {1, 0, 0, 2}, {1, 0, 0, 3}, {1, 0, 0, 65535}, {0, 1, 0, 0}, {0, 0, 0, 1},
	}
	for _, c := range counts {
		p := question(name)
		p.counts = &c
		all = append(all, specimen{fmt.Sprintf("counts %d", c), p.wire()}, specimen{fmt.Sprintf("counts %d before an OPT", c), p.with(opt(1232, 0)).wire()})
	}
	two := question(name)
	two.questions = append(two.questions, entry(named("good.test"), dns.TypeA, dns.ClassINET))
	all = append(all, specimen{"two questions", two.wire()})
	slices.Reverse(two.questions)
	return append(all, specimen{"two questions the other way", two.wire()})
}

// misnamed has names that are none.
func misnamed(name []byte) (all []specimen) {
	ends := map[string][]byte{
		"label of 64 octets": append([]byte{64}, bytes.Repeat([]byte{'a'}, 64)...), "reserved label type 0x40": {0x41, 'a'}, "reserved label type 0x80": {0x80, 'a'},
		"bit label": {0x41, 8, 0xff}, "name without an end": bytes.Repeat([]byte{1, 'a'}, 40), "name of 256 octets": bytes.Repeat([]byte{1, 'a'}, 128),
		"name of 128 labels": append(bytes.Repeat([]byte{1, 'a'}, 127), 0, 0), "label past the end": {63, 'a'}, "label past the end by one": {5, 'a'},
	}
	for what, end := range ends {
		for _, rest := range [][]byte{nil, octets(dns.TypeA, dns.ClassINET)} {
			p := packet{id: 1, bits: bitRD, questions: [][]byte{slices.Concat(name[:len(name)-1], end, rest)}}
			all = append(all, specimen{fmt.Sprintf("%s, %d octets after it", what, len(rest)), p.wire()})
		}
	}
	odd := []string{"\x00", "\xff\xfe", ".", "a.b", "\\", "\"", " ", "\n", strings.Repeat("\x00", 63)}
	for _, l := range odd {
		all = append(all, specimen{fmt.Sprintf("label %q", l), question(append(labels(l)[:1+len(l)], name...)).wire()})
	}
	return all
}

// pointing has compression in the question, where there is nothing to point to.
func pointing() (all []specimen) {
	for what, name := range map[string][]byte{
		"pointer to itself": {0xc0, 12}, "pointer forward": {0xc0, 14}, "pointer past the end": {0xff, 0xff}, "pointer into the header": {0xc0, 0},
		"half a pointer": {0xc0}, "loop behind a label": {1, 'a', 0xc0, 12}, "two pointers at each other": {0xc0, 14, 0xc0, 12},
		"pointer into a label": {3, 1, 'a', 0, 0xc0, 13}, "pointer to the end of a name": append(named("badsite.example"), 0xc0, 12),
	} {
		all = append(all, specimen{what, question(name).wire()})
	}
	listed := question(named("badsite.example"))
	deep := question(named("good.test")).wire()
	for last := 12; deep[11] < 200; deep[11]++ { // every owner points at the one before
		owner := octets(0xc000 | uint16(last))
		last = len(deep)
		deep = append(deep, rr(owner, dns.TypeA, dns.ClassINET, 0, []byte{1, 2, 3, 4})...)
	}
	return append(all, specimen{"a chain of pointers", deep},
		specimen{"owner of the OPT is a pointer to the name", listed.with(rr([]byte{0xc0, 12}, dns.TypeOPT, 1232, 0, nil)).wire()},
		specimen{"owner of the OPT is a pointer to itself", listed.with(rr([]byte{0xc0, 33}, dns.TypeOPT, 1232, 0, nil)).wire()})
}

// misextended has OPT records and options that are not as they should be.
func misextended(name []byte) (all []specimen) {
	q, plain := question(name), opt(1232, 0)
	add := func(what string, p packet) { all = append(all, specimen{what, p.wire()}) }
	add("two OPTs", q.with(plain, plain))
	add("two OPTs, the second of version 1", q.with(plain, opt(1232, ednsVersion1)))
	add("two OPTs, the first of version 1", q.with(opt(1232, ednsVersion1), plain))
	add("three OPTs", q.with(plain, plain, plain))
	add("OPT with a name", q.with(rr(named("badsite.example"), dns.TypeOPT, 1232, 0, nil)))
	add("EDNS version 1", q.with(opt(1232, ednsVersion1)))
	add("EDNS version 255", q.with(opt(1232, 0xff<<16)))
	add("extended rcode", q.with(opt(1232, 0xff<<24)))
	add("all flags", q.with(opt(1232, 0xffff)))
	for _, size := range []uint16{0, 1, 511, 512, 65535} {
		add(fmt.Sprintf("OPT of size %d", size), q.with(opt(size, 0)))
	}
	misplaced := q
	misplaced.answers = [][]byte{plain}
	add("OPT among the answers", misplaced)
	misplaced.answers, misplaced.authorities = nil, [][]byte{plain}
	add("OPT in the authority section", misplaced)
	for what, data := range map[string][]byte{
		"option cut": {0, 10, 0}, "option longer than its record": {0, 10, 0, 9, 1}, "option of 65535 octets": {0, 10, 255, 255},
		"cookie of one octet": option(dns.EDNS0COOKIE, 1), "cookie of 41 octets": option(dns.EDNS0COOKIE, make([]byte, 41)...),
		"subnet of no octets": option(dns.EDNS0SUBNET), "subnet of family 9": option(dns.EDNS0SUBNET, 0, 9, 24, 0, 1, 2, 3),
		"subnet of 255 bits": option(dns.EDNS0SUBNET, 0, 1, 255, 255, 1), "extended error of one octet": option(dns.EDNS0EDE, 1), "lease of one octet": option(dns.EDNS0UL, 1),
		"keepalive of one octet": option(dns.EDNS0TCPKEEPALIVE, 1), "expire of one octet": option(dns.EDNS0EXPIRE, 1), "a hundred options": bytes.Repeat(option(65001), 100),
		"structured errors with data": option(26, 1, 2, 3), "structured errors thrice": bytes.Repeat(option(26), 3),
	} {
		add(what, q.with(opt(1232, 0, data)))
	}
	return all
}

// misused has what is no question at all, or none for a resolver.
func misused(name []byte) (all []specimen) {
	add := func(what string, p packet) { all = append(all, specimen{what, p.wire()}) }
	for opcode := range uint16(16) {
		for _, more := range []uint16{0, bitQR, bitAA | bitTC | bitRA | bitZ | bitAD | bitCD | 15} {
			p := question(name)
			p.bits |= opcode<<11 | more
			add(fmt.Sprintf("opcode %d with bits %04x", opcode, more), p)
			p.authorities = [][]byte{rr(name, dns.TypeA, dns.ClassINET, 0, []byte{192, 0, 2, 1})}
			add(fmt.Sprintf("opcode %d with bits %04x and a record", opcode, more), p)
		}
	}
	for _, class := range []uint16{0, 2, dns.ClassCHAOS, dns.ClassHESIOD, dns.ClassNONE, dns.ClassANY, 65535} {
		p := question(name)
		p.questions[0] = entry(name, dns.TypeA, class)
		add(fmt.Sprintf("class %d", class), p)
	}
	for _, qtype := range []uint16{0, dns.TypeOPT, dns.TypeTKEY, dns.TypeTSIG, dns.TypeIXFR, dns.TypeAXFR, dns.TypeMAILA, dns.TypeANY, 65535} {
		p := question(name)
		p.questions[0] = entry(name, qtype, dns.ClassINET)
		add(fmt.Sprintf("type %d", qtype), p)
	}
	mac := slices.Concat(named("hmac-sha256"), octets(0, 0, 0, 300, 4), []byte{1, 2, 3, 4}, octets(1, 0, 0))
	for what, data := range map[string][]byte{"TSIG": mac, "TSIG of nothing": nil, "TSIG cut": mac[:20], "TSIG of garbage": bytes.Repeat([]byte{0xff}, 60), "TSIG with a pointer": {0xc0, 12}} {
		add(what, question(name).with(rr(named("key.example"), dns.TypeTSIG, dns.ClassANY, 0, data)))
		add(what+" before an OPT", question(name).with(rr(named("key.example"), dns.TypeTSIG, dns.ClassANY, 0, data), opt(1232, 0)))
	}
	sig0 := slices.Concat(octets(0, 0x0d00, 0, 0, 0xffff, 0xffff, 0, 0, 1), named("key.example"), make([]byte, 64))
	for what, data := range map[string][]byte{"SIG(0)": sig0, "SIG(0) cut": sig0[:15], "SIG(0) of nothing": nil} {
		add(what, question(name).with(rr([]byte{0}, dns.TypeSIG, dns.ClassANY, 0, data)))
	}
	return all
}

// oversized is what no datagram should hold. Over UDP the server reads 512 octets.
func oversized(name []byte) (all []specimen) {
	for _, n := range []int{400, 512, 1500, 60000} {
		all = append(all,
			specimen{fmt.Sprintf("padding of %d octets", n), question(name).with(opt(1232, 0, option(dns.EDNS0PADDING, make([]byte, n)...))).wire()},
			specimen{fmt.Sprintf("record of %d octets", n), question(name).with(rr(name, 65280, dns.ClassINET, 0, make([]byte, n))).wire()})
	}
	return append(all, specimen{"nothing but zeros", make([]byte, 500)}, specimen{"nothing but ones", bytes.Repeat([]byte{0xff}, 500)})
}
