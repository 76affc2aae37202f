package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestSwaps puts 100 editions of a list in the place of one another while
// clients ask without a pause. Each query must be answered by an edition that
// was in force between the moment it was sent and the moment its reply came;
// and afterwards the process must be as large as after the first edition.
//
// The race detector makes the building of a list 14 times slower: with it the
// list of 500,000 names is swapped three times and one of 10,000 a hundred
// times; without it ("make check"), the large one a hundred times.
func TestSwaps(t *testing.T) {
	const large = 500_000
	if !raced() {
		t.Run("large", func(t *testing.T) { swapUnderLoad(t, large, 100) })
		return
	}
	t.Run("many", func(t *testing.T) { swapUnderLoad(t, 10_000, 100) })
	t.Run("large", func(t *testing.T) { swapUnderLoad(t, large, 3) })
}

// raced reports whether the race detector is on.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}

// polled is the number of swaps, of all, that are left to the server's own
// looking at the file, which it does once a second.
const polled = 2

func swapUnderLoad(t *testing.T, size, rounds int) {
	s := newSwapping(t, size)
	corefile := ".:0 {\n bind 127.0.0.1\n nonudify {\n list " + s.file + " refresh 1s\n }\n whoami\n}\n"
	s.publish(1)
	i := start(t, corefile)
	defer stop(i)
	s.done.Store(1)
	s.look(corefile) // so that what is made once is there before it is counted
	before := measure()
	end := s.load(addrs(i))
	for n := uint32(2); n <= uint32(rounds-polled+1); n++ {
		s.publish(n)
		s.look(corefile)
		s.done.Store(n)
	}
	s.poll(i.Servers()[0].LocalAddr().String(), rounds)
	end()
	s.look(corefile) // caddy holds on to the second server that was stopped last, and so to its edition
	s.compare(before, measure())
}

// swapping is a list that changes while clients ask for its names.
type swapping struct {
	t    *testing.T
	file string
	same []byte // names of all editions
	size int

	begun, done atomic.Uint32 // the last edition that was published, and that is in force
	denied      atomic.Int64
	passed      atomic.Int64
}

func newSwapping(t *testing.T, size int) *swapping {
	var b strings.Builder
	for i := range size {
		fmt.Fprintf(&b, "site%d.example\n", i)
	}
	return &swapping{t: t, file: filepath.Join(t.TempDir(), "list.txt"), same: []byte(b.String()), size: size}
}

// publish renames an edition over the one before: one with the names of all
// editions, and another name in every second one.
func (s *swapping) publish(n uint32) {
	s.t.Helper()
	s.begun.Store(n)
	putFile(s.t, s.file, append(fmt.Appendf(nil, "# Serial: %d\n%s.example\n", n, parity(n)), s.same...))
}

func parity(n uint32) string { return []string{"even", "odd"}[n%2] }

// look has the list looked at without the wait between two rounds: a second
// server of this process that names the same list shares it, and looks at it
// when it starts. When that has returned, the edition is in force in both.
func (s *swapping) look(corefile string) {
	s.t.Helper()
	stop(start(s.t, corefile))
}

// poll publishes the remaining editions and waits for the server to find them.
func (s *swapping) poll(udp string, rounds int) {
	s.t.Helper()
	for n := s.done.Load() + 1; n <= uint32(rounds+1); n++ {
		s.publish(n)
		s.await(udp, n)
		s.done.Store(n)
	}
}

// await waits until an edition is in force.
func (s *swapping) await(udp string, n uint32) {
	s.t.Helper()
	deadline := time.After(time.Minute)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		reply, err := dns.Exchange(new(dns.Msg).SetQuestion("site0.example.", dns.TypeA), udp)
		if err == nil && serialOf(reply) == n {
			return
		}
		select {
		case <-deadline:
			s.t.Fatalf("Edition %d did not come into force: %v %v", n, reply, err)
		case <-again.C:
		}
	}
}

