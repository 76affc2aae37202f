package main

import (
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
	if after := measure(); after.goroutines > before.goroutines+2 || after.files > before.files+2 {
		t.Errorf("Fronts leak: %+v, then %+v", before, after)
	}
}

// shedding returns a Corefile with the shed plugin beside the front.
func shedding(corefile string) string {
	return strings.Replace(corefile, "nonudify {", "shed\n nonudify {", 1)
}
