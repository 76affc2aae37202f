package likeness

import "github.com/nonudify/nonudify/plugin/dnsname"

// From this many letters on, a likeness is more than chance.
const (
	minSame     = 4 // the same label under another suffix
	minSkeleton = 5 // looks the same
	minEdit     = 6 // one letter is another, for Known
	minCore     = 6 // hyphens, digits or affixes, for Kin
	minTypo     = 8 // one letter is another, for Kin
)

// Known are names that many people know, of which a list should not hold the next
// best one by a slip of the keyboard. The zero value knows none.
type Known struct {
	labels    map[string]dnsname.Name // by their registrable label
	skeletons map[string]dnsname.Name
	near      near
}

// Add adds a name. One that is a public suffix cannot be confused with another.
func (k *Known) Add(name dnsname.Name) {
	label, _, ok := Registrable(name)
	if !ok || len(label) < minSkeleton {
		return
	}
	if k.labels == nil {
		k.labels, k.skeletons = map[string]dnsname.Name{}, map[string]dnsname.Name{}
	}
	if _, there := k.labels[label]; there {
		return
	}
	k.labels[label], k.skeletons[Skeleton(label)] = name, name
	if len(label) >= minEdit {
		k.near.add(label)
	}
}

// Like returns the known name that a name could be taken for, and why.
func (k *Known) Like(name dnsname.Name) (known dnsname.Name, why string, ok bool) {
	label, _, ok := Registrable(name)
	if !ok || len(label) < minSkeleton {
		return "", "", false
	}
	if known, ok := k.labels[label]; ok {
		return known, "has the same label", true
	}
	if known, ok := k.skeletons[Skeleton(label)]; ok {
		return known, "looks the same", true
	}
	if other, ok := k.near.find(label, func(string) bool { return len(label) >= minEdit }); ok {
		return k.labels[other], "differs by one letter", true
	}
	return "", "", false
}
