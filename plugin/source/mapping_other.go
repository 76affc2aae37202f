//go:build !unix

package source

import (
	"errors"
	"os"
)

// mapFile maps nothing: on Windows a file that is mapped cannot be replaced.
func mapFile(*os.File, int64, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func (m *Mapping) unmapAtEnd() {}

// Forget does nothing.
func (m *Mapping) Forget() {}
