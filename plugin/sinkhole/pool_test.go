package sinkhole

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"weak"
)

var anyPort = netip.MustParseAddrPort("127.0.0.1:0")

// numbered is a site that answers with its number.
func numbered(n int) *Site {
	return &Site{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Site", fmt.Sprint(n))
		w.WriteHeader(http.StatusForbidden)
	})}
}

func acquire(t *testing.T, p *Pool, address netip.AddrPort, owner any, site *Site) *Share {
	t.Helper()
	s, err := p.Acquire(address, owner, site)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Release)
	return s
}

// connect opens a connection that ends with the test, and fails it rather than
// to hang.
func connect(t testing.TB, address netip.AddrPort) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// siteAt returns the number of the site that a new connection gets to.
func siteAt(t *testing.T, address netip.AddrPort) string {
	t.Helper()
	c := connect(t, address)
	defer c.Close()
	send(t, c, getPage)
	r, _ := readReply(t, bufio.NewReader(c))
	return r.Header.Get("Site")
}

// TestPoolNewest: the newest site that is held answers, on connections that are
// open already, too.
func TestPoolNewest(t *testing.T) {
	p := new(Pool)
	one := acquire(t, p, anyPort, 1, numbered(1))
	open := connect(t, one.Address())
	reader := bufio.NewReader(open)
	check := func(want string) {
		t.Helper()
		if got := siteAt(t, one.Address()); got != want {
			t.Errorf("Site %s answers, want %s", got, want)
		}
		send(t, open, getPage)
		if r, _ := readReply(t, reader); r.Header.Get("Site") != want {
			t.Errorf("Site %s answers on an open connection, want %s", r.Header.Get("Site"), want)
		}
	}
	check("1")
	two := acquire(t, p, anyPort, 2, numbered(2))
	three := acquire(t, p, anyPort, 3, numbered(3))
	check("3")
	two.Release()
	check("3")
	three.Release() // a reload that failed
	check("1")
	four := acquire(t, p, anyPort, 4, numbered(4))
	one.Release()
	one.Release() // does nothing
	check("4")
	if one.Address() != four.Address() || one.Address().Port() == 0 {
		t.Errorf("Addresses %v and %v", one.Address(), four.Address())
	}
	four.Release()
	if len(p.open) != 0 {
		t.Errorf("%d listeners left", len(p.open))
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Errorf("An idle connection after the last release: %v", err)
	}
	if c, err := net.Dial("tcp", one.Address().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("The address after the last release: %v, %v", c, err)
	}
	five := acquire(t, p, four.Address(), 5, numbered(5)) // at once
	if got := siteAt(t, five.Address()); got != "5" {
		t.Errorf("Site %s answers", got)
	}
}

// TestPoolOwners: one server may name an address in several blocks, but not for
// two sites.
func TestPoolOwners(t *testing.T) {
	p := new(Pool)
	type server struct{ name string }
	old, next := &server{"old"}, &server{"next"}
	one, two := numbered(1), numbered(2)
	first := acquire(t, p, anyPort, weak.Make(old), one)
	mapped := netip.AddrPortFrom(netip.MustParseAddr("::ffff:127.0.0.1"), 0)
	second := acquire(t, p, mapped, weak.Make(old), one) // the same address in other words
	if _, err := p.Acquire(anyPort, weak.Make(old), two); !errors.Is(err, ErrShared) || !strings.Contains(err.Error(), anyPort.String()) {
		t.Errorf("Two sites of one owner: %v", err)
	}
	if got := siteAt(t, first.Address()); got != "1" {
		t.Errorf("Site %s answers after an error", got)
	}
	third := acquire(t, p, anyPort, weak.Make(next), two)
	first.Release()
	if got := siteAt(t, third.Address()); got != "2" {
		t.Errorf("Site %s answers", got)
	}
	third.Release()
	if got := siteAt(t, second.Address()); got != "1" {
		t.Errorf("Site %s answers, though the first owner holds a share", got)
	}
	runtime.KeepAlive(old)
	runtime.KeepAlive(next)
}

