//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// isOurs reports whether a file belongs to the user that we are.
func isOurs(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == syscall.Geteuid()
}

// sameGroup gives a file the group of another, and reports whether it has that.
func sameGroup(name string, as fs.FileInfo) bool {
	s, ok := as.Sys().(*syscall.Stat_t)
	return ok && os.Chown(name, -1, int(s.Gid)) == nil
}

// asOwner does something in a directory and, if we are root, as the user that the
// directory belongs to: a server that runs as that user could not lock, replace
// or remove what root leaves there. What is made can be read by everybody, so
// that it can be whoever the server is.
func asOwner(dir string, do func() error) error {
	before := syscall.Umask(0o022)
	defer syscall.Umask(before)
	info, err := os.Stat(dir)
	if err != nil || syscall.Geteuid() != 0 {
		return do()
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || s.Uid == 0 {
		return do()
	}
	if err := syscall.Setegid(int(s.Gid)); err != nil {
		return fmt.Errorf("%s belongs to a user that we cannot become: %w", dir, err)
	}
	defer syscall.Setegid(os.Getgid()) // what root gave up, root gets back
	if err := syscall.Seteuid(int(s.Uid)); err != nil {
		return fmt.Errorf("%s belongs to a user that we cannot become: %w", dir, err)
	}
	defer syscall.Seteuid(0)
	return do()
}

// giveTo gives a file to a user and its group.
func giveTo(name, who string) error {
	u, err := user.Lookup(who)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(name, uid, gid)
}
