package sinkhole

import (
	"errors"
	"net"
	"net/netip"
	"os"
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
		l, err := listen(netip.MustParseAddrPort(address))
		if err == nil {
			l.Close()
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
