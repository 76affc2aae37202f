package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
)

// Bounds of what a machine should have.
const (
	leastFiles = 1024     // files that a process may have open, sockets included
	leastSpace = 16 << 20 // bytes that are free where lists are kept
	largestGap = 5 * time.Minute
)

// made returns a time that was before this program was: the day of the built-in list, or
// of the last commit if the program knows it.
func made() time.Time {
	var t time.Time
	if l, err := builtinList(); err == nil {
		t = l.Header.Issued
	}
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return t
	}
	for _, s := range info.Settings {
		if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && at.After(t) {
			t = at
		}
	}
	return t
}

// builtinList returns the list that is part of the program, which is read once.
var builtinList = sync.OnceValues(func() (*feed.List, error) {
	return loadGuarded(bytes.NewReader(builtin.List()), time.Time{}, feed.LoadConfig{File: builtin.Name})
})

// lookAtClock compares the clock with what must be past. Without the right time no
// certificate is good, and no list is fetched.
func (x *examination) lookAtClock() {
	const remedy = "Set the clock: 'timedatectl set-ntp true', or a time server in the settings of the machine; a machine without a battery needs that at each start"
	now, past := x.env.now(), made()
	if now.Before(past) {
		x.wrong("clock", remedy, "the clock says %s, and this program was made after %s", stamp(now.UTC()), stamp(past.UTC()))
		return
	}
	x.fine("clock", "the clock says %s", stamp(now.UTC()))
}

// lookAtMachine looks at what the server needs of the machine.
func (x *examination) lookAtMachine() {
	x.lookAtFiles()
	configs := make([]*directive.Config, len(x.servers))
	for i, s := range x.servers {
		configs[i] = s.config
	}
	for _, dir := range stateOf(configs) {
		x.lookAtState(dir)
	}
	remote := func(l directive.List) bool { return strings.Contains(l.Sources[0], "://") }
	stateless := func(c *directive.Config) bool { return c.State == "" && slices.ContainsFunc(c.Lists, remote) }
	if slices.ContainsFunc(configs, stateless) {
		x.wrong("state", "Add 'state "+defaultState+"' to the directive", "no directory keeps the lists that come over the network: each start is without them, until they have come")
	}
}

// lookAtFiles looks at how many files the server may have open.
func (x *examination) lookAtFiles() {
	n, who, err := x.machine.files()
	switch {
	case err != nil:
		x.fine("files", "how many files a process may have open is not known here: %v", err)
	case n < leastFiles:
		x.wrong("files", "Give the service more, with LimitNOFILE=65536 in its unit: each client over TCP is one",
			"%s may have %d files open, sockets included", who, n)
	default:
		x.fine("files", "%s may have %d files open", who, n)
	}
}

// lookAtState looks whether the server can keep lists in a directory.
func (x *examination) lookAtState(dir string) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.wrong("state", fmt.Sprintf("Make it: 'mkdir -p %s', and 'chown %s: %s' if the server runs as that user", dir, x.user, dir), "%s is not there", dir)
		return
	case err != nil:
		x.wrong("state", "Have the user that the server runs as own it and all directories above it be open to him", "%v", err)
		return
	case !info.IsDir():
		x.wrong("state", "Name a directory after 'state'", "%s is no directory", dir)
		return
	}
	if who, foreign := foreignTo(info, x.user); foreign {
		x.wrong("state", fmt.Sprintf("'chown -R %s: %s'", x.user, dir), "%s belongs to %s, and the service runs as %s", dir, who, x.user)
		return
	}
	if os.Geteuid() > 0 && !isOurs(info) {
		x.hint("state", "Run doctor with sudo", "whether the server can write %s only root can tell", dir)
		return
	}
	if err := asOwner(dir, func() error { return tryFile(dir) }); err != nil {
		x.wrong("state", "Have the user that the server runs as own it, on a disk that can be written: without a copy, the next start knows no list", "%v", err)
		return
	}
	x.fine("state", "%s can be written", dir)
	x.lookAtDisk(dir)
}

// tryFile makes a file, and removes it.
func tryFile(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// lookAtDisk looks whether there is room for the next edition beside what is kept.
func (x *examination) lookAtDisk(dir string) {
	free, err := x.machine.free(dir)
	need := max(leastSpace, keptIn(dir))
	switch {
	case err != nil:
		x.fine("disk", "how much is free at %s is not known here: %v", dir, err)
	case free < need:
		x.wrong("disk", "Make room: until then new lists are used and not kept, and the next start is with older ones",
			"%s is free at %s, and the next edition of the lists may take %s", size(free), dir, size(need))
	default:
		x.fine("disk", "%s is free at %s", size(free), dir)
	}
}

// keptIn returns the size of the copies in a directory: those of the next editions are
// written beside them.
func keptIn(dir string) (n int64) {
	files, err := filepath.Glob(filepath.Join(dir, "*.list"))
	if err != nil {
		return 0
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			n += info.Size()
		}
	}
	return n
}
