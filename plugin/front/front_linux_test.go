package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/nonudify/nonudify/plugin/packettest"
)

// bind opens a UDP socket as the server does.
func bind(t *testing.T, address string) net.PacketConn {
	t.Helper()
	control := func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	}
	pc, err := (&net.ListenConfig{Control: control}).ListenPacket(t.Context(), "udp", address)
	if err != nil {
		t.Fatal(err)
	}
	return pc
}

// server starts a server of the DNS library on a socket.
func server(t *testing.T, pc net.PacketConn, h dns.Handler, secrets map[string]string) {
	t.Helper()
	started := make(chan struct{})
	s := &dns.Server{PacketConn: pc, Handler: h, TsigSecret: secrets, NotifyStartedFunc: func() { close(started) }}
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { s.Shutdown() })
}

// told is a handler that tells what it sees of a query.
func told(by string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		if len(r.Question) > 0 {
			text := fmt.Sprintf("%s %d %v %v", by, len(r.Extra), w.TsigStatus(), w.RemoteAddr().(*net.UDPAddr).IP)
			m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{text}}}
		}
		if r.IsTsig() != nil {
			m.SetTsig("key.example.", dns.HmacSHA256, 300, int64(max(1, r.IsTsig().TimeSigned))) // 0 would be now
		}
		w.WriteMsg(m)
	}
}

// prefix answers names that begin with a word at once, with the query turned round.
type prefix string

func (p prefix) Answer(dst, packet []byte, _ netip.Addr) int {
	if len(packet) < 13 || !bytes.HasPrefix(packet[13:], []byte(p)) {
		return 0
	}
	n := copy(dst, packet)
	dst[2] |= 0x80
	return n
}

// open starts a front at the address of a socket that is bound already.
func open(t *testing.T, c Config, s *Service) *Front {
	t.Helper()
	if c.Counters == nil {
		c.Counters = new(Counters)
	}
	f, err := Open(c, s)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Unsteered && !f.Steered() {
		t.Fatal("The kernel does not steer")
	}
	t.Cleanup(func() { f.Close(context.Background()) })
	return f
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// query returns a plain query.
func query(id uint16, name string) []byte {
	p := packettest.Question(packettest.Name(name))
	p.ID = id
	return p.Wire()
}

// ask sends a message and returns the next one that comes.
func ask(t *testing.T, c net.Conn, message []byte) []byte {
	t.Helper()
	if _, err := c.Write(message); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, dns.MaxMsgSize)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

const secret = "NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk="

// TestOdd sends what nobody should send, and mutants of what anybody may, to a
// front and to a server without one. Both answer the same, or not at all.
func TestOdd(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{"key.example.": secret}
	plain, peer := bind(t, "127.0.0.1:0"), bind(t, "127.0.0.1:0")
	server(t, plain, told("server"), secrets)
	server(t, peer, told("peer"), secrets)
	counters := new(Counters)
	open(t, Config{Address: peer.LocalAddr().String(), Peers: 1, Counters: counters},
		&Service{Answerer: prefix("none"), Handler: told("server"), TsigSecret: secrets})
	servers := [2]net.Conn{dial(t, plain.LocalAddr().String()), dial(t, peer.LocalAddr().String())}
	messages := oddMessages(t)
	answered := 0
	for len(messages) > 0 {
		some := messages[:min(40, len(messages))]
		messages = messages[len(some):]
		want := replies(t, servers[0], some, nil)
		got := replies(t, servers[1], some, want)
		for i := range some {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("To %x\nthe front answers %x,\nthe server %x", some[i], got[i], want[i])
			}
			if want[i] != nil {
				answered++
			}
		}
	}
	t.Logf("%d were answered", answered)
	if n := counters.Passed.Load(); n < 1000 || answered < 500 || counters.Dropped.Load() > 0 {
		t.Errorf("%d messages came by the front, %d were answered, %d dropped", n, answered, counters.Dropped.Load())
	}
}

// oddMessages returns them. Signed ones are among them.
func oddMessages(t *testing.T) (all [][]byte) {
	for _, s := range packettest.Specimens(packettest.Name("www.bad.example")) {
		if len(s.Wire) > 2 {
			all = append(all, bytes.Clone(s.Wire))
		}
	}
	for _, opcode := range []int{dns.OpcodeIQuery, dns.OpcodeStatus, dns.OpcodeNotify, dns.OpcodeUpdate, 6} {
		m := new(dns.Msg).SetQuestion("bad.example.", dns.TypeSOA)
		m.Opcode = opcode
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, wire)
	}
	for _, key := range []string{secret, "c2VjcmV0IG9mIHNvbWVib2R5IGVsc2U="} {
		m := new(dns.Msg).SetQuestion("bad.example.", dns.TypeA).SetTsig("key.example.", dns.HmacSHA256, 300, time.Now().Unix())
		m.Id = uint16(len(all) % 40) // it is signed, too
		wire, _, err := dns.TsigGenerate(m, key, "", false)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, wire)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		all = append(all, packettest.Mutate(r, packettest.RandomQuery(r, packettest.RandomName(r, "bad.example", "test"))))
	}
	return all
}

