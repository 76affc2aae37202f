package primary

import (
	"cmp"
	"encoding/binary"
	"hash"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
)

// TTL is how long a record of the zone is kept, in seconds.
const TTL = 60

// Content is what a zone is to say. It must not be changed once it is published.
type Content struct {
	Rules *policy.Flat
	// About are the texts of the TXT records at _list.meta, each of at most 255
	// octets; in order, none twice.
	About []string
	Mbox  string // RNAME of the SOA record; "": nobody's
	// Since is a time that is past: the zone has no serial of an earlier one, whatever
	// the clock says. It is no part of what the zone says.
	Since time.Time
}

// damaged reports whether rules may be missing from what was read of the content.
func (c Content) damaged() bool { return c.Rules != nil && c.Rules.Damaged() }

// kind is the type and the data of a record.
type kind byte

// The kinds, as they are in the history on disk.
const (
	nxdomain kind = 'x' // CNAME .
	nodata   kind = 'd' // CNAME *.
	passthru kind = 'p' // CNAME rpz-passthru.
	about    kind = 't' // TXT at _list.meta
)

// record is one record of the zone, but for those at its apex.
type record struct {
	kind  kind
	below bool   // the owner is *.name
	name  string // of the trigger; of about the text; of a prefix what stands before the origin
	// prefix is what a rule about addresses means. It says where the record is in the
	// zone, and is not there any more in the history.
	prefix netip.Prefix
}

// records yields the records of a content in their order, and reports how many
// rules it had to leave out.
func (c Content) records(origin string, leftOut *int) iter.Seq[record] {
	return func(yield func(record) bool) {
		*leftOut = 0
		for _, text := range c.About {
			if !yield(record{kind: about, name: text}) {
				return
			}
		}
		if c.Rules == nil {
			return
		}
		*leftOut = c.Rules.Hidden()
		for e := range c.Rules.All() {
			switch {
			case rpz.Fit(origin, rpz.Owner(e.Rule)) != nil:
				*leftOut++
			case !yield(recordOf(e)):
				return
			}
		}
		for r := range c.Rules.Addresses() {
			if !yield(recordOfAddress(r)) {
				return
			}
		}
	}
}

// recordOfAddress returns the record of a rule about addresses. No owner of one is too
// long.
func recordOfAddress(r rule.Rule) record {
	k := nxdomain
	if r.Action == rule.Pass {
		k = passthru
	}
	return record{kind: k, name: rpz.Owner(r), prefix: r.Prefix}
}

func recordOf(e policy.Entry) record {
	r := record{kind: nxdomain, below: e.Trigger == rule.Below, name: string(e.Name)}
	switch {
	case e.Action == rule.Pass:
		r.kind = passthru
	case e.Open:
		r.kind = nodata
	}
	return r
}

// compare orders records by their place in the zone: the same place, 0, is the
// same owner, and of TXT records also the same text.
func (r record) compare(o record) int {
	switch {
	case r.kind == about && o.kind == about:
		return cmp.Compare(r.name, o.name)
	case r.kind == about:
		return -1
	case o.kind == about:
		return 1
	case r.prefix.IsValid() && o.prefix.IsValid():
		return r.prefix.Compare(o.prefix)
	case r.prefix.IsValid():
		return 1
	case o.prefix.IsValid():
		return -1
	}
	if order := compareNames(r.name, o.name); order != 0 || r.below == o.below {
		return order
	}
	if r.below {
		return 1
	}
	return -1
}

// compareNames orders names as set.Set.Walk does: from their ends on, with a dot
// before each.
func compareNames(a, b string) int {
	for i := 1; ; i++ {
		x, y := byte('.'), byte('.')
		if i <= len(a) {
			x = a[len(a)-i]
		}
		if i <= len(b) {
			y = b[len(b)-i]
		}
		switch {
		case x != y:
			return cmp.Compare(x, y)
		case i > len(a) || i > len(b):
			return cmp.Compare(len(a), len(b))
		}
	}
}

// hash enters the record into a sum of all.
func (r record) hash(h hash.Hash) {
	var head [4]byte
	head[0] = byte(r.kind)
	if r.below {
		head[1] = 1
	}
	binary.BigEndian.PutUint16(head[2:], uint16(len(r.name)))
	h.Write(head[:]) // a hash returns no error
	h.Write([]byte(r.name))
}

// rr returns the record as the DNS has it.
func (r record) rr(origin string) dns.RR {
	if r.kind == about {
		return &dns.TXT{Hdr: header(rpz.Meta+"."+origin, dns.TypeTXT), Txt: []string{txt.Replace(r.name)}}
	}
	owner := r.name + "." + origin
	if r.below {
		owner = "*." + owner
	}
	return &dns.CNAME{Hdr: header(owner, dns.TypeCNAME), Target: targets[r.kind]}
}

var targets = map[kind]string{
	nxdomain: rpz.Target(rule.Block, false), nodata: rpz.Target(rule.Block, true), passthru: rpz.Target(rule.Pass, false),
}

// txt escapes a text for the DNS library, which takes a character-string in
// presentation form.
var txt = strings.NewReplacer(`\`, `\\`)

func header(owner string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rrtype, Class: dns.ClassINET, Ttl: TTL}
}
