//go:build unix

package authority

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// guarded refuses a key that others can read or write, or that belongs to
// somebody else, who could change that. An access list shows in the bits of the
// group.
func guarded(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&^0o600 != 0 {
		return fmt.Errorf("mode %04o is open to others: chmod 600", mode)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int64(s.Uid) != int64(os.Geteuid()) {
		return fmt.Errorf("belongs to user %d, but this program runs as user %d: chown %[2]d", s.Uid, os.Geteuid())
	}
	return nil
}
