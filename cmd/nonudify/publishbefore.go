package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"aead.dev/minisign"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rpz"
)

// editions are those that a new one follows.
type editions struct {
	held  *oneEdition // in the directory; nil: none
	given *oneEdition // by -previous
}

// last returns the edition whose changes are told: the one that was given, or else the
// one that is there; nil when this is the first.
func (x editions) last() *oneEdition {
	if x.given != nil {
		return x.given
	}
	return x.held
}

// lacks returns what the header lacks that no flag has given.
func (p *publication) lacks(h list.Header) (faults []string) {
	for _, f := range []struct {
		there  bool
		field  string
		reason string
	}{
		{h.ID != "", "List-ID", "another list could be put in its place"},
		{h.Appeals != "", "Appeals", "nobody could tell you of a wrong entry"},
		{!h.Issued.IsZero() || !p.whenIssued.IsZero(), "Issued", "give it there, or with -issued"},
		{!h.Expires.IsZero() || !p.whenExpires.IsZero() || p.lifetime > 0, "Expires", "give it there, or with -expires"},
	} {
		if !f.there {
			faults = append(faults, fmt.Sprintf("no %s in the header: %s", f.field, f.reason))
		}
	}
	return faults
}

// precede reads the editions before and makes the header of the one that follows.
func (p *publication) precede(ctx context.Context, e *env) error {
	if err := p.readBefore(e); err != nil {
		return err
	}
	h := p.source.Header
	if !p.whenIssued.IsZero() {
		h.Issued = p.whenIssued
	}
	switch {
	case p.lifetime > 0:
		h.Expires = h.Issued.Add(p.lifetime)
	case !p.whenExpires.IsZero():
		h.Expires = p.whenExpires
	}
	if p.serial != "" {
		h.Serial = p.wantedSerial
	}
	p.header = h
	if err := p.chooseSalt(); err != nil {
		return err
	}
	p.warnKey(e)
	return p.chooseSerial(ctx, e)
}

// readBefore reads the edition that was given, and what is in the directory.
func (p *publication) readBefore(e *env) (err error) {
	if p.previous != "" {
		if p.before.given, err = p.readPrevious(e, p.previous); err != nil {
			return err
		}
		p.found.take(p.before.given.Header.Serial)
	}
	if err := p.survey(e); err != nil {
		return err
	}
	p.before.held, err = p.readHeld(e)
	return err
}

// readHeld reads the edition in the directory, nil for none: from the main file or, where
// there is none as the list was published otherwise, from another that says much of it.
func (p *publication) readHeld(e *env) (*oneEdition, error) {
	for _, to := range []list.Target{p.main(), list.ToDomains, list.ToRPZ, list.ToHashes} {
		x, err := p.readPrevious(e, filepath.Join(p.dir, listName(to)))
		if !errors.Is(err, fs.ErrNotExist) {
			return x, err
		}
	}
	return nil, nil
}

// readPrevious reads an edition, which must be one of this list.
func (p *publication) readPrevious(e *env, name string) (*oneEdition, error) {
	x, err := readEdition(e, name)
	if err != nil {
		return nil, err
	}
	if id := x.Header.ID; id != p.source.Header.ID {
		return nil, fmt.Errorf("%s: is an edition of another list: its List-ID is %q, not %q", name, printable(id), p.source.Header.ID)
	}
	x.File = p.mainName() // the same edition makes the same changelog, wherever it was
	x.publishable(p.publishFlags.comments)
	return x, nil
}

// chooseSalt finds the salt of the blinded list: the one that was given, or that of
// the edition before, or for the first one what the List-ID makes. It is no secret; it
// only has to be another than that of other lists, and to stay.
func (p *publication) chooseSalt() error {
	before, err := p.saltBefore()
	switch {
	case err != nil:
		return err
	case before.HasSalt && p.salted && before.Salt != p.salt:
		return fmt.Errorf("-salt is not that of %s, %s: with another one nobody can compare the editions",
			filepath.Join(p.dir, listName(list.ToHashes)), before.Salt)
	case p.salted:
	case before.HasSalt:
		p.salt = before.Salt
	default:
		sum := sha256.Sum256([]byte("nudify-list/salt\x00" + p.source.Header.ID))
		copy(p.salt[:], sum[:])
	}
	return nil
}

// saltBefore returns the header of the blinded list that is in the directory.
func (p *publication) saltBefore() (list.Header, error) {
	f, err := openRegular(filepath.Join(p.dir, listName(list.ToHashes)))
	if err != nil || f == nil {
		return list.Header{}, err
	}
	defer f.Close()
	s := list.NewScanner(f, list.Config{Format: list.Hashes})
	s.Scan() // up to the first hash
	return s.Header(), s.Err()
}

// warnKey says so when the edition is signed with another key than the one before.
func (p *publication) warnKey(e *env) {
	var before minisign.PublicKey
	text, err := p.heldText(pubName, maxKeyFile)
	if err != nil || before.UnmarshalText(bytes.TrimSpace(text)) != nil {
		return
	}
	if !before.Equal(p.secret.Public()) {
		e.note("warning: the edition before was signed with key %016X, this one is with %016X: whoever has pinned the one will not take the other",
			before.ID(), p.secret.ID())
	}
}

// chooseSerial finds the serial, which is never one that goes back.
func (p *publication) chooseSerial(ctx context.Context, e *env) error {
	was := p.found.newest
	switch wanted := p.header.Serial; {
	case wanted == 0:
		return p.nextSerial(ctx, e)
	case was == 0 || rpz.Newer(wanted, was):
		return nil
	case wanted != was:
		return fmt.Errorf("serial %d is older than %d, that of the edition before: no resolver that has it would take this one: raise it, or have it found by -serial next", wanted, was)
	}
	same, err := p.same(ctx, e)
	if err == nil && !same {
		err = fmt.Errorf("serial %d is that of the edition before, which is not the same: raise it, or have it found by -serial next", was)
	}
	return err
}

// nextSerial finds the serial that nobody has asked for: that of the edition before, if
// this one would be the same.
func (p *publication) nextSerial(ctx context.Context, e *env) error {
	was := p.found.newest
	if was != 0 {
		p.header.Serial = was
		same, err := p.same(ctx, e)
		if err != nil || same {
			return err
		}
	}
	p.header.Serial = serialAfter(was, p.header.Issued)
	return nil
}

// serialOf returns the first serial of a day, 2026112201. RFC 1912 §2.2 recommends it.
func serialOf(issued time.Time) uint32 {
	y, m, d := issued.UTC().Date()
	return uint32(y*1000000+int(m)*10000+d*100) + 1
}

// serialAfter returns the serial of an edition that follows another: the first of its
// day, or the next one. Zero would mean that there is none.
func serialAfter(before uint32, issued time.Time) uint32 {
	if first := serialOf(issued); before == 0 || rpz.Newer(first, before) {
		return first
	}
	return max(before+1, 1)
}
