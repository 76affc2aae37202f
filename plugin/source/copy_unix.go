//go:build unix

package source

import (
	"errors"
	"os"
	"syscall"
)

// syncDir makes a rename in a directory durable. File systems that cannot do
// that say that the request makes no sense; nothing more can be had there.
func syncDir(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
