//go:build unix

package main

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// kind is one of the ways in which a name can lie to the rules of a list.
type kind struct {
	title  string
	name   string // %d stands for a number
	denied bool
}

// family is some rules, in the adblock format, which can say all that there is to
// say, and the names around them.
type family struct {
	rules []string // %d stands for a number
	kinds []kind
}

// families are what the list of TestProducts is made of. The titles say what the
// documentation says of the formats.
var families = []family{
	{[]string{"||site%d.example^"}, []kind{
		{"a name", "site%d.example", true},
		{"in capitals", "SITE%d.ExAmPlE", true},
		{"below it", "www.site%d.example", true},
		{"far below it", "1.2.3.www.site%d.example", true},
		{"look-alike", "x-site%d.example", false},
		{"look-alike", "xsite%d.example", false},
		{"look-alike", "site%d-x.example", false},
		{"look-alike", "site%d.example.example", false},
		{"look-alike", "site%dexample.example", false},
		{"look-alike", "sıte%d.example", false},
		{"unlisted", "other%d.example", false},
		{"unlisted", "www.other%d.example", false},
	}},
	{[]string{"||host.at%d.example^", "||one.two.three.four.five.six.deep%d.example^"}, []kind{
		{"a name", "host.at%d.example", true},
		{"a name", "one.two.three.four.five.six.deep%d.example", true},
		{"below it", "zero.one.two.three.four.five.six.deep%d.example", true},
		{"parent", "at%d.example", false},
		{"parent", "deep%d.example", false},
		{"parent", "four.five.six.deep%d.example", false},
		{"sibling", "mail.at%d.example", false},
		{"sibling", "x.four.five.six.deep%d.example", false},
	}},
	{[]string{"||bücher%d.example^", "||shop.中国%d.example^"}, []kind{
		{"IDN", "bücher%d.example", true},
		{"IDN", "www.bücher%d.example", true},
		{"IDN", "shop.中国%d.example", true},
		{"look-alike", "bucher%d.example", false},
		{"parent", "中国%d.example", false},
	}},
	{[]string{"||%d.example^", "||0-9.4711.0%d0.example^", "||_dns.%d-0.example^"}, []kind{
		{"digits", "%d.example", true},
		{"digits", "0.%d.example", true},
		{"digits", "0-9.4711.0%d0.example", true},
		{"digits", "_dns.%d-0.example", true},
		{"parent", "4711.0%d0.example", false},
	}},
	{[]string{"||" + long(63, 240) + "^", "||" + strings.Repeat("a", 60) + "%03d.example^"}, []kind{
		{"240 characters", long(63, 240), true},
		{"below it", "www." + long(63, 240), true},
		{"63 in a label", strings.Repeat("a", 60) + "%03d.example", true},
	}},
	{[]string{"||" + long(62, 253) + "^"}, []kind{{"253 characters", long(62, 253), true}}},
	{[]string{"|alone%d.example^"}, []kind{
		{"alone", "alone%d.example", true},
		{"below one alone", "www.alone%d.example", false},
	}},
	{[]string{"||*.hosts%d.example^"}, []kind{
		{"of which only sub-names", "hosts%d.example", false},
		{"sub-name of that", "one.hosts%d.example", true},
		{"sub-name of that", "1.one.hosts%d.example", true},
	}},
	{[]string{"||mixed%d.example^", "@@||help.mixed%d.example^", "||fake.help.mixed%d.example^", "@@||fine.fake.help.mixed%d.example^"}, []kind{
		{"above an exception", "mixed%d.example", true},
		{"beside an exception", "www.mixed%d.example", true},
		{"look-alike of an exception", "xhelp.mixed%d.example", true},
		{"look-alike of an exception", "x-help.mixed%d.example", true},
		{"exception", "help.mixed%d.example", false},
		{"below an exception", "www.help.mixed%d.example", false},
		{"below an exception", "1.www.help.mixed%d.example", false},
		{"block in an exception", "fake.help.mixed%d.example", true},
		{"block in an exception", "www.fake.help.mixed%d.example", true},
		{"exception in that", "fine.fake.help.mixed%d.example", false},
		{"exception in that", "www.fine.fake.help.mixed%d.example", false},
	}},
	{[]string{"||nest%d.example^", "@@||4.nest%d.example^", "||3.4.nest%d.example^", "@@||2.3.4.nest%d.example^", "||1.2.3.4.nest%d.example^"}, []kind{
		{"block in that", "1.2.3.4.nest%d.example", true},
		{"exception in that", "2.3.4.nest%d.example", false},
	}},
	{[]string{"||split%d.example^", "@@|split%d.example^"}, []kind{
		{"exception for it alone", "split%d.example", false},
		{"below it but not it", "www.split%d.example", true},
	}},
	{[]string{"||part%d.example^", "@@|ok.part%d.example^"}, []kind{
		{"above an exception", "part%d.example", true},
		{"exception for one name", "ok.part%d.example", false},
		{"below that", "www.ok.part%d.example", true},
	}},
	{[]string{"||users%d.example^", "@@||*.ok.users%d.example^"}, []kind{
		{"above an exception", "users%d.example", true},
		{"above one for sub-names", "ok.users%d.example", true},
		{"exception for sub-names", "www.ok.users%d.example", false},
	}},
	{[]string{"||gap%d.example^", "@@||d.c.b.gap%d.example^", "||g.f.e.gap%d.example^", "|k.j.i.h.gap%d.example^"}, []kind{
		{"above an exception", "gap%d.example", true},
		{"in the gap above one", "b.gap%d.example", true},
		{"in the gap above one", "c.b.gap%d.example", true},
		{"in the gap above one", "x.c.b.gap%d.example", true},
		{"in the gap above one", "y.x.b.gap%d.example", true},
		{"exception", "d.c.b.gap%d.example", false},
		{"below an exception", "x.d.c.b.gap%d.example", false},
		{"in the gap above a block", "e.gap%d.example", true},
		{"in the gap above a block", "x.f.e.gap%d.example", true},
		{"in the gap above a block", "x.k.j.i.h.gap%d.example", true},
		{"in the gap above a block", "x.j.i.h.gap%d.example", true},
	}},
}

