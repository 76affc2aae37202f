package list

import (
	"encoding/hex"

	"github.com/nonudify/nonudify/plugin/rule"
)

// hashes reads the hashes format: a blinded list.
type hashes struct {
	stateless
	withoutPasses
}

func (hashes) comment(text []byte) bool { return isComment(text) }

// line takes upper case, too: it can mean nothing else. Nor does it matter in
// which order the hashes come, and how often: two lists of the same salt may
// have been put together, and what a line says depends on no other line.
func (hashes) line(s *Scanner, text []byte) {
	word := trim(cutComment(text))
	h, ok := parseHash(word)
	switch {
	case !ok:
		s.refuse(ErrHash, word)
	case !s.header.HasSalt: // no hash can be matched, neither this one nor those to come
		s.fail(ErrNoSalt)
	default:
		s.addHash(h)
	}
}

// parseHash reads the 32 hex digits of a hash, or of a salt.
func parseHash(text []byte) (h [16]byte, ok bool) {
	if len(text) != hex.EncodedLen(len(h)) {
		return h, false
	}
	_, err := hex.Decode(h[:], text)
	return h, err == nil
}

// isHash reports whether a line, trimmed and without its comment, is one of a
// blinded list. As a name it would be a top-level domain.
func isHash(text []byte) bool {
	_, ok := parseHash(text)
	return ok
}

// addHash adds the entry of a line of a blinded list.
func (s *Scanner) addHash(h rule.Hash) {
	s.hash = h
	s.add(rule.Rule{Trigger: rule.Subtree, Action: rule.Block})
}
