package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/nonudify/nonudify/plugin/packettest"
)

// anyCase returns a name on the wire with its letters in any case.
func anyCase(r *rand.Rand, name []byte) []byte {
	b, mode := bytes.Clone(name), r.IntN(4)
	for i, c := range b {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if letter && (mode == 0 || mode == 1 && r.IntN(2) == 0) {
			b[i] ^= 'a' - 'A'
		}
	}
	return b
}

// deepen puts random labels in front of a name, as many as there is room for or
// a few.
func deepen(r *rand.Rand, name []byte) []byte {
	few := 1 + r.IntN(4)
	if r.IntN(8) == 0 {
		few = 127
	}
	for range few {
		room := packettest.MaxName - len(name) - 1
		if room < 1 {
			break
		}
		n := 1
		if r.IntN(3) > 0 && few < 127 {
			n = 1 + r.IntN(min(room, 63))
		}
		name = append(label(r, n), name...)
	}
	return name
}

// label returns one label, with its length, of letters or of any octets.
func label(r *rand.Rand, n int) []byte {
	b := []byte{byte(n)}
	odd := r.IntN(6) == 0
	for range n {
		c := "abcdefghijklmnopqrstuvwxyz0123456789-_"[r.IntN(38)]
		if odd {
			c = byte(r.IntN(256))
		}
		b = append(b, c)
	}
	return b
}

// lookalike returns a name that differs a little from the one it is given. Most
// of them are strangers, some are below it.
func lookalike(r *rand.Rand, name []byte) []byte {
	ls := packettest.Split(name)
	i := r.IntN(len(ls))
	l := ls[i]
	at := r.IntN(len(l))
	switch r.IntN(9) {
	case 0:
		ls[i] = l[:at] + string("abc-_019. \x00\xff"[r.IntN(12)]) + l[at:]
	case 1:
		ls[i] = "not" + l
	case 2:
		if len(l) > 1 {
			ls[i] = l[:at] + l[at+1:]
		}
	case 3: // the dot is part of a label
		return packettest.Labels(strings.Join(ls[:2], "."), strings.Join(ls[2:], "-")+"x")
	case 4:
		return packettest.Labels("www."+ls[0], strings.Join(ls[1:], "."))
	case 5:
		ls = append(ls, "test")
	case 6:
		ls[i] = l[:at] + string(l[at]^byte(1<<r.IntN(8))) + l[at+1:]
	case 7:
		ls = slices.Delete(ls, i, i+1)
	case 8:
		ls[0] = "www." + ls[0]
	}
	return packettest.Labels(ls...)
}
