//go:build linux || darwin || freebsd

package main

import (
	"io/fs"
	"math"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileLimit returns how many files a process may have open, and whose limit that is: that
// of this program, which a server that is started in the same way has.
func fileLimit() (n int64, who string, err error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, "", err
	}
	return int64(min(uint64(l.Max), math.MaxInt64)), "a program that is started from here", nil
}

// freeSpace returns how many bytes users may still write where a directory is.
func freeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(min(uint64(max(s.Bavail, 0))*uint64(s.Bsize), math.MaxInt64)), nil
}

// foreignTo reports whether a file belongs to another user than who is called so, and to
// whom. If there is no such user, it does not.
func foreignTo(info fs.FileInfo, who string) (owner string, foreign bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	u, err := user.Lookup(who)
	if !ok || err != nil || u.Uid == strconv.Itoa(int(s.Uid)) {
		return "", false
	}
	owner = strconv.Itoa(int(s.Uid))
	if o, err := user.LookupId(owner); err == nil {
		owner = o.Username
	}
	return owner, true
}