// TestPoolErrors: an address that cannot be opened leaves nothing behind.
func TestPoolErrors(t *testing.T) {
	p := new(Pool)
	s := acquire(t, new(Pool), anyPort, 1, numbered(1)) // another program, so to speak
	if _, err := p.Acquire(s.Address(), 1, numbered(2)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("An address that is in use: %v", err)
	}
	s.Release()
	s = acquire(t, p, s.Address(), 1, numbered(1))
	all := netip.AddrPortFrom(netip.IPv4Unspecified(), s.Address().Port())
	if _, err := p.Acquire(all, 2, numbered(2)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%v beside %v", all, s.Address())) {
		t.Errorf("All addresses beside one: %v", err)
	}
	if got := siteAt(t, s.Address()); got != "1" || len(p.open) != 1 {
		t.Errorf("Site %s answers after errors; %d listeners", got, len(p.open))
	}
}

// TestPoolSwapsTLS: a reload may turn TLS on and off.
func TestPoolSwapsTLS(t *testing.T) {
	p := new(Pool)
	plain := acquire(t, p, anyPort, 1, helpSite())
	site, roots := tlsSite(t, "help.example")
	secure := acquire(t, p, anyPort, 2, site)
	c := tls.Client(connect(t, plain.Address()), &tls.Config{RootCAs: roots, ServerName: "help.example"})
	send(t, c, getPage)
	if r, _ := readReply(t, bufio.NewReader(c)); r.StatusCode != 403 {
		t.Errorf("Status %d", r.StatusCode)
	}
	secure.Release()
	raw := connect(t, plain.Address())
	send(t, raw, getPage)
	if r, _ := readReply(t, bufio.NewReader(raw)); r.StatusCode != 403 {
		t.Errorf("Status %d", r.StatusCode)
	}
}

// TestPoolReload: clients that never rest notice nothing of 50 reloads, some of
// which fail.
func TestPoolReload(t *testing.T) {
	p := &Pool{Failed: func(_ string, err error) { t.Error(err) }}
	current := acquire(t, p, anyPort, 0, numbered(0))
	address := current.Address()
	var requests atomic.Int64
	var stop atomic.Bool
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() { hammer(t, address, i%2 == 0, &requests, &stop) })
	}
	for n := 1; n <= 50; n++ {
		until := requests.Load() + 20
		next, err := p.Acquire(anyPort, n, numbered(n))
		if err != nil {
			t.Fatal(err)
		}
		want := n
		if n%5 == 0 { // the new server does not start
			next.Release()
			want = n - 1
		} else {
			current.Release()
			current = next
		}
		if got := siteAt(t, address); got != fmt.Sprint(want) {
			t.Errorf("Reload %d: site %s answers", n, got)
		}
		for requests.Load() < until && !t.Failed() {
			runtime.Gosched()
		}
	}
	stop.Store(true)
	clients.Wait()
	current.Release()
	t.Logf("%d requests in 50 reloads", requests.Load())
}

// hammer sends requests until it is stopped; each must be answered.
func hammer(t *testing.T, address netip.AddrPort, keep bool, requests *atomic.Int64, stop *atomic.Bool) {
	var c net.Conn
	var reader *bufio.Reader
	for !stop.Load() {
		if c == nil {
			var err error
			if c, err = net.Dial("tcp", address.String()); err != nil {
				t.Errorf("dial: %v", err)
				return
			}
			c.SetDeadline(time.Now().Add(20 * time.Second))
			reader = bufio.NewReader(c)
		}
		_, err := io.WriteString(c, getPage)
		if err == nil {
			_, err = http.ReadResponse(reader, nil)
		}
		if err != nil {
			t.Errorf("Request %d: %v", requests.Load(), err)
			c.Close()
			return
		}
		requests.Add(1)
		if !keep {
			c.Close()
			c = nil
		}
	}
	if c != nil {
		c.Close()
	}
}