// load has clients ask over UDP and TCP until the returned function is called.
// Each has one query under way at a time, so that no queue can overflow: a query
// that has no answer in time counts as lost, over UDP, too.
func (s *swapping) load(udp, tcp string) (end func()) {
	var clients sync.WaitGroup
	quit := make(chan struct{})
	for i := range uint64(4) {
		network, addr := "udp", udp
		if i%2 == 1 {
			network, addr = "tcp", tcp
		}
		clients.Go(func() {
			if err := s.client(quit, network, addr, i); err != nil {
				s.t.Errorf("Over %s: %v", network, err)
			}
		})
	}
	return func() {
		close(quit)
		clients.Wait()
	}
}

// client asks until it is told to quit, or something is wrong.
func (s *swapping) client(quit <-chan struct{}, network, addr string, seed uint64) error {
	conn, err := dns.DialTimeout(network, addr, 10*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := rand.New(rand.NewPCG(seed, 1))
	for {
		select {
		case <-quit:
			return nil
		default:
		}
		names := []string{fmt.Sprintf("www.site%d.example.", r.IntN(s.size)), fmt.Sprintf("never%d.example.", r.IntN(s.size)), "even.example.", "odd.example."}
		if err := s.ask(conn, names[r.IntN(len(names))]); err != nil {
			return err
		}
	}
}

// ask sends one query and holds the reply against the editions that may have
// made it.
func (s *swapping) ask(conn *dns.Conn, name string) error {
	oldest := s.done.Load()
	reply, err := exchangeOn(conn, new(dns.Msg).SetQuestion(name, dns.TypeA))
	newest := s.begun.Load()
	switch {
	case err != nil:
		return fmt.Errorf("%s is lost: %w", name, err)
	case reply.Rcode == dns.RcodeSuccess:
		s.passed.Add(1)
		if mayPass(name, oldest, newest) {
			return nil
		}
	case reply.Rcode == dns.RcodeNameError:
		s.denied.Add(1)
		if by := serialOf(reply); oldest <= by && by <= newest && lists(name, by) {
			return nil
		}
	}
	return fmt.Errorf("%s, asked between editions %d and %d: %v", name, oldest, newest, reply)
}

// exchangeOn sends a query over a connection and returns the reply to it.
func exchangeOn(conn *dns.Conn, q *dns.Msg) (*dns.Msg, error) {
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if err := conn.WriteMsg(q); err != nil {
		return nil, err
	}
	reply, err := conn.ReadMsg()
	if err == nil && (reply.Id != q.Id || !slices.Equal(reply.Question, q.Question)) {
		err = fmt.Errorf("%v is the answer to %v", reply, q)
	}
	return reply, err
}

// lists reports whether an edition has a name.
func lists(name string, edition uint32) bool {
	return strings.HasPrefix(name, "www.site") || name == parity(edition)+".example."
}

// mayPass reports whether one of several editions lacks a name.
func mayPass(name string, oldest, newest uint32) bool {
	for n := oldest; n <= newest; n++ {
		if !lists(name, n) {
			return true
		}
	}
	return false
}

// serialOf returns the serial of the edition that a denial is from, 0 if the
// reply is none.
func serialOf(reply *dns.Msg) uint32 {
	if len(reply.Ns) == 1 {
		if soa, ok := reply.Ns[0].(*dns.SOA); ok {
			return soa.Serial
		}
	}
	return 0
}

// grownHeap is how much more the heap may hold after the swaps than before, in
// bytes: a third of what the set of a large list takes. What else has grown is
// a goroutine's stack or a buffer in a pool.
const grownHeap = 1 << 20

// compare looks for what is left over from former editions.
func (s *swapping) compare(before, after footprint) {
	s.t.Logf("%d names: %d queries denied, %d passed; before %+v, after %+v", s.size, s.denied.Load(), s.passed.Load(), before, after)
	if s.denied.Load() == 0 || s.passed.Load() == 0 {
		s.t.Error("Nobody has asked")
	}
	if after.goroutines > before.goroutines || after.files > before.files {
		s.t.Errorf("Swaps leak: %+v, then %+v", before, after)
	}
	if grown := int64(after.heap) - int64(before.heap); grown > grownHeap {
		s.t.Errorf("Swaps leak %d bytes", grown)
	}
}
