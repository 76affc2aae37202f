package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// TestFrontNetwork has a front on links to another network: with several addresses,
// with small packets, a firewall, no way back, clients that have gone, and a link
// that stands still.
func TestFrontNetwork(t *testing.T) {
	if os.Getenv(apart) == "" {
		for _, program := range []string{"ip", "tc", "nft"} {
			installed(t, program)
		}
		t.Parallel()
		rerunApart(t)
		return
	}
	far := newFar(t)
	t.Run("addresses", far.addresses)
	t.Run("sizes", far.sizes)
	t.Run("unsent", far.unsent)
	t.Run("gone", far.gone)
	t.Run("still", far.still) // last: it is the end of the link
}

// far is another network, at the other end of two links.
type far struct{ home, away int }

// newFar makes it, and gives both ends addresses. Both links have the same address
// of the link at this end.
func newFar(t *testing.T) *far {
	t.Helper()
	f := &far{}
	runtime.LockOSThread()
	f.home = netOf(t)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	f.away = netOf(t)
	if err := unix.Setns(f.home, unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	runtime.UnlockOSThread()
	setUp(t, "link set lo up", "address add 192.0.2.1/32 dev lo", "address add 2001:db8:1::1/128 dev lo")
	for i, n := range []string{"1", "2"} {
		setUp(t, "link add here"+n+" mtu 1280 type veth peer name there"+n+" mtu 1280", fmt.Sprintf("link set there%s netns /proc/%d/fd/%d", n, os.Getpid(), f.away),
			"link set here"+n+" addrgenmode none up", "address add fe80::1/64 dev here"+n+" nodad", fmt.Sprintf("address add 198.51.100.%d/25 dev here%s", 1+128*i, n))
	}
	setUp(t, "address add 198.51.100.3/25 dev here1", "address add 2001:db8::1/64 dev here1 nodad", "address add 2001:db8::3/64 dev here1 nodad",
		"route add 198.51.100.6/32 dev here1 mtu 600")
	sysctl(t, "net/ipv4/conf/all/rp_filter", "0")
	sysctl(t, "net/ipv4/conf/here1/rp_filter", "0")
	f.within(t, func() {
		setUp(t, "link set lo up", "link set there1 up", "link set there2 up", "address add 192.0.2.99/32 dev lo", "address add 198.51.100.130/25 dev there2")
		for _, address := range []string{"198.51.100.2/25", "198.51.100.4/25", "198.51.100.6/25", "2001:db8::2/64 nodad", "fe80::2/64 nodad"} {
			setUp(t, "address add "+address+" dev there1")
		}
		setUp(t, "address add fe80::2/64 dev there2 nodad", "route add 192.0.2.1/32 via 198.51.100.1", "route add 2001:db8:1::/64 via 2001:db8::1")
		sysctl(t, "net/ipv4/icmp_ratelimit", "0")
		sysctl(t, "net/ipv4/icmp_msgs_per_sec", "1000000")
		sysctl(t, "net/ipv4/icmp_msgs_burst", "1000000")
	})
	return f
}

// netOf returns the network that this thread is in.
func netOf(t *testing.T) int {
	t.Helper()
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// setUp runs ip for each of some lines.
func setUp(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		command(t, "ip", strings.Fields(line)...)
	}
}

func command(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(installed(t, program), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
}

// offered runs a command that not every kernel can do. Where it cannot, the test is
// skipped.
func offered(t *testing.T, program string, args ...string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		command(t, program, args...)
	} else if out, err := exec.Command(installed(t, program), args...).CombinedOutput(); err != nil {
		t.Skipf("This kernel cannot do %s %q: %v\n%s", program, args, err, out)
	}
}

func sysctl(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Logf("%s is not set to %s: %v", name, value, err)
	}
}

