package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// changingUpstream is an upstream whose answers change, that can be held up, and
// that counts what it is asked. To it, cloaked.example is another name of
// www.badsite.example.
type changingUpstream struct {
	addr string
	ttl  uint32

	mu      sync.Mutex
	address string // that names have now
	asked   map[string]int
	hold    chan struct{} // closed when answers may go; nil: they may
	down    bool          // every answer is SERVFAIL
}

func newChangingUpstream(t *testing.T, ttl uint32) *changingUpstream {
	t.Helper()
	u := &changingUpstream{ttl: ttl, address: upstreamAddress, asked: map[string]int{}}
	u.addr = serveBoth(t, u)
	return u
}

func (u *changingUpstream) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	name := strings.ToLower(r.Question[0].Name)
	u.mu.Lock()
	u.asked[name]++
	hold := u.hold
	u.mu.Unlock()
	if hold != nil {
		<-hold
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	m := new(dns.Msg).SetReply(r)
	m.RecursionAvailable = true
	if u.down {
		m.Rcode = dns.RcodeServerFailure
		w.WriteMsg(m)
		return
	}
	if name == "cloaked.example." {
		const target = "www.badsite.example."
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: u.ttl}, Target: target})
		name = target
	}
	address := netip.MustParseAddr(u.address).AsSlice()
	m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: u.ttl}, A: address})
	w.WriteMsg(m)
}

// set changes the upstream.
func (u *changingUpstream) set(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
}

// times returns how often the upstream was asked for a name.
func (u *changingUpstream) times(name string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked[name+"."]
}

// filtered is a server with a list that changes, before a cache.
type filtered struct {
	*serving
	view, list, corefile string
}

// newFiltered starts one with options of the cache. The list has a name that
// nobody asks for.
func newFiltered(t *testing.T, upstream, options string) *filtered {
	t.Helper()
	f := &filtered{view: fresh("cached"), list: filepath.Join(t.TempDir(), "list.txt")}
	putFile(t, f.list, []byte("never.example\n"))
	f.corefile = ".:0 {\n bind 127.0.0.1\n view " + f.view + " {\n  expr true\n }\n nonudify {\n  list " + f.list + "\n }\n cache {\n  " + options + "\n }\n" +
		" forward . " + upstream + "\n}\n"
	f.serving = &serving{t, start(t, f.corefile)}
	t.Cleanup(func() { stop(f.Instance) })
	return f
}

// lists puts an edition into force. A second server of this process shares the
// list and looks at it when it starts: when it has started, the edition is in
// force in both, and the very next query is judged by it.
func (f *filtered) lists(names string) {
	f.t.Helper()
	putFile(f.t, f.list, []byte("never.example\n"+strings.ReplaceAll(names, " ", "\n")+"\n"))
	stop(start(f.t, f.corefile))
}

// gets wants the next answer to be that.
func (f *filtered) gets(name, want string) {
	f.t.Helper()
	if got := answer(f.ask(name)); got != want {
		f.t.Errorf("%s: %s, want %s", name, got, want)
	}
}

// TestListedWhileCached: what is listed, or led to, is denied on the very next
// query, and resolves on the very next one when it is not listed any more, from
// the cache that has held it all the while.
func TestListedWhileCached(t *testing.T) {
	t.Parallel()
	up := newChangingUpstream(t, 3600)
	f := newFiltered(t, up.addr, "success 100")
	for range 3 {
		f.gets("hot.example", passes)
		f.gets("cloaked.example", passes)
		f.lists("hot.example badsite.example")
		f.gets("hot.example", denies)
		f.gets("cloaked.example", deniesTarget)
		f.lists("")
	}
	f.gets("cold.example", passes)
	f.gets("hot.example", passes)
	for _, name := range []string{"hot.example", "cloaked.example"} {
		if n := up.times(name); n != 1 {
			t.Errorf("The upstream was asked %d times for %s", n, name)
		}
	}
}

// prefetching has the cache fetch what was asked for twice as soon as a tenth of
// its time is over, which is the earliest that can be had.
const prefetching = "prefetch 1 1h 90%"

