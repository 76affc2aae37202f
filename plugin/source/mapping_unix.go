//go:build unix

package source

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// mapFile maps a file from the beginning of a page on.
func mapFile(f *os.File, from int64, size int) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), from, size, unix.PROT_READ, unix.MAP_SHARED)
}

// unmapAtEnd gives the memory back once nobody has the mapping any more.
func (m *Mapping) unmapAtEnd() {
	runtime.AddCleanup(m, func(whole []byte) { _ = unix.Munmap(whole) }, m.whole) // an error could only be a mistake of ours
}

// Forget has the system drop what it has read. It reads again what is looked at from
// then on, and no more than that.
func (m *Mapping) Forget() {
	// Both are but advice.
	_ = unix.Madvise(m.whole, unix.MADV_DONTNEED)
	_ = unix.Madvise(m.whole, unix.MADV_RANDOM)
}
