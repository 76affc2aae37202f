package list

import (
	"bytes"
	"strconv"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/rule"
)

// unbound reads the local zones of unbound.conf(5).
//
// What a redirect zone does stands in the local-data line after it, so such a
// zone is held until that line is read.
type unbound struct {
	zone  dnsname.Name // of the redirect zone that waits, or that was settled last
	line0 int          // its line; 0 when none waits
	leads dnsname.Name // of the last data that leads somewhere
	view  bool         // inside of a view: clause
}

func (*unbound) comment(text []byte) bool { return text[0] == '#' }

func (p *unbound) line(s *Scanner, text []byte) {
	key, value, ok := bytes.Cut(trimLeft(cutComment(text)), []byte(":"))
	value = trim(value)
	if !ok || string(key) != "local-data" {
		p.settle(s)
	}
	switch {
	case !ok:
		s.refuse(ErrSyntax, text)
	case len(value) == 0:
		p.clause(s, string(key), text)
	case p.view:
		s.refuse(ErrCondition, text)
	case string(key) == "local-zone":
		p.localZone(s, value, text)
	case string(key) == "local-data":
		p.localData(s, value, text)
	case string(key) == "include":
		s.refuse(ErrDirective, text)
	default:
		s.refuse(ErrSyntax, text)
	}
}

// excepts knows a zone whose type lets names pass.
func (*unbound) excepts(text []byte) bool {
	key, value, _ := bytes.Cut(cutComment(text), []byte(":"))
	_, rest := unquote(trim(value))
	kind, _ := unquote(rest)
	return string(key) == "local-zone" && zoneAction(string(kind)) == rule.Pass
}

// clause reads a line that begins a section. What a view holds is for some
// clients only.
func (p *unbound) clause(s *Scanner, key string, text []byte) {
	switch key {
	case "server":
		p.view = false
	case "view":
		p.view = true
		s.refuse(ErrCondition, text)
	default:
		s.refuse(ErrSyntax, text)
	}
}

// localZone reads: name type.
func (p *unbound) localZone(s *Scanner, value, text []byte) {
	name, rest := unquote(value)
	kind, rest := unquote(rest)
	if len(name) == 0 || len(kind) == 0 || len(rest) > 0 {
		s.refuse(ErrSyntax, text)
		return
	}
	if string(name) == "." {
		s.refuse(ErrScope, text)
		return
	}
	switch action := zoneAction(string(kind)); {
	case action != rule.None:
		s.addName(action, rule.Subtree, name)
	case string(kind) == "redirect":
		p.hold(s, name)
	default:
		s.refuse(ErrAction, text)
	}
}

// zoneAction says what a type of zone does with names of which no data is
// given. None stands for the redirect type, whose data decides, and for types
// that do something else: block_a denies one type of record only.
func zoneAction(kind string) rule.Action {
	switch kind {
	case "always_nxdomain", "always_null", "always_nodata", "always_refuse", "always_deny",
		"static", "refuse", "deny", "inform_deny":
		return rule.Block
	case "transparent", "typetransparent", "always_transparent", "inform":
		return rule.Pass
	}
	return rule.None
}

// hold keeps a redirect zone until its data is read.
func (p *unbound) hold(s *Scanner, name []byte) {
	n, err := parseName(name)
	if err != nil {
		s.refuse(err, name)
		return
	}
	s.entries++
	p.zone, p.line0 = n, s.in.n
}

func (p *unbound) lost(s *Scanner, _ []byte) { p.settle(s) }

// settle refuses the redirect zone that waits: no data of its own came, so
// where it leads is not known.
func (p *unbound) settle(s *Scanner) {
	if p.line0 > 0 {
		s.refuseAt(p.line0, ErrAction, []byte(p.zone))
	}
	p.zone, p.line0 = "", 0
}

// localData reads: "name [ttl] [class] type data". An address that leads
// nowhere is a block: of the zone that waits for it, or of the one name.
func (p *unbound) localData(s *Scanner, value, text []byte) {
	record, rest := unquote(value)
	name, null, ok := address(record)
	n, err := parseName(name)
	if n != p.zone || err != nil || !null {
		p.settle(s)
	}
	switch {
	case !ok || len(rest) > 0:
		s.refuse(ErrSyntax, text)
	case err != nil:
		s.refuse(err, name)
	case !null, n == p.leads: // an A record that leads on goes with an AAAA record that does not
		p.leads = n
		s.refuse(ErrAction, text)
	case p.line0 > 0:
		s.addAt(p.line0, rule.Rule{Name: n, Trigger: rule.Subtree, Action: rule.Block})
		p.line0 = 0
	case n != p.zone: // the second address of a zone says nothing new
		s.add(rule.Rule{Name: n, Trigger: rule.Exact, Action: rule.Block})
	}
}

// address reads a record; null says that it is an address that leads nowhere.
func address(record []byte) (name []byte, null, ok bool) {
	name, rest := field(record)
	kind, rest := field(rest)
	if _, err := strconv.ParseUint(string(kind), 10, 32); err == nil {
		kind, rest = field(rest)
	}
	if bytes.EqualFold(kind, []byte("IN")) {
		kind, rest = field(rest)
	}
	data, rest := field(rest)
	if len(data) == 0 {
		return name, false, false
	}
	if bytes.EqualFold(kind, []byte("A")) || bytes.EqualFold(kind, []byte("AAAA")) {
		null, _ = isNull(data)
	}
	return name, null && len(rest) == 0, true
}

// unquote returns the first word of text, which may stand in quotes, and the
// rest without leading blanks.
func unquote(text []byte) (word, rest []byte) {
	if len(text) > 0 && (text[0] == '"' || text[0] == '\'') {
		if end := bytes.IndexByte(text[1:], text[0]); end >= 0 {
			return text[1 : end+1], trimLeft(text[end+2:])
		}
		return nil, text
	}
	word, rest = field(text)
	return word, trimLeft(rest)
}