// TestListedWhilePrefetched: a prefetch has no client and is judged by nobody.
// What it brings is in the cache, and judged when somebody asks: a name that is
// listed while it is being fetched is denied at once.
func TestListedWhilePrefetched(t *testing.T) {
	t.Parallel()
	up := newChangingUpstream(t, 60)
	f := newFiltered(t, up.addr, prefetching)
	for _, name := range []string{"hot.example", "cloaked.example"} {
		f.gets(name, passes)
	}
	held := make(chan struct{})
	up.set(func() { up.hold, up.address = held, "192.0.2.99" })
	for _, name := range []string{"hot.example", "cloaked.example"} {
		until(t, func() error { // each answer is from the cache, and lets it fetch the next one
			f.gets(name, passes)
			if n := up.times(name); n < 2 {
				return fmt.Errorf("%s was fetched %d times", name, n)
			}
			return nil
		})
	}
	f.lists("hot.example badsite.example")
	f.gets("hot.example", denies)
	f.gets("cloaked.example", deniesTarget)
	f.lists("")
	f.gets("hot.example", passes)
	f.gets("cloaked.example", passes)
	f.lists("hot.example badsite.example")
	up.set(func() { up.hold = nil })
	close(held)
	f.gets("hot.example", denies)
	f.gets("cloaked.example", deniesTarget)
	before := verdicts(t, f.view)["nxdomain"] + verdicts(t, f.view)["nodata"]
	f.lists("")
	until(t, func() error { // what was fetched has come into the cache, unfiltered, and without a verdict
		for _, name := range []string{"hot.example", "cloaked.example"} {
			if got := answer(f.ask(name)); got != "NOERROR a=192.0.2.99" {
				return fmt.Errorf("%s: %s", name, got)
			}
		}
		return nil
	})
	if after := verdicts(t, f.view)["nxdomain"] + verdicts(t, f.view)["nodata"]; before != 4 || after != before {
		t.Errorf("%v verdicts, then %v", before, after)
	}
}

// TestDeniedIsNotFetched: while a name is listed, the cache is not asked for it,
// so that nothing is fetched for it either, however hot it was.
func TestDeniedIsNotFetched(t *testing.T) {
	t.Parallel()
	up := newChangingUpstream(t, 60)
	f := newFiltered(t, up.addr, prefetching)
	until(t, func() error {
		f.gets("hot.example", passes)
		if n := up.times("hot.example"); n < 2 {
			return fmt.Errorf("fetched %d times", n)
		}
		return nil
	})
	f.lists("hot.example")
	f.gets("other.example", passes)
	n := up.times("hot.example")
	for range 50 {
		f.gets("hot.example", denies)
	}
	f.gets("another.example", passes)
	if after := up.times("hot.example"); after > n+1 { // one may have been under way
		t.Errorf("Fetched %d times, then %d", n, after)
	}
}

// TestListedWhileStale: with the upstream down, what the cache goes on serving is
// judged by the lists of now.
func TestListedWhileStale(t *testing.T) {
	t.Parallel()
	for _, options := range []string{
		"success 100 1 0\n serve_stale 1h",
		"success 100 1 0\n serve_stale 1h verify",
		"success 100 1 0\n serve_stale 1h\n prefetch 1",
	} {
		up := newChangingUpstream(t, 1)
		f := newFiltered(t, up.addr, options)
		f.gets("stale.example", passes)
		f.gets("cloaked.example", passes)
		up.set(func() { up.down = true })
		for _, name := range []string{"stale.example", "cloaked.example"} {
			until(t, func() error {
				reply := f.ask(name)
				if answer(reply) != passes || reply.Answer[0].Header().Ttl != 0 {
					return fmt.Errorf("not stale yet: %v", reply)
				}
				return nil
			})
		}
		for range 2 {
			f.lists("stale.example badsite.example")
			f.gets("stale.example", denies)
			f.gets("cloaked.example", deniesTarget)
			f.lists("")
			f.gets("stale.example", passes)
			f.gets("cloaked.example", passes)
		}
		f.gets("never-cached.example", "SERVFAIL")
	}
}
