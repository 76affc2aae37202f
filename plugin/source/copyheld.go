package source

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxSmall bounds the files that say what is held and what is approved, in
// bytes.
const maxSmall = 64 << 10

// Held says of an edition that was not used that it waits for someone to
// approve it.
type Held struct {
	Source  string    `json:"source"` // of which only what is Public is kept
	List    string    `json:"list,omitempty"`
	Sum     [32]byte  `json:"-"` // SHA-256 by which the edition is known
	Serial  uint32    `json:"serial,omitempty"`
	Entries int       `json:"entries"`
	Before  int       `json:"before"` // the entries of the edition in use
	Reason  string    `json:"reason"`
	Seen    time.Time `json:"seen,omitzero"` // first
}

// heldFile is a Held as it is written.
type heldFile struct {
	Held
	Sum hexSum `json:"sum"`
}

// Hold notes an edition that waits for approval, in place of the one noted
// before.
func (c *Copy) Hold(h Held) error {
	h.Source, h.Seen = Redact(h.Source), h.Seen.UTC()
	data, err := json.MarshalIndent(heldFile{h, h.Sum}, "", "\t")
	if err == nil && len(data) >= maxSmall {
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxSmall)
	}
	if err == nil {
		err = replaceFile(c.Dir, c.name(), suffixHeld, append(data, '\n'))
	}
	return c.wrapSmall(suffixHeld, err)
}

// Held returns the edition that waits for approval. The error is ErrNoCopy when
// none does, ErrDamaged, or of package os.
func (c *Copy) Held() (Held, error) {
	data, err := c.readSmall(suffixHeld)
	if err != nil {
		return Held{}, c.wrapSmall(suffixHeld, noCopy(err))
	}
	var h heldFile
	if err := json.Unmarshal(data, &h); err != nil {
		return Held{}, c.wrapSmall(suffixHeld, damaged("%v", err))
	}
	h.Held.Sum = h.Sum
	return h.Held, nil
}

// Approve says that the edition with this SHA-256 may be used whatever was
// found wrong with it. It needs no lock: the tool approves while the server
// runs.
func (c *Copy) Approve(sum [32]byte) error {
	return c.wrapSmall(suffixApproved, replaceFile(c.Dir, c.name(), suffixApproved, approval(sum)))
}

// Approved reports whether the edition with this SHA-256 was approved.
func (c *Copy) Approved(sum [32]byte) bool {
	data, err := c.readSmall(suffixApproved)
	return err == nil && string(data) == string(approval(sum))
}

// approval is what a file of an approval holds.
func approval(sum [32]byte) []byte { return append(hex.AppendEncode(nil, sum[:]), '\n') }

// Forget removes what is held and what is approved: an edition is in use, and
// an approval holds once.
func (c *Copy) Forget() error {
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return ignoreMissing(err)
	}
	defer root.Close()
	// The approval goes first: without it, what is held only waits again.
	for _, suffix := range []string{suffixApproved, suffixHeld} {
		if err := ignoreMissing(root.Remove(c.name() + suffix)); err != nil {
			return c.wrapSmall(suffix, err)
		}
	}
	return syncDir(root)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// readSmall reads a whole file of at most maxSmall bytes.
func (c *Copy) readSmall(suffix string) ([]byte, error) {
	f, err := openRegular(c.Dir, c.name()+suffix)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxSmall)
	}
	return data, err
}

// wrapSmall adds which file an error is about.
func (c *Copy) wrapSmall(suffix string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", filepath.Join(c.Dir, c.name()+suffix), err)
}

// HeldIn returns the copies in a state directory of which an edition is held,
// in the order of their file names. It is for who does not know the lists: the
// Source of each is that of its Held, which need not be all of it, or "" when
// Held returns an error; none of them is to be saved to. The error is of package
// os.
func HeldIn(dir string) ([]*Copy, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var copies []*Copy
	for _, e := range entries {
		stem, isHeld := strings.CutSuffix(e.Name(), suffixHeld)
		if !isHeld || !stemForm.MatchString(stem) || !e.Type().IsRegular() {
			continue
		}
		c := &Copy{Dir: dir, stem: stem}
		if h, err := c.Held(); err == nil {
			c.Source = h.Source
		}
		copies = append(copies, c)
	}
	return copies, nil
}