// replies sends messages, each with its place as its id, and returns the reply to
// each, nil for none. It reads until as many have come as are expected, and in any
// case until none has come for a while.
func replies(t *testing.T, c net.Conn, messages, expected [][]byte) [][]byte {
	t.Helper()
	missing := 0
	for i, m := range messages {
		m[0], m[1] = 0, byte(i)
		if _, err := c.Write(m); err != nil {
			t.Fatal(err)
		}
		if expected != nil && expected[i] != nil {
			missing++
		}
	}
	found := make([][]byte, len(messages))
	buf := make([]byte, dns.MaxMsgSize)
	for {
		quiet := 150 * time.Millisecond
		if missing > 0 {
			quiet = 10 * time.Second
		}
		c.SetReadDeadline(time.Now().Add(quiet))
		n, err := c.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return found
		}
		if err != nil || n < 2 || int(buf[1]) >= len(found) || found[buf[1]] != nil {
			t.Fatalf("%x: %v", buf[:n], err)
		}
		found[buf[1]] = bytes.Clone(buf[:n])
		missing--
	}
}

// TestAddresses: at a socket that has all addresses, a reply comes from the one
// that was asked, be it made at once, by a worker, or by the DNS library.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "0.0.0.0", "[::]", "127.0.0.3", "[::1]"} {
		t.Run(host, func(t *testing.T) {
			if strings.Contains(host, ":") && !hasIPv6() {
				t.Skip("This machine has no IPv6")
			}
			peer := bind(t, host+":0")
			_, port, _ := net.SplitHostPort(peer.LocalAddr().String())
			server(t, peer, told("peer"), nil)
			open(t, Config{Address: net.JoinHostPort(strings.Trim(host, "[]"), port), Peers: 1}, &Service{Answerer: prefix("now"), Handler: told("front")})
			asked := []string{"127.0.0.1", "127.0.0.2", "::1"}
			if strings.Contains(host, "1") || strings.Contains(host, "3") {
				asked = []string{strings.Trim(host, "[]")}
			} else if host == "0.0.0.0" || !hasIPv6() {
				asked = asked[:2]
			}
			for _, to := range asked {
				c := dial(t, net.JoinHostPort(to, port)) // takes what comes from there only
				from := c.LocalAddr().(*net.UDPAddr).IP.String()
				if got := ask(t, c, query(1, "now.example")); len(got) != len(query(1, "now.example")) {
					t.Errorf("%s: %x", to, got)
				}
				for _, wire := range [][]byte{query(2, "later.example"), append(query(3, "odd.example"), 0)} {
					m := new(dns.Msg)
					if err := m.Unpack(ask(t, c, wire)); err != nil || m.Answer[0].(*dns.TXT).Txt[0] != "front 0 <nil> "+from {
						t.Errorf("%s: %v %v", to, m, err)
					}
				}
			}
		})
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil
}

// TestUnsteered: where the kernel does not steer, everybody is answered by whoever
// got the query.
func TestUnsteered(t *testing.T) {
	t.Parallel()
	peer := bind(t, "127.0.0.1:0")
	server(t, peer, told("peer"), nil)
	f := open(t, Config{Address: peer.LocalAddr().String(), Peers: 1, Unsteered: true}, &Service{Answerer: prefix("none"), Handler: told("front")})
	by := map[string]int{}
	count := func() {
		for range 100 {
			m := new(dns.Msg)
			if err := m.Unpack(ask(t, dial(t, peer.LocalAddr().String()), query(1, "bad.example"))); err != nil {
				t.Fatal(err)
			}
			who, _, _ := strings.Cut(m.Answer[0].(*dns.TXT).Txt[0], " ")
			by[who]++
		}
	}
	if count(); by["peer"] == 0 || by["front"] == 0 || f.Steered() {
		t.Errorf("Answered by %v", by)
	}
	if err := f.steer(1, len(f.sockets)); err != nil {
		t.Fatal(err)
	}
	clear(by)
	if count(); by["peer"] > 0 {
		t.Errorf("Answered by %v, with steering", by)
	}
}

