package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rpz"
)

// found is what the directory holds of editions before: of one, or of two where a run
// was ended half-way, or another one than that of the main file where the list was
// published otherwise, blinded for instance. Every serial in there is one that somebody
// may have.
type found struct {
	newest uint32                 // serial; 0: there is none
	files  map[list.Target]uint32 // the serials of the lists
	index  foundIndex
}

// foundIndex is what index.json says of its edition.
type foundIndex struct {
	ID      string
	Serial  uint32
	Blinded bool
	Files   []struct{ Name, SHA256 string }
}

// maxIndex bounds index.json in bytes, some hundred times of what it has.
const maxIndex = 1 << 20

// survey reads of every list in the directory, and of the index, which edition they are
// of. Another list in there is refused: its readers would find this one in its place.
func (p *publication) survey(e *env) error {
	p.found.files = map[list.Target]uint32{}
	for _, to := range list.Targets() {
		name := filepath.Join(p.dir, listName(to))
		h, err := headerOf(name, to)
		if err != nil {
			return err
		}
		if err := p.ours(name, h.ID); err != nil {
			return err
		}
		if h.Serial != 0 {
			p.found.files[to] = h.Serial
			p.found.take(h.Serial)
		}
	}
	return p.surveyIndex(e)
}

// surveyIndex does so for the index. One that cannot be read is made again.
func (p *publication) surveyIndex(e *env) error {
	name := filepath.Join(p.dir, indexJSON)
	f, err := openRegular(name)
	if f == nil || err != nil {
		return err
	}
	defer f.Close()
	text, err := readSmall(f, maxIndex)
	if err == nil {
		err = json.Unmarshal(text, &p.found.index)
	}
	if err != nil {
		p.found.index = foundIndex{}
		e.note("warning: %s: says nothing of the edition before: %v", name, err)
		return nil
	}
	p.found.take(p.found.index.Serial)
	return p.ours(name, p.found.index.ID)
}

// take enters a serial. One that RFC 1982 cannot compare with another is not newer.
func (x *found) take(serial uint32) {
	if x.newest == 0 || serial != 0 && rpz.Newer(serial, x.newest) {
		x.newest = serial
	}
}

// ours refuses a file of another list. One without a List-ID is none of publish.
func (p *publication) ours(name, id string) error {
	if id == "" || id == p.source.Header.ID {
		return nil
	}
	return fmt.Errorf("%s: is an edition of another list: its List-ID is %q, not %q: publish into a directory of its own, or take the files of that list away first",
		name, printable(id), p.source.Header.ID)
}

// openRegular opens a regular file; nil for anything else, and for one that is not
// there. What is in the place of a file is found when it is to be replaced.
func openRegular(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return os.Open(name)
}

// headerOf returns the header of a list that publish has written.
func headerOf(name string, to list.Target) (list.Header, error) {
	f, err := openRegular(name)
	if f == nil || err != nil {
		return list.Header{}, err
	}
	defer f.Close()
	return list.ReadHeader(f, to)
}

// claims are the sums in hex of the lists of an edition, by their targets.
type claims map[list.Target]string

// errOther says that an edition is not the one that is to be made.
var errOther = errors.New("another edition")

// add enters a sum. Two of one file are of two editions.
func (x claims) add(to list.Target, sum string) error {
	if was, there := x[to]; there && was != sum {
		return errOther
	}
	x[to] = sum
	return nil
}

// claimed returns what is known of the edition with the newest serial: the lists that
// are there, those that the index tells of, and that of -previous. The error is
// errOther if that is more than one edition, or one that is published otherwise.
func (p *publication) claimed() (claims, error) {
	all := claims{}
	for to, serial := range p.found.files {
		if serial != p.found.newest {
			continue
		}
		sum, err := sumOf(filepath.Join(p.dir, listName(to)))
		if err == nil {
			err = all.add(to, sum)
		}
		if err != nil {
			return nil, err
		}
	}
	if x := p.before.given; x != nil && x.Header.Serial == p.found.newest {
		if err := all.add(p.main(), fmt.Sprintf("%x", x.sum)); err != nil {
			return nil, err
		}
	}
	return all, p.claimedByIndex(all)
}

// claimedByIndex adds what the index tells.
func (p *publication) claimedByIndex(all claims) error {
	x := p.found.index
	switch {
	case x.Serial != p.found.newest:
		return nil
	case x.Blinded != p.blinded:
		return errOther
	}
	for _, f := range x.Files {
		i := slices.IndexFunc(list.Targets(), func(to list.Target) bool { return listName(to) == f.Name })
		if i < 0 { // of a later version of this program
			return errOther
		}
		if err := all.add(list.Targets()[i], f.SHA256); err != nil {
			return err
		}
	}
	return nil
}

// sumOf returns the SHA-256 of a file in hex.
func sumOf(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return fmt.Sprintf("%x", sum.Sum(nil)), err
}

// same reports whether the edition would be, byte for byte, the one that is known by the
// newest serial. The main file is compared first: it is another one nearly always.
func (p *publication) same(ctx context.Context, e *env) (bool, error) {
	all, err := p.claimed()
	if errors.Is(err, errOther) {
		return false, nil
	}
	if err != nil || len(all) == 0 {
		return false, err
	}
	order := slices.Sorted(maps.Keys(all))
	if i := slices.Index(order, p.main()); i > 0 {
		order[0], order[i] = order[i], order[0]
	}
	for _, to := range order {
		if same, err := p.sameList(ctx, e, to, all[to]); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// sameList reports whether the list would have the sum when it is written as a target.
func (p *publication) sameList(ctx context.Context, e *env, to list.Target, want string) (bool, error) {
	if !slices.Contains(p.targets(), to) {
		return false, nil
	}
	sum := sha256.New()
	_, err := p.write(ctx, e, sum, list.WriteConfig{To: to, Header: p.header, Salt: p.salt})
	switch {
	case ctx.Err() != nil:
		return false, errStopped
	case errors.Is(err, list.ErrNothing), errors.Is(err, list.ErrTooLarge):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s: %w", listName(to), err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)) == want, nil
}