// TestPoolLastRelease: a request under way is answered, and Release returns
// after that.
func TestPoolLastRelease(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var left atomic.Bool
	p := new(Pool)
	s := acquire(t, p, anyPort, 1, &Site{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		left.Store(true)
		io.WriteString(w, "done")
	})})
	c, fresh := connect(t, s.Address()), connect(t, s.Address())
	send(t, c, getPage)
	<-entered
	released := make(chan struct{})
	go func() {
		s.Release()
		if !left.Load() {
			t.Error("Released while a request is under way")
		}
		close(released)
	}()
	if _, err := fresh.Read(make([]byte, 1)); err == nil { // ends: the release has begun
		t.Error("A byte without a request")
	}
	close(leave)
	if r, body := readReply(t, bufio.NewReader(c)); r.StatusCode != 200 || body != "done" {
		t.Errorf("Status %d, %q", r.StatusCode, body)
	}
	<-released
}

// TestPoolReleaseAll: none waits for another to end.
func TestPoolReleaseAll(t *testing.T) {
	var entered sync.WaitGroup
	leave := make(chan struct{})
	var shares []*Share
	for owner := range 3 {
		entered.Add(1)
		s := acquire(t, new(Pool), anyPort, owner, &Site{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			entered.Done()
			<-leave
		})})
		shares = append(shares, s)
	}
	end := sync.OnceFunc(func() { close(leave) })
	t.Cleanup(end) // before the shares are released, which waits for the requests
	var fresh []net.Conn
	for _, s := range shares {
		fresh = append(fresh, connect(t, s.Address()))
		send(t, connect(t, s.Address()), getPage)
	}
	entered.Wait()
	released := make(chan struct{})
	go func() {
		ReleaseAll(shares)
		close(released)
	}()
	for _, c := range fresh { // all end while all have a request under way
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("A byte without a request")
		}
	}
	select {
	case <-released:
		t.Error("Released while requests are under way")
	default:
	}
	end()
	<-released
	ReleaseAll(nil)
}

// TestPoolFull: when all connections have a request, a new one is closed at
// once.
func TestPoolFull(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	p := &Pool{Config: ServerConfig{Conns: 1}}
	s := acquire(t, p, anyPort, 1, &Site{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "done")
	})})
	end := sync.OnceFunc(func() { close(leave) })
	t.Cleanup(end) // before the share is released, which waits for the request
	c := connect(t, s.Address())
	send(t, c, getPage)
	<-entered
	if err := oneMore(s.Address()); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("One connection more: %v", err)
	}
	end()
	if _, body := readReply(t, bufio.NewReader(c)); body != "done" {
		t.Errorf("Got %q", body)
	}
}

// oneMore connects and returns how that ends. It may be reset before the client
// knows that it was there.
func oneMore(address netip.AddrPort) error {
	c, err := net.DialTimeout("tcp", address.String(), 10*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err = c.Read(make([]byte, 1))
	return err
}

// TestPoolConcurrent takes and gives back from several goroutines; the race
// detector watches.
func TestPoolConcurrent(t *testing.T) {
	p := new(Pool)
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for range 30 {
				s, err := p.Acquire(anyPort, w, numbered(w))
				if err != nil {
					t.Error(err)
					return
				}
				c, err := net.Dial("tcp", s.Address().String())
				if err != nil {
					t.Error(err)
				} else {
					c.Close()
				}
				s.Release()
			}
		})
	}
	wg.Wait()
	if len(p.open) != 0 {
		t.Errorf("%d listeners left", len(p.open))
	}
}

// TestPoolFailed names the address.
func TestPoolFailed(t *testing.T) {
	failed := make(chan string, 1)
	p := &Pool{Failed: func(a string, err error) { failed <- fmt.Sprint(a, " ", err) }}
	for _, p := range []*Pool{p, {}} {
		s := acquire(t, p, anyPort, 1, &Site{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") })})
		c := connect(t, s.Address())
		send(t, c, getPage)
		if _, err := io.ReadAll(c); err != nil {
			t.Error(err)
		}
		s.Release()
	}
	if got := <-failed; !strings.HasPrefix(got, "127.0.0.1:0 a request has ended in a panic") {
		t.Error(got)
	}
}
