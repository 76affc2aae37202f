package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"
)

// crowd is clients that ask a server without a pause, each with several queries
// under way, half of them for a blocked name. It counts replies that do not come or
// are not right.
type crowd struct {
	t       *testing.T
	server  string
	over    atomic.Bool
	clients sync.WaitGroup
	asked   atomic.Int64
}

const (
	crowdClients = 4
	crowdWindow  = 8
)

func newCrowd(t *testing.T, server string) *crowd {
	c := &crowd{t: t, server: server}
	for n := range crowdClients {
		c.clients.Go(func() { c.client(n) })
	}
	return c
}

// leave ends the load once all has been answered.
func (c *crowd) leave() {
	c.over.Store(true)
	c.clients.Wait()
}

// client sends windows of queries, each name only once, and waits for all replies.
func (c *crowd) client(n int) {
	conn, err := net.Dial("udp", c.server)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer conn.Close()
	names := 0
	for !c.over.Load() && !c.t.Failed() {
		due := map[uint16]string{}
		for id := range uint16(crowdWindow) {
			names++
			name := fmt.Sprintf("n%d.c%d.%s.", names, n, []string{"blocked.example", "good.test"}[names%2])
			wire, err := (&dns.Msg{MsgHdr: dns.MsgHdr{Id: id, RecursionDesired: true}, Question: []dns.Question{{Name: name, Qtype: dns.TypeA, Qclass: dns.ClassINET}}}).Pack()
			if err != nil {
				c.t.Error(err)
			}
			if _, err := conn.Write(wire); err != nil {
				c.t.Errorf("%s: %v", name, err)
			}
			due[id] = name
		}
		c.collect(conn, due)
	}
}

