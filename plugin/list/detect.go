package list

import (
	"bytes"
	"net/netip"

	"github.com/miekg/dns"
)

// sniff returns the reason why a file that begins like this is no list at all.
func sniff(head []byte) error {
	if bytes.HasPrefix(head, []byte{0xFF, 0xFE}) || bytes.HasPrefix(head, []byte{0xFE, 0xFF}) || // UTF-16
		bytes.HasPrefix(head, []byte{0x1F, 0x8B}) || noisy(head[:min(len(head), 1024)]) {
		return ErrBinary
	}
	if text := trimLeft(bytes.TrimPrefix(head, bom)); len(text) > 0 && text[0] == '<' {
		return ErrHTML
	}
	return nil
}

// noisy reports whether more than one byte in twenty, and at least eight, are
// control characters that no text has. A NUL here and there costs its line only.
func noisy(p []byte) bool {
	n := 0
	for _, c := range p {
		if c < ' ' && !isBlank(c) || c == 0x7F {
			n++
		}
	}
	return n >= 8 && n*20 > len(p)
}

// detect finds the format of a file that begins like this, see the package
// documentation.
func detect(head []byte) Format {
	var votes [len(formats)]int
	if len(head) == peekSize { // the last line may be cut off
		head = head[:max(0, bytes.LastIndexByte(head, '\n'))]
	}
	for text := range bytes.Lines(head) {
		text = bytes.TrimPrefix(text, bom)
		if body := trim(text); len(body) > 0 && len(body) <= MaxLine {
			votes[vote(body)]++
		}
	}
	if votes[Wildcard] > 0 { // its other lines are those of Domains
		votes[Wildcard] += votes[Domains]
	}
	if 4*votes[Adblock] >= votes[Domains] { // where a bare name is a rule, too
		votes[Adblock] += votes[Domains]
	}
	best := Domains
	for _, f := range []Format{Wildcard, Hosts, Adblock, Dnsmasq, Unbound, RPZ, Hashes} {
		if votes[f] > votes[best] {
			best = f
		}
	}
	return best
}

// vote says which format one line, trimmed and not empty, belongs to; Auto when
// it says nothing.
func vote(text []byte) Format {
	first, rest := field(text)
	_, err := netip.ParseAddr(string(first))
	switch {
	case isAdblock(text):
		return Adblock
	case isComment(text):
		return Auto
	case err == nil && len(rest) > 0:
		return Hosts
	case isDnsmasq(text):
		return Dnsmasq
	case bytes.HasPrefix(text, []byte("local-zone:")), bytes.HasPrefix(text, []byte("local-data:")):
		return Unbound
	case isRecord(text):
		return RPZ
	}
	return voteName(cutComment(text))
}

// isAdblock reports whether a line can only be an adblock rule or header.
func isAdblock(text []byte) bool {
	switch text[0] {
	case '|':
		return true
	case '[':
		return text[len(text)-1] == ']'
	case '@':
		return bytes.HasPrefix(text, []byte("@@"))
	case '#':
		return isCosmetic(text)
	}
	return bytes.Contains(text, []byte("##")) && !isComment(text)
}

func isDnsmasq(text []byte) bool {
	key, value, _ := bytes.Cut(text, []byte("="))
	switch string(bytes.TrimPrefix(trimRight(key), []byte("--"))) {
	case "local", "address", "server":
		value = trimLeft(value)
		return len(value) > 0 && value[0] == '/'
	}
	return false
}

// isRecord reports whether a line is a record or a control entry of a zone
// file, RFC 1035 §5.1.
func isRecord(text []byte) bool {
	word, rest := field(text)
	if text[0] == '$' {
		return len(rest) > 0
	}
	for range 4 { // owner, TTL, class, type; the owner may be missing
		if t, ok := dns.StringToType[string(bytes.ToUpper(word))]; ok && len(rest) > 0 && t != dns.TypeNone {
			return true
		}
		word, rest = field(rest)
	}
	return false
}

// voteName votes for the formats that have a name, or what stands for one, on
// each line.
func voteName(text []byte) Format {
	if isHash(text) {
		return Hashes
	}
	name, rest := field(text)
	if len(rest) > 0 || len(name) == 0 || bytes.IndexByte(name, '.') < 0 {
		return Auto
	}
	if _, starred := uncover(name); starred {
		return Wildcard
	}
	return Domains
}
