package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWalk goes through each guide on a machine of its own: in a network that has
// nothing but the addresses of the guides, and with folders of the system of which only
// a copy is written to.
func TestWalk(t *testing.T) {
	if os.Getenv(apart) != "" {
		walkApart(t)
		return
	}
	for _, program := range []string{"ip", "dig", "nslookup", "dnsmasq", "sqlite3"} {
		expected(t, program)
	}
	t.Parallel()
	rerunApart(t)
}

// walkApart is the test in the network apart.
func walkApart(t *testing.T) {
	settle(t)
	ip(t, "link", "add", "lan", "type", "veth", "peer", "name", "wire")
	ip(t, "link", "set", "lan", "up")
	ip(t, "link", "set", "wire", "up")
	for _, address := range []string{"9.9.9.9/32", "149.112.112.112/32", "192.168.1.1/32", "192.0.2.10/32"} {
		ip(t, "address", "add", address, "dev", "lo")
	}
	upstreamApart(t, "9.9.9.9", "149.112.112.112", "192.0.2.10")
	for guide, addresses := range map[string][]string{
		"README.md":         nil,
		"docs/family.md":    {"192.168.1.2/24"},
		"docs/school.md":    {"192.0.2.53/24", "2001:db8::53/64"},
		"docs/help-page.md": nil,
		"docs/publisher.md": nil,
	} {
		t.Run(guide, func(t *testing.T) {
			ip(t, "address", "flush", "dev", "lan")
			for _, address := range addresses {
				ip(t, "address", "add", address, "dev", "lan", "nodad")
			}
			withCopies(t, "/etc", "/usr", "/var", "/opt")
			if err := errors.Join(os.Remove("/etc/resolv.conf"), os.WriteFile("/etc/resolv.conf", []byte("nameserver 9.9.9.9\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
			walk(t, guide)
		})
	}
}

// ip changes the network apart.
func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(installed(t, "ip"), args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}

// withCopies lays folders of the system below copies, which take what is written, until the
// test ends.
func withCopies(t *testing.T, folders ...string) {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	for _, folder := range folders {
		upper, work := filepath.Join(dir, folder, "upper"), filepath.Join(dir, folder, "work")
		for _, d := range []string{upper, work} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Mount("overlay", folder, "overlay", 0, "lowerdir="+folder+",upperdir="+upper+",workdir="+work); err != nil {
			if os.Getenv("CI") == "" {
				t.Skipf("%s cannot be laid below a copy: %v", folder, err)
			}
			t.Fatalf("%s cannot be laid below a copy: %v", folder, err)
		}
		t.Cleanup(func() { unmount(t, folder) })
	}
}

func unmount(t *testing.T, path string) {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}
