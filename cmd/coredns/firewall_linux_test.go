package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFirewallRules: the rules of docs/bypass.md, on a router between networks of their
// own, hold pupils to the filter, and nobody else.
func TestFirewallRules(t *testing.T) {
	if os.Getenv(apart) != "" {
		firewallApart(t)
		return
	}
	for _, program := range []string{"ip", "nft"} {
		expected(t, program)
	}
	t.Parallel()
	rerunApart(t)
}

// site is a network behind the router, with one machine.
type site struct {
	name   string
	router []string // the addresses of the router in it, with their lengths
	own    []string // those of the machine
	do     chan func()
}

// firewallApart is the test in the network apart, which is that of the router.
func firewallApart(t *testing.T) {
	settle(t)
	pupils := &site{name: "pupils", router: []string{"198.51.100.1/25", "2001:db8:10::1/64"}, own: []string{"198.51.100.20/25", "2001:db8:10::20/64"}}
	staff := &site{name: "staff", router: []string{"198.51.100.129/26", "2001:db8:20::1/64"}, own: []string{"198.51.100.130/26", "2001:db8:20::20/64"}}
	servers := &site{name: "servers", router: []string{"192.0.2.1/24", "2001:db8::1/64"}, own: []string{"192.0.2.53/24", "192.0.2.10/24", "2001:db8::53/64", "2001:db8::10/64"}}
	world := &site{name: "world", router: []string{"203.0.113.254/24", "2001:db8:1::fe/64"}, own: []string{"203.0.113.1/24", "203.0.113.9/24", "2001:db8:1::1/64", "2001:db8:1::9/64"}}
	for _, s := range []*site{pupils, staff, servers, world} {
		s.open(t)
	}
	servers.serve(t)
	world.serve(t)
	for path, value := range map[string]string{"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1", "ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0"} {
		if err := os.WriteFile(filepath.Join("/proc/sys/net", path), []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range passages(t, "../../docs/bypass.md") {
		if strings.HasPrefix(p.text, "table inet onlyfilter") {
			if out, err := exec.Command("nft", "-f", saved(t, "rules", p.text)).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	const all = "53 853 443"
	for _, c := range []struct {
		from     *site
		to, open string // ports
	}{
		{pupils, "192.0.2.53", all}, {pupils, "2001:db8::53", all},
		{pupils, "192.0.2.10", "443"}, {pupils, "2001:db8::10", "443"}, // the domain controller
		{pupils, "203.0.113.1", ""}, {pupils, "2001:db8:1::1", ""}, // a resolver that is known
		{pupils, "203.0.113.9", "443"}, {pupils, "2001:db8:1::9", "443"},
		{staff, "192.0.2.53", all}, {staff, "2001:db8::10", all}, {staff, "203.0.113.1", all}, {staff, "2001:db8:1::9", all},
		{servers, "203.0.113.1", all}, {servers, "2001:db8:1::1", all},
	} {
		for port := range strings.FieldsSeq(all) {
			for _, network := range []string{"udp", "tcp"} {
				want := "refused"
				if slices.Contains(strings.Fields(c.open), port) {
					want = "answers"
				}
				if got := c.from.tries(network, net.JoinHostPort(c.to, port)); got != want {
					t.Errorf("To %s, port %s of %s is %s over %s, want %s", c.from.name, port, c.to, got, network, want)
				}
			}
		}
	}
}

// open makes the network, on a thread that ends with the test.
func (s *site) open(t *testing.T) {
	t.Helper()
	s.do = make(chan func())
	t.Cleanup(func() { close(s.do) })
	thread, failed := 0, make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock it: no other goroutine gets this network
		thread = unix.Gettid()
		failed <- unix.Unshare(unix.CLONE_NEWNET)
		for f := range s.do {
			f()
		}
	}()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	ip(t, "link", "add", s.name, "type", "veth", "peer", "name", "wire", "netns", strconv.Itoa(thread))
	ip(t, "link", "set", s.name, "up")
	s.ip(t, "link", "set", "wire", "up")
	for _, address := range s.router {
		ip(t, "address", "add", address, "dev", s.name, "nodad")
	}
	for _, address := range s.own {
		s.ip(t, "address", "add", address, "dev", "wire", "nodad")
	}
	for _, address := range s.router {
		router, _, _ := strings.Cut(address, "/")
		s.ip(t, "route", "add", "default", "via", router)
	}
}

// in does something in the network.
func (s *site) in(f func() error) error {
	failed := make(chan error)
	s.do <- func() { failed <- f() }
	return <-failed
}

// ip changes the network.
func (s *site) ip(t *testing.T, args ...string) {
	t.Helper()
	err := s.in(func() error {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w\n%s", args, err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// serve has something answer at all addresses of the machine.
func (s *site) serve(t *testing.T) {
	t.Helper()
	for _, address := range s.own {
		host, _, _ := strings.Cut(address, "/")
		for _, port := range []string{"53", "853", "443"} {
			at := net.JoinHostPort(host, port)
			err := s.in(func() error {
				l, err := net.Listen("tcp", at)
				if err != nil {
					return err
				}
				t.Cleanup(func() { l.Close() })
				p, err := net.ListenPacket("udp", at)
				if err != nil {
					return err
				}
				t.Cleanup(func() { p.Close() })
				go echo(p)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// echo sends back what comes, until the socket is closed.
func echo(p net.PacketConn) {
	b := make([]byte, 16)
	for {
		n, from, err := p.ReadFrom(b)
		if err != nil {
			return
		}
		p.WriteTo(b[:n], from)
	}
}

// tries returns what comes of it when the machine asks an address.
func (s *site) tries(network, at string) string {
	err := s.in(func() error {
		const patience = 5 * time.Second
		c, err := net.DialTimeout(network, at, patience)
		if err != nil {
			return err
		}
		defer c.Close()
		if network == "tcp" {
			return nil
		}
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := c.Write([]byte("?")); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 16))
		return err
	})
	switch {
	case err == nil:
		return "answers"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	}
	return err.Error()
}
