package source

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// What the files of one list are called in a state directory: a stem, the same
// for all, and one of these.
const (
	suffixCopy     = ".list"
	suffixLock     = ".lock"
	suffixHeld     = ".held"
	suffixApproved = ".approved"
	suffixSpool    = ".tmp" // being written, by who has the lock
	suffixSmall    = ".new" // being written, by anyone
)

// maxTail bounds the readable part of a stem, in bytes.
const maxTail = 40

// idDigits is how many hexadecimal digits of the hash of its Source a stem ends
// in.
const idDigits = 16

var stemForm = regexp.MustCompile(`^[a-z0-9.-]{1,40}-[0-9a-f]{16}$`)

// Redact returns what of a source anyone may see: a URL without userinfo, query
// and fragment, where credentials are, and anything else as it is. Of a URL that
// cannot be read only the scheme is left.
func Redact(source string) string {
	scheme, _, isURL := strings.Cut(source, "://")
	if !isURL {
		return source
	}
	u, err := url.Parse(source)
	if err != nil || strings.ContainsAny(source, " \t\r\n") {
		return scheme + "://"
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// Path returns where the copy is, or would be.
func (c *Copy) Path() string { return filepath.Join(c.Dir, c.name()+suffixCopy) }

// name returns the stem of the files: the end of Source, for people, and its
// hash, which tells it from all others.
func (c *Copy) name() string {
	if c.stem != "" {
		return c.stem
	}
	return tail(c.Source) + "-" + c.id()[:idDigits]
}

// id returns the hexadecimal SHA-256 of Source, or as much of it as is known.
func (c *Copy) id() string {
	if c.stem != "" {
		return c.stem[len(c.stem)-idDigits:]
	}
	sum := sha256.Sum256([]byte(c.Source))
	return hex.EncodeToString(sum[:])
}

// tail returns the end of what is public of a source, fit for a file name of
// every system.
func tail(source string) string {
	s := Redact(source)
	if _, rest, isURL := strings.Cut(s, "://"); isURL {
		s = rest
	}
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return (r < 'a' || 'z' < r) && (r < '0' || '9' < r) && r != '.'
	})
	s = strings.Join(words, "-")
	s = strings.TrimLeft(s[max(0, len(s)-maxTail):], "-.")
	if s == "" {
		return "list"
	}
	return s
}
