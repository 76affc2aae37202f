package list

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/nonudify/nonudify/plugin/rule"
)

// share is about how many hashes, or entries of a database, are held at a time: 16
// MiB of hashes. More are made in several rounds, each for its share of them. It is a
// variable for tests.
var share = 1 << 20

// hashRoom reports whether a blinded list has a place for the name.
func hashRoom(e Entry) bool {
	n := e.Name.Labels()
	return rule.MinHashLabels <= n && n <= rule.MaxHashLabels
}

// hashes writes a blinded list, sorted, so that its order says nothing of the names.
func (l listing) hashes(out *bufio.Writer) (done Written, err error) {
	done.Loss, done.Idle, err = l.nodes(func(node) error {
		done.Rules++
		return nil
	})
	if err = done.check(err); err != nil {
		return done, err
	}
	header, err := l.header("#", done)
	if err != nil {
		return done, err
	}
	out.Write(header)
	rounds := (done.Rules + share - 1) / share
	for round := range rounds {
		if err := l.hashRound(out, round, rounds, done.Rules/rounds); err != nil {
			return done, err
		}
	}
	return done, nil
}

// hashRound writes the hashes of one round. Hashes are spread evenly, so each
// round has about as many as the others.
func (l listing) hashRound(out *bufio.Writer, round, rounds, each int) error {
	all := make([]rule.Hash, 0, each+each/64+1024)
	_, _, err := l.nodes(func(n node) error {
		h := rule.HashName(l.Salt, n.name)
		if uint64(binary.BigEndian.Uint32(h[:]))*uint64(rounds)>>32 == uint64(round) {
			all = append(all, h)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b rule.Hash) int { return bytes.Compare(a[:], b[:]) })
	for _, h := range all {
		line := append(hex.AppendEncode(out.AvailableBuffer(), h[:]), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return nil
}
