// Package corpus makes the names that a benchmark lists and asks for, and the list
// in the formats of all products. Everything follows from a number, so that two runs
// on two machines ask the same, nothing of it has to be held in memory, and whether
// a name is listed is known without looking it up.
package corpus

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
)

// The names are made of syllables of two letters. 64 of them make a digit of 6 bits,
// so that the first eight letters of a label are a number of 24 bits, and no two
// numbers make the same name.
var syllables = strings.Fields("an ar ba be bi bo bu ca ce co cu da de di do du el en er es fa fe fi fo ga ge gi go ha he hi ho " +
	"in ja jo ka ke ki ko la le li lo lu ma me mi mo na ne ni no pa pe ra re ri ro sa se ta te va ve")

var words = strings.Fields("app art best cloud face free image lab magic online photo pic pro shop star studio tool web")

var hosts = strings.Fields("www api cdn img static app m go media login")

// topLevels are codes that ISO 3166-1 leaves to its users and that can therefore
// never become top-level domains: nobody's name is meant, and yet the names are as
// long and as deep as real ones. The first stands for what com is among real names.
var topLevels = strings.Fields("xa xa xa xa xa xa xa xa xb xb xc xd xe qm qn zz")

// Most is the largest list that there are names for.
const Most = 1 << 23

// Listed returns the name at a place in the list, from 0 on: a shorter list is the
// beginning of a longer one. No listed name lies below another one.
func Listed(i int) string { return name(uint32(i) << 1) }

// Passing returns a name that no list has, nor any name above it. There are as many
// as listed ones.
func Passing(i int) string { return name(uint32(i)<<1 | 1) }

// name returns the name of a number below 1<<24: mostly registered domains, some
// hosts, of these half below domains that many share.
func name(n uint32) string {
	h := scatter(n)
	label := digits(h, 4) + ending(h*2654435761>>8)
	switch h >> 3 % 10 {
	case 0:
		return hosts[h>>7%uint32(len(hosts))] + "." + label + "." + topLevel(h)
	case 1:
		return label + "." + shared(h>>9%2048)
	}
	return label + "." + topLevel(h)
}

// scatter is a one-to-one mapping of 24 bits, so that neighbours in the list look
// nothing like each other.
func scatter(n uint32) uint32 {
	const mask = 1<<24 - 1
	for range 2 {
		n = n * 0x9e3779b1 & mask
		n ^= n >> 11
	}
	return n
}

// digits returns so many syllables of a number.
func digits(n uint32, count int) string {
	var b strings.Builder
	for range count {
		b.WriteString(syllables[n&63])
		n >>= 6
	}
	return b.String()
}

// ending returns what comes behind the number in a label.
func ending(n uint32) string {
	switch n % 8 {
	case 0, 1:
		return digits(n>>3, 1)
	case 2:
		return digits(n>>3, 2)
	case 3:
		return fmt.Sprint(n >> 3 % 10000)
	case 4:
		return "-" + words[n>>3%uint32(len(words))]
	}
	return ""
}

func topLevel(n uint32) string { return topLevels[n>>5%uint32(len(topLevels))] }

// shared returns a domain that many have hosts below. Its label has a hyphen where
// all others have a letter, so that it is none of them.
func shared(n uint32) string {
	return digits(n*2654435761>>12, 2) + "-" + words[n%uint32(len(words))] + fmt.Sprint(n) + "." + topLevel(n*2654435761)
}

// Question is a name to ask for and what has to become of it.
type Question struct {
	Name    string // without the dot at the end
	Blocked bool
}

// popular is how many names are asked for again and again.
const popular = 5000

// Popular yields the names that pass and are asked for again and again.
func Popular() iter.Seq[Question] {
	return func(yield func(Question) bool) {
		for i := range popular {
			if !yield(Question{Name: Passing(i)}) {
				return
			}
		}
	}
}

// Draw yields so many questions about a list of that size, always the same: of each
// hundred so many about blocked names, listed ones and, two of five times, names
// below them; the others are popular.
func Draw(size, count, percent int) iter.Seq[Question] {
	r := rand.New(rand.NewPCG(uint64(size), uint64(percent)))
	return func(yield func(Question) bool) {
		for range count {
			q := Question{Name: Passing(r.IntN(popular))}
			if r.IntN(100) < percent {
				q = blocked(r, size)
			}
			if !yield(q) {
				return
			}
		}
	}
}

func blocked(r *rand.Rand, size int) Question {
	name := Listed(r.IntN(size))
	if r.IntN(5) < 2 {
		name = below(r, name)
	}
	return Question{name, true}
}

// below returns a name one or two labels below another one.
func below(r *rand.Rand, name string) string {
	name = hosts[r.IntN(len(hosts))] + "." + name
	if r.IntN(3) == 0 {
		name = fmt.Sprintf("x%d.%s", r.IntN(10000), name)
	}
	return name
}

// Probes yields questions of all kinds about a list of that size, for a check before
// anything is measured: listed names, names below them, names that pass, and names
// that pass though they are almost those of the list. The last name of the list is
// the first question.
func Probes(size, count int) iter.Seq[Question] {
	r := rand.New(rand.NewPCG(uint64(size), 1))
	return func(yield func(Question) bool) {
		if !yield(Question{Listed(size - 1), true}) {
			return
		}
		for i := range count {
			listed := Listed(r.IntN(size))
			pass := Passing(popular + r.IntN(popular))
			for _, q := range []Question{{listed, true}, {below(r, listed), true}, {pass, false}, {near(i, listed, pass), false}} {
				if !yield(q) {
					return
				}
			}
		}
	}
}

// near returns a name that is not listed and looks as if it were.
func near(i int, listed, pass string) string {
	switch i % 3 {
	case 0:
		return "0" + listed // no label begins with a digit
	case 1:
		return listed + "." + pass
	}
	return shared(uint32(i) % 2048)
}
