package list

import (
	"bytes"
	"net/netip"

	"github.com/nonudify/nonudify/plugin/rule"
)

// isBlank reports whether a byte stands between the fields of a line: a space,
// a tab, or one of the controls that separate lines elsewhere, such as a stray
// CR.
func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func trimLeft(text []byte) []byte {
	for len(text) > 0 && isBlank(text[0]) {
		text = text[1:]
	}
	return text
}

func trimRight(text []byte) []byte {
	for len(text) > 0 && isBlank(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	return text
}

func trim(text []byte) []byte { return trimLeft(trimRight(text)) }

// field returns the first field of text and what follows it.
func field(text []byte) (f, rest []byte) {
	i := 0
	for i < len(text) && isBlank(text[i]) {
		i++
	}
	j := i
	for j < len(text) && !isBlank(text[j]) {
		j++
	}
	return text[i:j], text[j:]
}

// isComment reports whether a trimmed line is a comment in the formats whose
// lines are names. None of these signs begins a name, so that it is safe to
// know them all, whichever the publisher is used to.
func isComment(text []byte) bool {
	switch text[0] {
	case '#', '!', ';':
		return true
	}
	return bytes.HasPrefix(text, []byte("//"))
}

// cutComment drops a trailing comment: a number sign after a blank.
func cutComment(text []byte) []byte {
	for i := 0; ; i++ {
		j := bytes.IndexByte(text[i:], '#')
		if j < 0 {
			return text
		}
		if i += j; i > 0 && isBlank(text[i-1]) {
			return trimRight(text[:i])
		}
	}
}

// names reads the domains format, and the wildcard format with it.
type names struct {
	stateless
	withoutPasses
	wildcard bool
}

func (names) comment(text []byte) bool { return isComment(text) }

func (p names) line(s *Scanner, text []byte) {
	name, rest := field(cutComment(text))
	if len(rest) > 0 {
		s.refuse(ErrSyntax, text)
		return
	}
	short, starred := uncover(name)
	switch {
	case !starred:
	case !p.wildcard:
		s.refuse(ErrWildcard, name)
		return
	case len(short) == 0:
		s.refuse(ErrScope, name)
		return
	}
	s.addName(rule.Block, rule.Subtree, short)
}

// uncover cuts the "*." or "." off a name that has one: in a list of wildcards
// both mean the name and everything below it.
func uncover(name []byte) (short []byte, starred bool) {
	if name[0] == '*' && len(name) == 1 {
		return nil, true
	}
	if short, ok := bytes.CutPrefix(name, []byte("*.")); ok {
		return short, true
	}
	return bytes.CutPrefix(name, []byte("."))
}

// hosts reads the hosts format: an address and the names that it is given.
type hosts struct {
	stateless
	withoutPasses
}

func (hosts) comment(text []byte) bool { return isComment(text) }

func (hosts) line(s *Scanner, text []byte) {
	body, ok := cutHash(text)
	if !ok {
		s.refuse(ErrCosmetic, text)
		return
	}
	addr, rest := field(body)
	switch null, ok := isNull(addr); {
	case !ok || len(rest) == 0:
		s.refuse(ErrSyntax, text)
	case null:
		addHosts(s, rest)
	case !allBoilerplate(rest): // the names lead to some real host
		s.refuse(ErrAction, text)
	}
}

// cutHash drops a trailing comment as hosts files have it: a number sign
// anywhere (hosts(5)). What looks like a rule about parts of a page is not cut:
// without its tail it would block the site as a whole.
func cutHash(text []byte) (body []byte, ok bool) {
	i := bytes.IndexByte(text, '#')
	if i < 0 {
		return text, true
	}
	if !isBlank(text[i-1]) && i+1 < len(text) && bytes.IndexByte([]byte("#@?$%"), text[i+1]) >= 0 {
		return nil, false
	}
	return trimRight(text[:i]), true
}

// addHosts adds the names of a line.
func addHosts(s *Scanner, text []byte) {
	for name, rest := field(text); len(name) > 0; name, rest = field(rest) {
		if !isBoilerplate(name) {
			s.addName(rule.Block, rule.Subtree, name)
		}
	}
}

// allBoilerplate reports whether no name of a line is a publisher's entry.
func allBoilerplate(text []byte) bool {
	for name, rest := field(text); len(name) > 0; name, rest = field(rest) {
		if !isBoilerplate(name) {
			return false
		}
	}
	return true
}

// isBoilerplate reports whether a name is one of those that every hosts file
// holds for the machine's own use.
func isBoilerplate(name []byte) bool {
	if len(name) < len("local") || len(name) > len("localhost.localdomain")+1 {
		return false
	}
	switch name[0] {
	case 'l', 'L', 'b', 'B', 'i', 'I', '0': // the initials of the names below
		switch string(bytes.ToLower(name)) {
		case "localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0",
			"localhost4", "localhost4.localdomain4", "localhost6", "localhost6.localdomain6",
			"ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix",
			"ip6-allnodes", "ip6-allrouters", "ip6-allhosts":
			return true
		}
	}
	return false
}

// isNull reports whether text is an address (ok) and one that leads nowhere:
// unspecified or loopback, as block lists use them. A lone 0 is the old short
// form of 0.0.0.0.
func isNull(text []byte) (null, ok bool) {
	switch string(text) {
	case "0.0.0.0", "127.0.0.1", "::", "::1", "0":
		return true, true
	}
	if len(text) == 0 || !bytes.ContainsAny(text[:1], "0123456789abcdefABCDEF:") {
		return false, false
	}
	a, err := netip.ParseAddr(string(text))
	if err != nil {
		return false, false
	}
	a = a.Unmap()
	return a.IsUnspecified() || a.IsLoopback(), true
}
