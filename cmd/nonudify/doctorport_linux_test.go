package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOwner finds the program that has a port in a table of the kernel, and says what to
// do about it.
func TestOwner(t *testing.T) {
	t.Parallel()
	const head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
	root := t.TempDir()
	row := func(local, state, inode string) string {
		return fmt.Sprintf("  77: %s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %s 2 0 0\n", local, state, inode)
	}
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("proc/net/udp", head+row("3500007F:0035", "07", "101")+row("0100007F:14E9", "07", "102")+"short\n"+row("zz:0035", "07", "103"))
	write("proc/net/tcp6", head+row("00000000000000000000000000000000:0037", "0A", "104")+row("00000000000000000000000000000000:0038", "01", "105"))
	for id, p := range map[string][2]string{"7": {"systemd-resolve", "101"}, "8": {"nonudify-resolv", "102"}, "9": {"dnsmasq", "104"}, "10": {"browser", "105"}} {
		write("proc/"+id+"/comm", p[0]+"\n")
		fd := filepath.Join(root, "proc", id, "fd")
		if err := errors.Join(os.MkdirAll(fd, 0o755), os.Symlink("socket:["+p[1]+"]", filepath.Join(fd, "5")), os.Symlink("/dev/null", filepath.Join(fd, "0"))); err != nil {
			t.Fatal(err)
		}
	}
	x := healthy(t, "")
	x.machine.root = root
	for _, tt := range []struct{ at, want string }{
		{"127.0.0.53:53", "wrong  port: 127.0.0.53:53 is taken by systemd-resolve (process 7), which does not answer. It answers at 127.0.0.53"},
		{"127.0.0.1:5353", "wrong  resolver: nonudify-resolv (process 8) has 127.0.0.1:5353 and does not answer"},
		{"127.0.0.1:55", "wrong  port: 127.0.0.1:55 is taken by dnsmasq (process 9), which does not answer. Have it give up DNS with 'port=0'"},
		{"[::1]:55", "is taken by dnsmasq (process 9)"},
		{"127.0.0.1:56", "wrong  port: a program has 127.0.0.1:56 and does not answer: timeout. Run doctor with sudo"},
		{"127.0.0.1:53", "wrong  port: a program has 127.0.0.1:53 and does not answer"},
	} {
		x.found = nil
		x.lookAtTaken(&listener{at: netip.MustParseAddrPort(tt.at)}, errors.New("timeout"))
		if got := fmt.Sprint(x.found); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", tt.at, got)
		}
	}
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	x.machine.root = "/"
	if p, ok := x.machine.owner(netip.MustParseAddrPort(u.LocalAddr().String())); !ok || p.id != os.Getpid() {
		t.Errorf("a socket of ours is of %v, %v", p, ok)
	}
}
