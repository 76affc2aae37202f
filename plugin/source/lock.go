package source

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Lock makes c the only one to save this copy, in this process and all others,
// until Unlock or the end of the process. It makes the directory when there is
// none, and removes what a killed process left behind. It does not wait: the
// error is ErrLocked when another has the lock, else of package os. Locking what
// is locked by c is fine.
func (c *Copy) Lock() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock != nil {
		return nil
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	// Only our own user may open the file: who can open it can lock it.
	path := filepath.Join(c.Dir, c.name()+suffixLock)
	l := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
	locked, err := l.TryLock()
	if err == nil && !locked {
		err = ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	c.lock = l
	c.sweep()
	return nil
}

// Unlock lets others save. The file that was locked stays: to remove it would
// race with who opens it. A spool that is not saved by now may be swept away by
// the next one to lock.
func (c *Copy) Unlock() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock == nil {
		return nil
	}
	l := c.lock
	c.lock = nil
	return l.Close()
}

// smallAge is the age from which a small file that is still being written is
// taken for left behind: to write one needs no lock.
const smallAge = time.Hour

var tempForm = regexp.MustCompile(`^\.[0-9a-f]{16}\.(tmp|new)$`)

// sweep removes the temporary files of processes that were killed. A spool is
// made under the lock only, so that of any that is there nobody is left. What
// cannot be removed does no harm and stays for the next time.
func (c *Copy) sweep() {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), c.name())
		if !ours || !tempForm.MatchString(rest) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); strings.HasSuffix(rest, suffixSmall) && (err != nil || time.Since(info.ModTime()) < smallAge) {
			continue
		}
		os.Remove(filepath.Join(c.Dir, e.Name()))
	}
}
