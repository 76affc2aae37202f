//go:build !linux && !darwin && !freebsd

package main

import (
	"errors"
	"io/fs"
)

// fileLimit returns how many files a process may have open: here that is not known.
func fileLimit() (n int64, who string, err error) { return 0, "", errors.ErrUnsupported }

// freeSpace returns how many bytes are free: here that is not known.
func freeSpace(string) (int64, error) { return 0, errors.ErrUnsupported }

// foreignTo reports whether a file belongs to another user: here that is not known.
func foreignTo(fs.FileInfo, string) (owner string, foreign bool) { return "", false }
