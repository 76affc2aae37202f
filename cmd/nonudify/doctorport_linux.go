package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxTables bounds what is read of the kernel's tables of sockets, in bytes each.
const maxTables = 64 << 20

// owner returns the program that has an address, over UDP or listening over TCP. Those of
// other users only root can see.
func (m machine) owner(at netip.AddrPort) (process, bool) {
	var inodes []string
	for _, table := range []string{"udp", "udp6", "tcp", "tcp6"} {
		text, err := readFile(filepath.Join(m.root, "proc/net", table), maxTables)
		if err != nil {
			continue // no such family
		}
		inodes = append(inodes, socketsAt(text, at, strings.HasPrefix(table, "tcp"))...)
	}
	if len(inodes) == 0 {
		return process{}, false
	}
	return m.holder(inodes)
}

// socketsAt returns the inodes of the sockets at an address, or at all, in a table of
// /proc/net, of TCP only those that listen.
func socketsAt(table []byte, at netip.AddrPort, tcp bool) (inodes []string) {
	const listening = "0A"
	for s := bufio.NewScanner(bytes.NewReader(table)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 10 || tcp && f[3] != listening {
			continue
		}
		local, ok := hexAddress(f[1])
		if ok && local.Port() == at.Port() && (local.Addr().IsUnspecified() || local.Addr() == at.Addr()) {
			inodes = append(inodes, f[9])
		}
	}
	return inodes
}

// hexAddress reads an address as the kernel writes it: as 32-bit words in the order of
// the bytes of this machine.
func hexAddress(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(b, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), ok
}

// holder returns the process that has one of some sockets.
func (m machine) holder(inodes []string) (process, bool) {
	links, err := filepath.Glob(filepath.Join(m.root, "proc/[0-9]*/fd/*"))
	if err != nil {
		return process{}, false
	}
	for _, fd := range links {
		target, err := os.Readlink(fd)
		if err != nil || !slices.ContainsFunc(inodes, func(i string) bool { return target == "socket:["+i+"]" }) {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		id, err := strconv.Atoi(filepath.Base(dir))
		name, err2 := os.ReadFile(filepath.Join(dir, "comm"))
		if err == nil && err2 == nil {
			return process{strings.TrimSpace(string(name)), id}, true
		}
	}
	return process{}, false
}
