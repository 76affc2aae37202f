package list

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
)

// maxRecordLines is the number of lines up to which a record in parentheses is
// put together; the keys and signatures of a signed zone take about twenty.
const maxRecordLines = 32

// zone reads the rpz format: the master file (RFC 1035 §5) of a policy zone.
type zone struct {
	origin origin // of relative names, as $ORIGIN says
	apex   origin // the name of the zone itself
	soa    bool   // the SOA record was read: the apex is known now, or never
	owner  owner  // of the last record, for those that name none
	astray bool   // a line was lost that may have set the origin
	tokens [][]byte
}

// origin is a domain in presentation form without its trailing dot; the root is
// the empty string.
type origin struct {
	name  string
	known bool
}

// owner is the owner of a record. A relative one is relative to the apex, which
// then need not be known; any other is absolute.
type owner struct {
	name     string
	relative bool
	known    bool
}

func (*zone) comment(text []byte) bool { return text[0] == ';' }

// excepts knows the target of an exception, whatever the trigger.
func (*zone) excepts(text []byte) bool {
	record, _, _ := bytes.Cut(text, []byte(";"))
	return bytes.Contains(bytes.ToLower(record), []byte("rpz-passthru"))
}

// lost forgets what the line may have set: a record must not get the owner of
// another one, nor a wrong origin.
func (z *zone) lost(_ *Scanner, text []byte) {
	z.owner = owner{}
	if len(text) > 0 && text[0] == '$' {
		z.astray = true
	}
}

func (z *zone) line(s *Scanner, text []byte) {
	tokens, depth, ok := tokenise(z.tokens[:0], 0, text)
	z.tokens = tokens
	switch {
	case !ok:
		z.lost(s, text)
		s.refuse(ErrSyntax, text)
	case depth > 0:
		z.gather(s, slices.Clone(text))
	default:
		z.read(s, text)
	}
}

// gather puts a record together that goes on over lines until its parentheses
// close. If they do not, or what they hold is no record, the first line alone
// is refused and the others are read again on their own.
func (z *zone) gather(s *Scanner, text []byte) {
	tokens, depth, ok := tokenise(z.tokens[:0], 0, text) // of the copy
	var more []line
	for ok && depth > 0 && len(more) < maxRecordLines-1 {
		ln, err := s.in.next()
		if err != nil { // it comes again with the next line
			break
		}
		ln.text = slices.Clone(ln.text)
		more = append(more, ln)
		if ok = !ln.long && bytes.IndexByte(ln.text, 0) < 0; ok {
			tokens, depth, ok = tokenise(tokens, depth, ln.text)
		}
	}
	z.tokens = tokens
	s.in.n -= len(more) // the record stands in its first line
	if ok && depth == 0 && z.read(s, text) {
		s.in.n += len(more)
		s.stats.Comments += len(more)
		return
	}
	s.in.held = append(more, s.in.held...)
	z.lost(s, text)
	if s.entries == 0 {
		s.refuse(ErrSyntax, text)
	}
}

// read reads the record or control entry that z.tokens holds, false when they
// are neither.
func (z *zone) read(s *Scanner, text []byte) bool {
	tokens := z.tokens
	switch {
	case len(tokens) == 0:
		return true
	case text[0] == '$':
		z.control(s, tokens, text)
		return true
	case !isBlank(text[0]):
		z.owner = owner{}
		if !endless(tokens[0]) {
			z.owner = z.absolute(string(tokens[0]))
		}
		tokens = tokens[1:]
	}
	err := ErrSyntax
	if rrtype, data, ok := recordType(tokens); ok {
		err = z.record(s, rrtype, data)
	}
	if err != nil && !errors.Is(err, rpz.ErrSkip) {
		s.refuse(err, text)
	}
	return err != ErrSyntax
}

// control reads $ORIGIN and $TTL. What else there is brings in lines from
// elsewhere.
func (z *zone) control(s *Scanner, tokens [][]byte, text []byte) {
	switch keyword := strings.ToUpper(string(tokens[0])); {
	case keyword == "$TTL":
	case keyword == "$ORIGIN" && len(tokens) == 2:
		o := z.absolute(string(tokens[1]))
		if !o.known || o.relative || endless(tokens[1]) {
			z.astray = true
			s.refuse(ErrOrigin, text)
			return
		}
		z.origin, z.astray = origin{strings.TrimSuffix(o.name, "."), true}, false
	case keyword == "$INCLUDE", keyword == "$GENERATE":
		s.refuse(ErrDirective, text)
	default:
		z.lost(s, text)
		s.refuse(ErrSyntax, text)
	}
}

