package sinkhole

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestListenErrors: they say which address, why, and what can be done.
func TestListenErrors(t *testing.T) {
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := other.Addr().(*net.TCPAddr).AddrPort()
	for address, want := range map[string]string{
		taken.String(): "another program has it",
		"192.0.2.1:0":  "no interface of this machine has it",
	} {
		s, err := new(Pool).Acquire(netip.MustParseAddrPort(address), t, numbered(1))
		if err == nil {
			s.Release()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "help page: cannot listen on "+address+": ") || strings.Count(err.Error(), address) != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := explain(syscall.EADDRINUSE, 80); strings.Contains(err.Error(), "`ss -ltnp 'sport = :80'` tells which") != (runtime.GOOS == "linux") {
		t.Error(err)
	}
	denied := &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}
	if err := explain(denied, 80); !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") {
		t.Error(err)
	}
	if err := explain(syscall.EINVAL, 80); err != syscall.EINVAL {
		t.Error(err)
	}
}

// TestListenFamilies: all IPv4 addresses are not all addresses.
func TestListenFamilies(t *testing.T) {
	v4, err := listen(netip.MustParseAddrPort("0.0.0.0:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer v4.Close()
	port := v4.Addr().(*net.TCPAddr).AddrPort().Port()
	v6, err := listen(netip.AddrPortFrom(netip.IPv6Unspecified(), port))
	if errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skipf("no IPv6 here: %v", err)
	}
	if err != nil {
		t.Fatalf("Beside %v: %v", v4.Addr(), err)
	}
	v6.Close()
}

// TestListenSocket: a socket is for the user and the group, outlives a reload,
// takes the place of one that was left behind, and of nothing else.
func TestListenSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "status.sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Skipf("no sockets in the file system here: %v", err)
	}
	p := &Pool{Title: "status"}
	if _, err := p.AcquireSocket(path, 1, numbered(1)); err == nil || !strings.Contains(err.Error(), "status: cannot listen on "+path+": ") || !strings.Contains(err.Error(), "another program has it") {
		t.Errorf("A socket that is in use: %v", err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	one, err := p.AcquireSocket(path, 1, numbered(1))
	if err != nil {
		t.Fatalf("A socket that was left behind: %v", err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != socketMode {
		t.Errorf("%v, %v", info, err)
	}
	two, err := p.AcquireSocket(path, 2, numbered(2))
	if err != nil {
		t.Fatal(err)
	}
	one.Release()
	if got := siteBehind(t, path); got != "2" {
		t.Errorf("Site %s answers", got)
	}
	two.Release()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("The socket after the last release: %v", err)
	}
	if err := os.WriteFile(path, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.AcquireSocket(path, 3, numbered(3)); err == nil || !strings.Contains(err.Error(), "or it is no socket") {
		t.Errorf("In the place of a file: %v", err)
	}
	if _, err := p.AcquireSocket(filepath.Join(dir, "absent", "s"), 3, numbered(3)); err == nil || !strings.Contains(err.Error(), "its directory must be there") {
		t.Errorf("In no directory: %v", err)
	}
}

// siteBehind returns the number of the site that a socket leads to.
func siteBehind(t *testing.T, path string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, getPage)
	r, _ := readReply(t, bufio.NewReader(c))
	return r.Header.Get("Site")
}
