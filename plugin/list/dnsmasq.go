package list

import (
	"bytes"

	"github.com/nonudify/nonudify/plugin/rule"
)

// dnsmasq reads the domain options of dnsmasq(8).
type dnsmasq struct{ stateless }

func (dnsmasq) comment(text []byte) bool { return text[0] == '#' }

func (dnsmasq) line(s *Scanner, text []byte) {
	key, value, ok := bytes.Cut(cutComment(text), []byte("="))
	key = bytes.TrimPrefix(trim(key), []byte("--"))
	value = trim(value)
	last := bytes.LastIndexByte(value, '/')
	if !ok || last < 1 || value[0] != '/' {
		s.refuse(ErrSyntax, text)
		return
	}
	action, err := dnsmasqAction(string(key), value[last+1:])
	if err != nil {
		s.refuse(err, text)
		return
	}
	for domain := range bytes.SplitSeq(value[1:last], []byte("/")) {
		dnsmasqDomain(s, action, domain)
	}
}

// excepts knows a server for a domain: the usual ones, or one that is not the business
// of a list. Either way the domain is not blocked with its parent.
func (dnsmasq) excepts(text []byte) bool {
	key, value, _ := bytes.Cut(cutComment(text), []byte("="))
	key, value = bytes.TrimPrefix(trim(key), []byte("--")), trim(value)
	return (string(key) == "server" || string(key) == "local") && bytes.HasPrefix(value, []byte("/")) && !bytes.HasSuffix(value, []byte("/"))
}

// dnsmasqAction says what an option does with its domains.
func dnsmasqAction(key string, target []byte) (rule.Action, error) {
	switch key {
	case "local", "server":
		switch string(target) {
		case "": // no server is to be asked
			return rule.Block, nil
		case "#": // the usual servers are to be asked, whatever is said of the parent
			return rule.Pass, nil
		}
		return rule.None, ErrAction
	case "address":
		if null, _ := isNull(target); null || len(target) == 0 || string(target) == "#" {
			return rule.Block, nil
		}
		return rule.None, ErrAction
	}
	return rule.None, ErrSyntax
}

// dnsmasqDomain adds one of the domains between the slashes. ".x" means the
// same as "x" there; "*.x" is everything below x, and any other wildcard would
// also match parts of labels.
func dnsmasqDomain(s *Scanner, action rule.Action, domain []byte) {
	if len(domain) == 0 || string(domain) == "#" || string(domain) == "*" {
		s.refuse(ErrScope, domain)
		return
	}
	if below, ok := bytes.CutPrefix(domain, []byte("*.")); ok {
		s.addName(action, rule.Below, below)
		return
	}
	s.addName(action, rule.Subtree, bytes.TrimPrefix(domain, []byte(".")))
}