// absolute returns the owner that a name in the file stands for at this place.
func (z *zone) absolute(name string) owner {
	switch {
	case name == "":
		return owner{}
	case name[len(name)-1] == '.':
		return owner{name, false, true}
	case z.astray:
		return owner{}
	case !z.origin.known && name == "@":
		return owner{"", true, true}
	case !z.origin.known || z.origin == z.apex && name != "@":
		return owner{name, true, true}
	case name == "@":
		return owner{z.origin.name + ".", false, true}
	case z.origin.name == "":
		return owner{name + ".", false, true}
	}
	return owner{name + "." + z.origin.name + ".", false, true}
}

// record reads one record of the owner that is set.
func (z *zone) record(s *Scanner, rrtype uint16, data [][]byte) error {
	if !z.owner.known {
		return ErrOwner
	}
	if rrtype == dns.TypeSOA && !z.soa {
		return z.start(s, data)
	}
	o, err := z.apexOf()
	if err != nil {
		return err
	}
	target := ""
	if rrtype == dns.TypeCNAME {
		if len(data) != 1 {
			return ErrSyntax
		}
		target = z.target(data[0])
	}
	r, err := rpz.Parse(o, z.owner.name, rrtype, target)
	if errors.Is(err, rpz.ErrTrigger) {
		r, err = z.address(s, o, rrtype, target)
	}
	switch {
	case err == nil:
		s.add(r)
	case rrtype == dns.TypeTXT && errors.Is(err, rpz.ErrSkip) && strings.HasPrefix(z.owner.name, "_"):
		if wrong := s.header.meta(data); wrong != nil {
			return wrong
		}
	}
	return err
}

// address reads a record whose trigger is no query name. One that is triggered by
// the addresses of an answer is counted, and is a rule where such rules are wanted.
func (z *zone) address(s *Scanner, origin string, rrtype uint16, target string) (rule.Rule, error) {
	r, err := rpz.ParseAddress(origin, z.owner.name, rrtype, target)
	if err == nil {
		s.stats.Addresses++
	}
	if !s.c.Addresses {
		return rule.Rule{}, rpz.ErrTrigger
	}
	return r, err
}

// start reads the SOA record, with which a zone begins: its owner is the apex.
func (z *zone) start(s *Scanner, data [][]byte) error {
	if len(data) != 7 {
		return ErrSyntax
	}
	z.soa = true
	if !z.apex.known && !z.owner.relative {
		z.apex = origin{strings.TrimSuffix(z.owner.name, "."), true}
		if !z.origin.known { // a server would have its name from its configuration
			z.origin = z.apex
		}
	}
	serial, err := strconv.ParseUint(string(data[2]), 10, 32)
	if err == nil {
		s.header.Serial = uint32(serial)
	}
	return nil
}

// apexOf returns the origin that the owner is to be read against. A zone
// without an SOA record, which is a part of a file, has the first $ORIGIN as
// its apex.
func (z *zone) apexOf() (string, error) {
	if z.owner.relative {
		return "", nil
	}
	if !z.apex.known && !z.soa {
		z.apex = z.origin
	}
	if !z.apex.known {
		return "", ErrOrigin
	}
	return z.apex.name, nil
}

// target returns the absolute form of the name that a CNAME points to.
func (z *zone) target(name []byte) string {
	switch string(name) { // the usual ones, without an allocation
	case ".":
		return "."
	case "*.":
		return "*."
	}
	o := z.absolute(string(name))
	if o.relative || !o.known {
		return "" // a host inside of the policy zone, so it is data
	}
	return o.name
}

// recordType reads the TTL and the class, in either order and both optional,
// and the type. ok is false when there is no type, or a class other than IN.
func recordType(tokens [][]byte) (rrtype uint16, data [][]byte, ok bool) {
	for i, t := range tokens[:min(3, len(tokens))] {
		switch string(t) {
		case "CNAME":
			return dns.TypeCNAME, tokens[i+1:], true
		case "IN":
			continue
		}
		if t := dns.StringToType[strings.ToUpper(string(t))]; t != dns.TypeNone {
			return t, tokens[i+1:], true
		}
		if !isTTL(t) && !strings.EqualFold(string(t), "IN") {
			break
		}
	}
	return 0, nil, false
}

// isTTL reports whether a token is a number of seconds, or of units as BIND
// writes them: 1h30m.
func isTTL(token []byte) bool {
	return len(token) > 0 && '0' <= token[0] && token[0] <= '9' &&
		len(bytes.Trim(token, "0123456789smhdwSMHDW")) == 0
}