// collect reads the replies that are due.
func (c *crowd) collect(conn net.Conn, due map[uint16]string) {
	buf := make([]byte, dns.MaxMsgSize)
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for len(due) > 0 {
		n, err := conn.Read(buf)
		if err != nil {
			c.t.Errorf("No reply for %v: %v", due, err)
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(buf[:n]); err != nil {
			c.t.Error(err)
			return
		}
		name, expected := due[m.Id]
		want := dns.RcodeSuccess
		if strings.Contains(name, "blocked") {
			want = dns.RcodeNameError
		}
		if !expected || m.Question[0].Name != name || m.Rcode != want {
			c.t.Errorf("%v is the answer to %s", m, name)
			return
		}
		delete(due, m.Id)
		c.asked.Add(1)
	}
}

// await waits until the crowd has had so many more answers.
func (c *crowd) await(more int64) {
	want := c.asked.Load() + more
	err := poll(func() error {
		if got := c.asked.Load(); got < want && !c.t.Failed() {
			return fmt.Errorf("%d answers, want %d", got, want)
		}
		return nil
	})
	if err != nil {
		c.t.Error(err)
	}
}

// TestFrontReloads reloads a server with a front under load: into the same again,
// into one without a front and back, into one with more sockets, and into some that
// fail. Every query is answered, and rightly, and nothing is left of the fronts at
// the end.
func TestFrontReloads(t *testing.T) {
	onLinux(t)
	port := freePort(t)
	up := newUpstream(t)
	corefile := func(front, plugins string) string {
		return ".:" + port + " {\n bind 127.0.0.1\n" + plugins + "\n nonudify {\n block blocked.example\n front " + front + "\n }\n cache\n forward . " + up.addr + "\n}\n"
	}
	idle := ".:" + port + " {\n bind 127.0.0.1\n whoami\n}\n" // keeps no connection to the upstream
	on, off, many := corefile("on", ""), corefile("off", ""), corefile("on", "multisocket 3")
	plain := strings.Replace(off, "nonudify {\n block blocked.example\n front off\n }", "template ANY ANY blocked.example {\n rcode NXDOMAIN\n }", 1)
	failing := on + "example.net:0 {\n bind 192.0.2.1\n nonudify\n}\n"
	i := start(t, idle)
	defer func() { stop(i) }()
	before := measure()
	reload := func(corefile string) error {
		next, err := i.Restart(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
		i = next
		return err
	}
	if err := reload(off); err != nil {
		t.Fatal(err)
	}
	crowd := newCrowd(t, "127.0.0.1:"+port)
	for round, next := range []string{on, on, failing, on, off, on, many, many, on, plain, on, failing, off, failing, on, on, shedding(on), on, off, on, on, off} {
		err := reload(next)
		if (err == nil) != (next != failing) {
			t.Fatalf("Round %d: %v", round, err)
		}
		if want := strings.Contains(next, "front on"); err == nil && want {
			frontUp(t, port)
		} else if _, is := frontCount(t, port); err == nil && is {
			t.Errorf("Round %d: the front is still there", round)
		}
		crowd.await(500)
		if t.Failed() {
			t.Logf("That was in round %d, with\n%s", round, next)
			break
		}
	}
	crowd.leave()

	if err := reload(idle); err != nil {
		t.Fatal(err)
	}
	fates, _ := frontCount(t, port)
	t.Logf("%d queries; the front: %v", crowd.asked.Load(), fates)
	if fates["answered"] < 1000 || fates["passed"] < 1000 || fates["dropped"] > 0 {
		t.Errorf("The front has done too little: %v", fates)
	}
	err := poll(func() error { // what was under way when forward was told to end keeps its connections for ten seconds
		if after := measure(); after.goroutines > before.goroutines+2 || after.files > before.files+2 {
			return fmt.Errorf("fronts leak: %+v, then %+v", before, after)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestFrontOverload sends more than a server can answer, for names that are blocked,
// cached and neither, and reads no reply. It goes on to answer over TCP, and over UDP
// once the flood is over, and has not grown meanwhile.
func TestFrontOverload(t *testing.T) {
	onLinux(t)
	port := freePort(t)
	i := start(t, ".:"+port+" {\n bind 127.0.0.1\n nonudify {\n block blocked.example\n front on\n }\n cache\n forward . "+newUpstream(t).addr+"\n}\n")
	defer func() { stop(i) }()
	frontUp(t, port)
	before := measure()
	stopped, floods := make(chan struct{}), sync.WaitGroup{}
	var sent atomic.Int64
	for n := range 3 {
		floods.Go(func() {
			conn, err := net.Dial("udp", "127.0.0.1:"+port)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for at := 0; ; at++ {
				select {
				case <-stopped:
					return
				default:
				}
				name := []string{"www.blocked.example.", "cached.test.", fmt.Sprintf("n%d-%d.test.", n, at)}[at%3]
				wire, _ := new(dns.Msg).SetQuestion(name, dns.TypeA).Pack()
				conn.Write(wire)
				sent.Add(1)
			}
		})
	}
	ask := func(network string) {
		err := poll(func() error {
			c := dns.Client{Net: network, Timeout: 10 * time.Second}
			reply, _, err := c.Exchange(new(dns.Msg).SetQuestion("www.blocked.example.", dns.TypeA), "127.0.0.1:"+port)
			if err == nil && reply.Rcode != dns.RcodeNameError {
				err = fmt.Errorf("%v", reply)
			}
			return err
		})
		if err != nil {
			t.Errorf("Over %s: %v", network, err)
		}
	}
	for range 10 {
		ask("tcp")
	}
	if err := poll(func() error {
		if sent.Load() < 60_000 {
			return errors.New("too few queries")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	close(stopped)
	floods.Wait()
	ask("udp")
	fates, _ := frontCount(t, port)
	var after footprint
	err := poll(func() error { // what is under way still ends
		after = measure()
		if grown := int64(after.heap) - int64(before.heap); grown > 64<<20 || after.goroutines > before.goroutines+200 {
			return fmt.Errorf("it has grown: %+v, then %+v", before, after)
		}
		return nil
	})
	t.Logf("%d sent; the front: %v; %+v, then %+v", sent.Load(), fates, before, after)
	if err != nil {
		t.Error(err)
	}
}

// shedding returns a Corefile with the shed plugin beside the front.
func shedding(corefile string) string {
	return strings.Replace(corefile, "nonudify {", "shed\n nonudify {", 1)
}
