package likeness

import (
	_ "embed" // the given names
	"slices"
	"strings"
	"sync"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

//go:embed given.txt
var givenText string

// given returns the given names that are known. They are those of one country: a
// name that is not found says nothing.
var given = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(givenText) {
		if name := strings.TrimSpace(line); name != "" && name[0] != '#' {
			names[name] = true
		}
	}
	return names
})

// trade are the words that stand beside a name in domains that show somebody.
var trade = []string{
	"deepfakes", "deepfake", "deepnudes", "deepnude", "undressed", "undress", "nudifier", "nudify", "onlyfans", "pictures", "leaked", "videos",
	"naked", "nudes", "leaks", "photos", "fakes", "video", "photo", "porn", "nude", "leak", "fake", "tape", "pics", "sex", "xxx", "ai",
}

// Limits of the guess, in letters.
const (
	minGiven      = 4 // a given name beside a word of the trade, or apart from a family name
	minGivenFused = 5 // a given name that a family name follows at once
	minFamily     = 3
	minFused      = 4 // a family name that follows at once
)

// Person returns the given name that a label of a name seems to begin with when the
// whole reads like the name of a person: "firstname-lastname", "firstnamelastname"
// or "firstname" beside a word such as "nude". It is a guess that is often wrong, in
// both directions, so it is for a reader and for nothing else.
func Person(name dnsname.Name) (string, bool) {
	label, suffix, ok := Registrable(name)
	if !ok {
		return "", false
	}
	above := strings.TrimSuffix(string(name), label+"."+suffix)
	for l := range strings.SplitSeq(above+label, ".") {
		if who, ok := person(l); ok {
			return who, true
		}
	}
	return "", false
}

func person(label string) (string, bool) {
	words := strings.FieldsFunc(label, func(c rune) bool { return c == '-' || '0' <= c && c <= '9' || c == '_' })
	if len(words) == 1 {
		return fused(words[0])
	}
	for i, w := range words {
		if len(w) < minGiven || !given()[w] {
			continue
		}
		if i+1 < len(words) && len(words[i+1]) >= minFamily || i > 0 && slices.Contains(trade, words[i-1]) {
			return w, true
		}
	}
	return "", false
}

// fused looks at a label without hyphens.
func fused(label string) (string, bool) {
	rest := withoutTrade(label)
	if rest != label && len(rest) >= minGiven && given()[rest] {
		return rest, true
	}
	for n := len(rest) - minFused; n >= minGivenFused; n-- {
		if given()[rest[:n]] {
			return rest[:n], true
		}
	}
	return "", false
}

// withoutTrade takes the words of the trade off both ends.
func withoutTrade(label string) string {
	for cut := true; cut; {
		cut = false
		for _, w := range trade {
			for _, rest := range []string{strings.TrimPrefix(label, w), strings.TrimSuffix(label, w)} {
				if len(rest) < len(label) {
					label, cut = rest, true
				}
			}
		}
	}
	return label
}