// long returns a name of n characters, of labels of at most so many.
func long(label, n int) string {
	name := "%03d.example"
	for left := n - len("000.example"); left > 0; {
		size := min(label, left-1)
		if left-1-size == 1 { // not even a label of one would fit
			size--
		}
		name = strings.Repeat("l", size) + "." + name
		left -= size + 1
	}
	return name
}

// copies is how many of each family there are: as many as there are types, with
// and without DNSSEC.
const copies = 6

// withNumber puts a number into a text.
func withNumber(text string, i int) string {
	if strings.Contains(text, "%") {
		return fmt.Sprintf(text, i)
	}
	return text
}

// productList returns the list of all families.
func productList() string {
	var b strings.Builder
	b.WriteString("! Title: Example\n! List-ID: demo.lists.example\n! Serial: 2026112201\n! Expires: 2099-12-06T00:00:00Z\n")
	for _, f := range families {
		for i := range copies {
			for _, r := range f.rules {
				b.WriteString(withNumber(r, i) + "\n")
			}
		}
	}
	return b.String()
}

// inquiry is a question that every product is asked.
type inquiry struct {
	kind
	qtype  uint16
	dnssec bool
}

func (q inquiry) String() string {
	text := q.name + " " + dns.TypeToString[q.qtype]
	if q.dnssec {
		text += " +dnssec"
	}
	return text
}

// inquiries returns the questions about all families.
func inquiries() (all []inquiry) {
	for _, f := range families {
		for i := range copies {
			for _, k := range f.kinds {
				k.name = ascii(withNumber(k.name, i)) + "."
				all = append(all, inquiry{k, []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS}[i%3], i >= 3})
			}
		}
	}
	return all
}
