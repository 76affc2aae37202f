package likeness

import (
	"slices"
	"strings"
	"unicode"
)

// together are the scripts that one label may mix because people write so
// (UTS #39 §5.2, "highly restrictive").
var together = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// scripts returns the scripts of a text, sorted, without what all of them share.
func scripts(s string) (names []string) {
	for _, c := range s {
		if c < 0x80 && !unicode.IsLetter(c) || unicode.In(c, unicode.Common, unicode.Inherited) {
			continue
		}
		if name := scriptOf(c); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func scriptOf(c rune) string {
	if c < 0x80 {
		return "Latin"
	}
	for name, table := range unicode.Scripts { // a character is in one of them
		if unicode.Is(table, c) {
			return name
		}
	}
	return "Unknown"
}

// Mixed returns the scripts that a label mixes although nobody writes so, nil when
// it does not.
func Mixed(label string) []string {
	found := scripts(Unicode(label))
	if len(found) < 2 {
		return nil
	}
	for _, allowed := range together {
		if !slices.ContainsFunc(found, func(s string) bool { return !slices.Contains(allowed, s) }) {
			return nil
		}
	}
	return found
}

// Disguise returns what a label of another script is taken for when all of its
// letters look like Latin ones.
func Disguise(label string) (ascii string, ok bool) {
	shown := Unicode(label)
	if shown == label || slices.Contains(scripts(shown), "Latin") {
		return "", false
	}
	ascii = plain(label)
	return ascii, !strings.ContainsFunc(ascii, func(c rune) bool { return c >= 0x80 })
}