// TestMisses: where queries wait for something, others are answered, until all
// goroutines wait and the queue is full. What is more is dropped. In the end,
// everybody else has had an answer, and only the workers are left.
func TestMisses(t *testing.T) {
	t.Parallel()
	const most = 300
	peer := bind(t, "127.0.0.1:0")
	server(t, peer, told("peer"), nil)
	release, waiting := make(chan struct{}), atomic.Int64{}
	h := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		if strings.HasPrefix(r.Question[0].Name, "miss") {
			waiting.Add(1)
			<-release
		}
		told("front")(w, r)
	})
	counters := new(Counters)
	f := open(t, Config{Address: peer.LocalAddr().String(), Peers: 1, Counters: counters, spill: most}, &Service{Answerer: prefix("now"), Handler: h})
	misses, hits := dial(t, peer.LocalAddr().String()), dial(t, peer.LocalAddr().String())
	send := func(n int) {
		for range n {
			if _, err := misses.Write(query(1, "miss.example")); err != nil {
				t.Fatal(err)
			}
			if rand.IntN(16) == 0 { // so that the kernel has room
				ask(t, hits, query(2, "now.example"))
			}
		}
	}
	send(workers + most/2)
	until(t, func() bool { return waiting.Load() == workers+most/2 })
	for range 10 {
		if got := ask(t, hits, query(2, "hit.example")); got[1] != 2 {
			t.Fatalf("%x", got)
		}
	}
	send(3*queue + most)
	until(t, func() bool { return waiting.Load() == workers+most && counters.Dropped.Load() >= queue })
	if got := ask(t, hits, query(3, "now.example")); got[1] != 3 {
		t.Fatalf("%x", got)
	}
	if n := f.spilled.Load(); n > most+1 {
		t.Errorf("%d goroutines beside the workers, want %d at most", n, most)
	}
	total := counters.Passed.Load() - counters.Dropped.Load()
	close(release)
	until(t, func() bool { return f.spilled.Load() == 0 && f.Current().inflight.Load() == 0 })
	if got := ask(t, hits, query(4, "hit.example")); got[1] != 4 {
		t.Fatalf("%x", got)
	}
	t.Logf("%d passed, %d dropped, %d spilled", total, counters.Dropped.Load(), counters.Spilled.Load())
}

// TestHurry: for queries that goroutines are there for already, which have only to
// get a processor, no more are started.
func TestHurry(t *testing.T) {
	t.Parallel()
	const n = 20
	f := &Front{config: Config{Counters: new(Counters)}, queue: make(chan *job, n)}
	var served sync.WaitGroup
	s := &Service{Handler: dns.HandlerFunc(func(dns.ResponseWriter, *dns.Msg) { served.Done() })}
	f.service.Store(s)
	conn := bind(t, "127.0.0.1:0").(*net.UDPConn)
	defer conn.Close()
	for range n {
		served.Add(1)
		d := new(datagram)
		f.pass(&socket{front: f, local: conn.LocalAddr()}, d, copy(d.packet[:], query(1, "hit.example")))
	}
	f.starting.Store(n)
	if f.hurry(); f.config.Counters.Spilled.Load() != 0 {
		t.Errorf("%d were started", f.config.Counters.Spilled.Load())
	}
	f.starting.Store(n - 3)
	if f.hurry(); f.config.Counters.Spilled.Load() != 3 {
		t.Errorf("%d were started, want 3", f.config.Counters.Spilled.Load())
	}
	served.Wait()
	f.running.Wait()
	if got := f.starting.Load(); got != n-3 || f.spilled.Load() != 0 {
		t.Errorf("%d have not begun, want %d; %d have not ended", got, n-3, f.spilled.Load())
	}
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for wait := newBackoff(); !done(); {
		if !wait.next(ctx) {
			t.Fatal("It does not come to that")
		}
	}
}

// TestSwap changes the service under load and closes the front in the end. No query
// is lost, and none is answered by a service that has been drained.
func TestSwap(t *testing.T) {
	t.Parallel()
	peer := bind(t, "127.0.0.1:0")
	server(t, peer, told("peer"), nil)
	var drained atomic.Int64
	service := func(n int64) *Service {
		return &Service{Answerer: prefix("now"), Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
			if n <= drained.Load() {
				t.Errorf("Service %d is asked after it was drained", n)
			}
			told("front")(w, r)
		})}
	}
	f, err := Open(Config{Address: peer.LocalAddr().String(), Peers: 1, Counters: new(Counters)}, service(1))
	if err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		c := dial(t, peer.LocalAddr().String())
		clients.Go(func() {
			for id := uint16(0); ; id++ {
				select {
				case <-stop:
					return
				default:
				}
				wire := [][]byte{query(id, "now.example"), query(id, "later.example"), append(query(id, "odd.example"), 0)}[id%3]
				if got := ask(t, c, wire); got[0] != byte(id>>8) || got[1] != byte(id) {
					t.Errorf("%x is the answer to %x", got, wire)
				}
			}
		})
	}
	for n := int64(1); n <= 50; n++ {
		old := f.Swap(service(n + 1))
		old.Drain(t.Context())
		drained.Store(n)
	}
	f.Close(t.Context())
	drained.Store(51)
	close(stop)
	clients.Wait()
}

// TestTaken: an address that cannot be had is an error, and leaves nothing open.
func TestTaken(t *testing.T) {
	t.Parallel()
	alone, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if f, err := Open(Config{Address: alone.LocalAddr().String(), Counters: new(Counters)}, &Service{Handler: told("front")}); err == nil {
		f.Close(t.Context())
		t.Error("A front at an address that is taken")
	}
}
