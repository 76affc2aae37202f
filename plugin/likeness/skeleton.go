// Package likeness compares names as a person sees them: which labels look alike,
// which could be mirrors of one another, which mix scripts, and which may be the
// name of somebody. All of it is guesswork for the eyes of an editor. Nothing here
// decides what is blocked, and the resolver does not use it.
//
// A label is in canonical form, as in a dnsname.Name: lower-case ASCII, an
// internationalised one as an A-label.
package likeness

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// Registrable returns the label that somebody registered, and the public suffix
// that it stands under, by both sections of the list of public suffixes. It is false
// for a name that is a public suffix, or has one label.
func Registrable(name dnsname.Name) (label, suffix string, ok bool) {
	suffix, _ = publicsuffix.PublicSuffix(string(name))
	rest, ok := strings.CutSuffix(string(name), "."+suffix)
	if !ok {
		return "", "", false
	}
	return rest[strings.LastIndexByte(rest, '.')+1:], suffix, true
}

// Unicode returns a label as it is shown, which is itself unless it is an A-label
// that can be decoded.
func Unicode(label string) string {
	if !strings.HasPrefix(label, "xn--") {
		return label
	}
	u, err := idna.Punycode.ToUnicode(label)
	if err != nil {
		return label
	}
	return u
}

// latin holds letters that are taken for Latin ones at a glance. It follows the
// confusables of Unicode (UTS #39) for letters that a label can hold, and adds some
// that only a hurried reader takes for one another.
var latin = map[rune]string{
	'а': "a", 'в': "b", 'с': "c", 'ԁ': "d", 'е': "e", 'г': "r", 'һ': "h", 'н': "h", 'і': "i", 'ј': "j", 'к': "k", 'ӏ': "l", 'м': "m", // Cyrillic
	'п': "n", 'о': "o", 'р': "p", 'ԛ': "q", 'ѕ': "s", 'т': "t", 'ѵ': "v", 'ԝ': "w", 'х': "x", 'у': "y", 'ү': "y", 'ь': "b", 'ӕ': "ae",
	'α': "a", 'β': "b", 'ϲ': "c", 'ε': "e", 'η': "n", 'ι': "i", 'ϳ': "j", 'κ': "k", 'ν': "v", 'ο': "o", 'ρ': "p", 'σ': "o", 'τ': "t", // Greek
	'υ': "u", 'χ': "x", 'γ': "y", 'ω': "w",
	'ո': "n", 'օ': "o", 'ս': "u", 'հ': "h", 'յ': "j", 'ց': "g", 'զ': "q", // Armenian
	'ı': "i", 'ł': "l", 'ø': "o", 'đ': "d", 'ħ': "h", 'ŧ': "t", 'ɑ': "a", 'ɡ': "g", 'ɩ': "i", 'ƅ': "b", 'æ': "ae", 'œ': "oe", 'ß': "ss", // Latin
}

// plain writes a label in Latin letters as far as it looks like them, without
// marks above and below.
func plain(label string) string {
	var b strings.Builder
	for _, c := range norm.NFKD.String(Unicode(label)) {
		switch s, ok := latin[c]; {
		case unicode.Is(unicode.Mn, c):
		case ok:
			b.WriteString(s)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// glyphs brings together what looks alike in ASCII, and digits with the letters
// that they are written for.
var glyphs = strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "c1", "d", "0", "o", "1", "l", "i", "l", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b")

// Skeleton returns a text that is the same for labels that look alike: of
// "clothoff", "c1oth0ff" and the one with a Cyrillic о. It is of no other use.
// It may also be given a label as it is shown.
func Skeleton(label string) string { return glyphs.Replace(plain(label)) }

// letters returns a label without hyphens and digits.
func letters(label string) string {
	return strings.Map(func(c rune) rune {
		if c == '-' || '0' <= c && c <= '9' {
			return -1
		}
		return c
	}, label)
}
