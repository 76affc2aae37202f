package likeness

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// Reason is why a name may be a mirror of a listed one.
type Reason string

// The reasons, from the strongest.
const (
	Same      Reason = "suffix"    // the same label under another public suffix
	Hyphens   Reason = "hyphens"   // the same but for hyphens
	Homoglyph Reason = "homoglyph" // looks the same
	Digits    Reason = "digits"    // the same but for digits
	Affix     Reason = "affix"     // a word before or behind it that mirrors often have
	Typo      Reason = "typo"      // one letter is more, less, another, or has changed places
)

// Kinship is a name that may be a mirror of a listed one.
type Kinship struct {
	Name   dnsname.Name `json:"name"`   // the domain that was registered
	Listed dnsname.Name `json:"listed"` // what it resembles
	Reason Reason       `json:"reason"`
	Score  int          `json:"score"` // 1 to 100; only of use to compare two
	Why    string       `json:"why"`   // in words
}

// Kin are listed names of which mirrors are sought. The zero value has none.
//
// Only the label that was registered is looked at. A resemblance of short labels is
// chance: these count only where they are the same. So does one that begins with
// another letter, as "sundress" does beside "undress".
type Kin struct {
	labels    map[string]dnsname.Name
	letters   map[string]string // to the label, as the next two
	unhyphen  map[string]string
	skeletons map[string]string
	near      near

	spared       map[dnsname.Name]bool
	sparedLabels map[string]bool
}

// Add adds a listed name. It is false for one below the domain that was registered:
// there its owner chose the label, and whoever copies it has another domain.
func (k *Kin) Add(name dnsname.Name) bool {
	label, suffix, ok := Registrable(name)
	if !ok || string(name) != label+"."+suffix {
		return false
	}
	if k.labels == nil {
		k.labels = map[string]dnsname.Name{}
		k.letters, k.unhyphen, k.skeletons = map[string]string{}, map[string]string{}, map[string]string{}
	}
	if first, there := k.labels[label]; there {
		k.labels[label] = min(first, name)
		return true
	}
	k.labels[label] = name
	if core := letters(label); len(core) >= minCore {
		least(k.letters, core, label)
	}
	if whole := unhyphened(label); len(whole) >= minCore {
		least(k.skeletons, Skeleton(whole), label)
		least(k.unhyphen, whole, label)
	}
	if len(label) >= minTypo {
		k.near.add(label)
	}
	return true
}

// least keeps the first of several labels in their order, so that the order of the
// list makes no difference.
func least(m map[string]string, key, label string) {
	if first, there := m[key]; !there || label < first {
		m[key] = label
	}
}

// Spare says that a name is somebody's who has nothing to do with the list. It has no
// kin then, and neither has its label under another suffix, unless that is listed.
func (k *Kin) Spare(name dnsname.Name) {
	label, suffix, ok := Registrable(name)
	if !ok {
		return
	}
	if k.spared == nil {
		k.spared, k.sparedLabels = map[dnsname.Name]bool{}, map[string]bool{}
	}
	k.spared[dnsname.Name(label+"."+suffix)], k.sparedLabels[label] = true, true
}

// Find returns the strongest kinship of a name, false when there is none, or when it
// is spared. Whether the name is listed already is for a set to tell.
func (k *Kin) Find(name dnsname.Name) (Kinship, bool) {
	label, suffix, ok := Registrable(name)
	found := Kinship{Name: dnsname.Name(label + "." + suffix)}
	if !ok || len(label) < minSame || k.spared[found.Name] {
		return Kinship{}, false
	}
	if listed, ok := k.labels[label]; ok {
		found.Listed, found.Reason, found.Score, found.Why = listed, Same, sameScore(label), "the same label under another public suffix"
		return found, listed != found.Name
	}
	if k.sparedLabels[label] || slices.Contains(ordinary, label) {
		return Kinship{}, false
	}
	like, ok := k.resemble(label, &found)
	found.Listed = k.labels[like]
	return found, ok
}

func sameScore(label string) int {
	if len(label) < minCore {
		return 75
	}
	return 95
}

// resemble looks for a listed label that is not the same.
func (k *Kin) resemble(label string, found *Kinship) (like string, ok bool) {
	set := func(r Reason, score int, why string) { found.Reason, found.Score, found.Why = r, score, why }
	whole := unhyphened(label)
	if like, ok := k.unhyphen[whole]; ok {
		set(Hyphens, 90, "the same but for hyphens")
		return like, true
	}
	if like, ok := k.skeletons[Skeleton(whole)]; ok && letters(like) != letters(whole) {
		set(Homoglyph, 85, "looks the same")
		return like, true
	}
	if like, ok := k.letters[letters(whole)]; ok {
		set(Digits, 80, "the same but for digits")
		return like, true
	}
	if like, words := k.stem(letters(plain(label)), 2); like != "" {
		set(Affix, 75-5*len(words), "with "+strings.Join(words, " and "))
		return like, true
	}
	return k.typo(label, set)
}

func unhyphened(label string) string {
	if strings.HasPrefix(label, "xn--") {
		label = Unicode(label)
	}
	return strings.ReplaceAll(label, "-", "")
}

// typo looks for a label that is one edit away and begins alike.
func (k *Kin) typo(label string, set func(Reason, int, string)) (string, bool) {
	if len(label) < minTypo {
		return "", false
	}
	like, ok := k.near.find(label, func(l string) bool { return l[0] == label[0] })
	if ok {
		set(Typo, 60, "differs by one letter")
	}
	return like, ok
}

// The words that mirrors have before or behind the name that people look for.
var (
	before = []string{"get", "go", "the", "my", "try", "use", "new", "best", "top", "free", "ai", "app", "real", "official", "join", "hey", "just"}
	behind = []string{
		"ai", "app", "apps", "bot", "io", "net", "com", "org", "me", "pro", "plus", "vip", "free", "online", "site", "web", "hub", "hd", "tool", "tools",
		"generator", "maker", "photo", "photos", "image", "images", "pics", "mirror", "official", "login", "now", "new", "live", "tv", "x", "xxx",
		"porn", "sex", "hot", "club", "zone", "world", "space", "lab", "labs", "studio", "mobile", "apk", "download", "alternative",
	}
)

// ordinary are words that would be taken for a typo of a listed label.
var ordinary = []string{"undresses", "undressed", "nudities", "sundresses", "laundresses", "foundresses"}

// stem takes up to depth of these words off until a listed label is left, and
// returns them.
func (k *Kin) stem(core string, depth int) (like string, words []string) {
	if depth == 0 {
		return "", nil
	}
	var cuts []cut
	for _, w := range before {
		if rest, ok := strings.CutPrefix(core, w); ok && len(rest) >= minCore {
			cuts = append(cuts, cut{rest, fmt.Sprintf("%q before it", w)})
		}
	}
	for _, w := range behind {
		if rest, ok := strings.CutSuffix(core, w); ok && len(rest) >= minCore {
			cuts = append(cuts, cut{rest, fmt.Sprintf("%q behind it", w)})
		}
	}
	for _, c := range cuts {
		if like, ok := k.letters[c.rest]; ok {
			return like, []string{c.word}
		}
	}
	for _, c := range cuts {
		if like, more := k.stem(c.rest, depth-1); like != "" {
			return like, append([]string{c.word}, more...)
		}
	}
	return "", nil
}

// cut is what is left of a label, and what was taken off.
type cut struct{ rest, word string }