// within runs something in the other network: sockets that it opens and processes
// that it starts stay there.
func (f *far) within(t *testing.T, do func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setns(f.away, unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	do()
	if err := unix.Setns(f.home, unix.CLONE_NEWNET); err != nil {
		panic(err) // the thread is of no use any more
	}
}

// dial opens a socket there, from an address or from any, which takes replies from
// the address only that it sends to.
func (f *far) dial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	var c net.Conn
	var err error
	f.within(t, func() {
		d := net.Dialer{}
		if from != "" {
			d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(from)}
		}
		c, err = d.Dial("udp", to)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// roads are queries that a front answers, hands to its workers, and has the DNS
// library read.
func roads(t *testing.T) [][]byte {
	t.Helper()
	var all [][]byte
	for i, name := range []string{"www.blocked.example.", "n50.test.", "n60.test."} {
		m := new(dns.Msg).SetQuestion(name, dns.TypeTXT)
		m.Id = uint16(i)
		all = append(all, packedWire(t, m))
	}
	all[2] = append(all[2], 0)
	return all
}

func packedWire(t *testing.T, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// turn sends a query and returns the reply.
func turn(t *testing.T, c net.Conn, query []byte) []byte {
	t.Helper()
	if _, err := c.Write(query); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, dns.MaxMsgSize)
	n, err := c.Read(buf)
	if err != nil || n < 2 || !bytes.Equal(buf[:2], query[:2]) {
		t.Fatalf("From %v to %v: %x, %v", c.LocalAddr(), c.RemoteAddr(), buf[:n], err)
	}
	return buf[:n]
}

// heavy is an upstream that answers for n1000.test with a text of 1000 octets.
func heavy(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	label, _, _ := strings.Cut(r.Question[0].Name, ".")
	for left, _ := strconv.Atoi(strings.TrimPrefix(label, "n")); left > 0; left -= 200 {
		m.Answer = append(m.Answer, &dns.TXT{
			Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{fmt.Sprint(left, strings.Repeat("x", min(left, 200)))},
		})
	}
	w.WriteMsg(m)
}

// linked is a resolver in this network.
type linked struct {
	*process
	metrics string // where it shows its metrics
}

// newLinked starts a resolver that listens at addresses, "" for all.
func newLinked(t *testing.T, bind, front string) *linked {
	t.Helper()
	l := &linked{metrics: freeAddress(t)}
	if bind != "" {
		bind = "bind " + bind
	}
	corefile := fmt.Sprintf(".:{$PORT} {\n %s\n prometheus %s\n errors\n nonudify {\n block blocked.example\n front %s\n }\n forward . %s {\n force_tcp\n }\n}\n",
		bind, l.metrics, front, serveBoth(t, dns.HandlerFunc(heavy)))
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, []byte(corefile), 0o644); err != nil {
		t.Fatal(err)
	}
	l.process = run(t, file)
	if front == "off" {
		return l
	}
	err := poll(func() error {
		if up, all := l.metric(t, "coredns_nonudify_front_steered"), strings.Count(l.out.String(), ".:"+l.port); int(up) != all || all == 0 {
			return fmt.Errorf("%v of %d fronts", up, all)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// metric returns the sum of what a metric is, with some labels, at all servers.
func (l *linked) metric(t *testing.T, name string, labels ...string) (sum float64) {
	t.Helper()
	sum, err := metricAt(l.metrics, name, labels...)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func metricAt(address, name string, labels ...string) (sum float64, err error) {
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
lines:
	for s := bufio.NewScanner(response.Body); s.Scan(); {
		for _, label := range labels {
			if !strings.Contains(s.Text(), label) {
				continue lines
			}
		}
		if key, value, ok := strings.Cut(s.Text(), "} "); ok && strings.HasPrefix(key, name+"{") {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return sum, nil
}

// addresses: wherever the server listens, a reply comes from the address that was
// asked, by way of whichever road, and on the link that the query came by where the
// address is one of that link.
func (f *far) addresses(t *testing.T) {
	first := []string{"198.51.100.1", "198.51.100.3", "2001:db8::1", "2001:db8::3", "fe80::1%there1"}
	all := append([]string{"192.0.2.1", "2001:db8:1::1", "198.51.100.129", "fe80::1%there2"}, first...)
	for bind, asked := range map[string][]string{
		"": all, "0.0.0.0": all, "::": all, "here1 127.0.0.1": first, "::ffff:198.51.100.3 127.0.0.1": {"198.51.100.3"},
	} {
		t.Run(bind, func(t *testing.T) {
			l := newLinked(t, bind, "on")
			for _, to := range asked {
				c := f.dial(t, "", net.JoinHostPort(to, l.port))
				for i, query := range roads(t) {
					m := new(dns.Msg)
					if err := m.Unpack(turn(t, c, query)); err != nil || (m.Rcode == dns.RcodeNameError) != (i == 0) || i > 0 && len(m.Answer) != 1 {
						t.Errorf("%s: %v %v", to, m, err)
					}
				}
			}
			if n := int(l.metric(t, "coredns_nonudify_front_queries_total")); n != len(asked)*len(roads(t)) {
				t.Errorf("The front has read %d messages for %d addresses", n, len(asked))
			}
		})
	}
}

// sizes: replies that do not fit into one packet, or into what the client takes, are
// those of a server without a front.
func (f *far) sizes(t *testing.T) {
	on, off := newLinked(t, "", "on"), newLinked(t, "", "off")
	longest, cut := 0, 0
	for _, way := range [][2]string{{"198.51.100.2", "198.51.100.1"}, {"198.51.100.6", "198.51.100.3"}, {"2001:db8::2", "2001:db8::1"}} {
		fronted, plain := f.dial(t, way[0], net.JoinHostPort(way[1], on.port)), f.dial(t, way[0], net.JoinHostPort(way[1], off.port))
		for _, size := range []int{400, 1000, 1300, 3000, 20_000, 55_000} {
			for _, room := range []uint16{0, 512, 1232, 4096, 65535} {
				m := new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.test.", size), dns.TypeTXT)
				if m.Id = room; room > 0 {
					m.SetEdns0(room, false)
				}
				got, want := turn(t, fronted, packedWire(t, m)), turn(t, plain, packedWire(t, m))
				if !bytes.Equal(got, want) {
					t.Errorf("%v, %d octets of text, room for %d: the front sends %d octets, %x…,\nthe server %d, %x…", way, size, room, len(got), got[:40], len(want), want[:40])
				}
				longest = max(longest, len(got))
				if got[2]&2 != 0 {
					cut++
				}
			}
		}
	}
	if longest < 55_000 || cut < 30 {
		t.Errorf("The longest reply has %d octets, and %d were cut", longest, cut)
	}
}

// unsent: where a firewall lets no reply out, or there is no way back, that is
// counted, and everybody else is answered. Nothing is logged, and nothing turns in
// circles.
func (f *far) unsent(t *testing.T) {
	l := newLinked(t, "", "on")
	const rounds = 100
	offered(t, "nft", "add table inet t")
	defer command(t, "nft", "delete table inet t")
	command(t, "nft", "add chain inet t out { type filter hook output priority 0; }")
	command(t, "nft", "add rule inet t out ip daddr 198.51.100.4 udp sport "+l.port+" drop")
	logged := len(l.out.String())
	for i, from := range []string{"198.51.100.4", "192.0.2.99"} {
		deaf, good := f.dial(t, from, net.JoinHostPort("198.51.100.1", l.port)), f.dial(t, "198.51.100.2", net.JoinHostPort("198.51.100.1", l.port))
		for range rounds {
			for _, query := range roads(t) {
				if _, err := deaf.Write(query); err != nil {
					t.Fatal(err)
				}
				turn(t, good, query)
			}
		}
		want := (i + 1) * rounds * len(roads(t))
		if err := poll(func() error {
			if n := int(l.metric(t, "coredns_nonudify_front_unsent_total")); n != want {
				return fmt.Errorf("%d replies were not sent to %s, want %d", n, from, want)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if used := l.busy(t, 300*time.Millisecond); used > 100*time.Millisecond {
		t.Errorf("In 300 ms with nothing to do it takes %v of the processor", used)
	}
	if text := l.out.String()[logged:]; strings.Count(text, "\n") > 5 {
		t.Errorf("The log says\n%s", text)
	}
}

// busy returns how much processor time the resolver takes in some time.
func (l *linked) busy(t *testing.T, d time.Duration) time.Duration {
	t.Helper()
	before := l.used(t)
	<-time.After(d)
	return l.used(t) - before
}

func (l *linked) used(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')'):])) // from the third on
	user, err := strconv.Atoi(fields[11])
	system, cause := strconv.Atoi(fields[12])
	if err := cmp.Or(err, cause); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// gone: clients whose port is closed when the reply comes say so, and that is
// nobody else's trouble.
func (f *far) gone(t *testing.T) {
	l := newLinked(t, "", "on")
	const rounds = 100
	before := unreachable(t)
	good := f.dial(t, "", net.JoinHostPort("198.51.100.1", l.port))
	queries := roads(t)
	for range rounds {
		for _, query := range queries {
			c := f.dial(t, "", net.JoinHostPort("198.51.100.1", l.port))
			if _, err := c.Write(query); err != nil {
				t.Fatal(err)
			}
			c.Close()
			turn(t, good, query)
		}
	}
	if n := unreachable(t) - before; n < rounds {
		t.Errorf("%d messages that a port is closed, of %d", n, rounds*len(queries))
	}
	if n := l.metric(t, "coredns_nonudify_front_unsent_total"); n != 0 {
		t.Errorf("%v replies were not sent", n)
	}
	if n := int(l.metric(t, "coredns_nonudify_front_queries_total")); n != 2*rounds*len(queries) {
		t.Errorf("The front has read %d messages", n)
	}
}

// unreachable returns how many messages of ICMP have come that something cannot be
// reached.
func unreachable(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != "Icmp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if name == "InDestUnreachs" {
				n, _ := strconv.Atoi(fields[i])
				return n
			}
		}
	}
	t.Fatal("The kernel does not count")
	return 0
}

// still: a link that nothing leaves by any more keeps nobody from ending the server.
func (f *far) still(t *testing.T) {
	l := newLinked(t, "", "on")
	offered(t, "tc", strings.Fields("qdisc add dev here1 root tbf rate 8bit burst 1600 limit 100000000")...)
	c := f.dial(t, "", net.JoinHostPort("198.51.100.1", l.port))
	read := func() int { return int(l.metric(t, "coredns_nonudify_front_queries_total")) }
	err := poll(func() error { // until the front reads no more
		had := read()
		for range 100 {
			for _, query := range roads(t) {
				c.Write(query)
			}
		}
		if got := read(); got > had || got == 0 {
			return fmt.Errorf("%d are read, and then %d", had, got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	l.cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- l.cmd.Wait() }()
	select {
	case err := <-ended:
		t.Logf("It ends after %v: %v", time.Since(began), err)
	case <-time.After(30 * time.Second):
		l.cmd.Process.Kill()
		t.Error("It does not end")
	}
}
