package helpline

import "fmt"

// Kind is what an entry helps with.
type Kind uint8

// The kinds, in the order of a page.
const (
	Emergency Kind = iota // police, ambulance, fire
	Child                 // helpline for children and young people
	Hotline               // takes reports of illegal images
	Removal               // has images taken down
	Behaviour             // for people worried about their own behaviour
	Centre                // Safer Internet Centre: advice for children, parents and teachers
	Finder                // finds helplines in all countries
)

var kinds = [...]string{"emergency", "child", "hotline", "removal", "behaviour", "centre", "finder"}

// Age says whom an entry is for. The zero value is everybody.
type Age uint8

// The ages.
const (
	Anyone          Age = iota
	Under18             // people under 18
	Adults              // people of 18 and more, and so they were in the image
	PicturedUnder18     // people of any age who were under 18 in the image
)

var ages = [...]string{"", "under18", "adults", "pictured-under18"}

// Use is whom an emergency number reaches. The zero value is not known, which
// an operator's number is: its name says it.
type Use uint8

// The uses. A number for two of them is two entries.
const (
	Unknown Use = iota
	All         // police, ambulance and fire brigade
	Police
	Ambulance
	Fire
	Mobile // all, from a mobile telephone
)

var uses = [...]string{"", "all", "police", "ambulance", "fire", "mobile"}

// String returns the kind's name, as the tables have it.
func (k Kind) String() string { return text("kind", kinds[:], k) }

// String returns the age's name, as the tables have it: empty for everybody.
func (a Age) String() string { return text("age", ages[:], a) }

// String returns the use's name, as the tables have it: empty where not known.
func (u Use) String() string { return text("use", uses[:], u) }

func text[T ~uint8](what string, names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", what, uint8(v))
}
