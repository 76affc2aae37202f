//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// cutter hands connections, and messages over UDP, on to a server at another port of
// loopback. Of the answers over a connection that are longer than cutBehind, it cuts as
// many off there as it was told to.
type cutter struct {
	port, to string
	cuts     atomic.Int32 // still to be made
}

// cutBehind is in the middle of a transfer, in bytes.
const cutBehind = 10_000

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	messages, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); messages.Close() })
	c := &cutter{to: to}
	_, c.port, _ = net.SplitHostPort(l.Addr().String())
	go c.passMessages(messages)
	go func() { // until the test closes the listener
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.pass(conn) // until one of both ends hangs up
		}
	}()
	return c
}

func (c *cutter) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", "127.0.0.1:"+c.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		io.Copy(server, client)
	}()
	n, _ := io.CopyN(client, server, cutBehind)
	if n == cutBehind && c.cuts.Add(-1) >= 0 {
		return
	}
	io.Copy(client, server)
}

// passMessages hands on one message after the other, until the test closes the socket.
func (c *cutter) passMessages(clients net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, client, err := clients.ReadFrom(buf)
		if err != nil {
			return
		}
		server, err := net.Dial("udp", "127.0.0.1:"+c.to)
		if err != nil {
			continue
		}
		server.SetDeadline(time.Now().Add(5 * time.Second))
		server.Write(buf[:n])
		if n, err = server.Read(buf); err == nil {
			clients.WriteTo(buf[:n], client)
		}
		server.Close()
	}
}

// cut waits until all the cuts are made.
func (c *cutter) cut(t *testing.T) {
	t.Helper()
	err := poll(func() error {
		if c.cuts.Load() > 0 {
			return errors.New("no transfer was cut off")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// cutFollower is a secondary that is not started yet.
type cutFollower struct {
	port, origin string // where it has the zone, and how it calls that
	start        func()
}

// followedByBIND is a BIND that takes a zone through the cutter.
func followedByBIND(t *testing.T, origin string, c *cutter) cutFollower {
	t.Helper()
	s := secondaryBIND(t, origin, c.port, "key "+zoneKey)
	return cutFollower{s.port, origin, s.launch}
}

// followedByUs is one of our servers that takes a zone through the cutter, and publishes
// it under another name.
func followedByUs(t *testing.T, origin string, c *cutter) cutFollower {
	t.Helper()
	s := secondaryOf(t, "cut", freePort(t), "axfr://127.0.0.1:"+c.port+"/"+strings.TrimSuffix(origin, ".")+"?tsig="+zoneKey, zoneSecret, "state "+t.TempDir()+"\n zone taken.rpz")
	port, _, _ := strings.Cut(strings.TrimPrefix(s.corefile, ".:"), " ")
	s.corefile = strings.Replace(s.corefile, "whoami", "transfer taken.rpz {\n to *\n }\n whoami", 1)
	t.Cleanup(s.stop)
	return cutFollower{port, "taken.rpz.", s.start}
}

// TestPublishCut cuts transfers off on their way to a secondary, of the whole zone and of
// what has changed: it takes nothing of them, goes on with what it has, and gets the
// next edition from there on.
func TestPublishCut(t *testing.T) {
	for name, followed := range map[string]func(*testing.T, string, *cutter) cutFollower{"bind": followedByBIND, "ours": followedByUs} {
		t.Run(name, func(t *testing.T) {
			origin, port := name+"-cut.rpz.", freePort(t)
			c := newCutter(t, port)
			s := followed(t, origin, c)
			p := newHiddenPrimary(t, origin, port, "", s.port)
			edition := func(i int) { // a tenth of it differs from the others
				names := []string{fmt.Sprintf("edition%d.example", i)}
				for n := range 3000 {
					names = append(names, fmt.Sprintf("name%d-%d.example", n, i*(1-min(n%10, 1))))
				}
				p.list(names...)
			}
			edition(1)
			p.start()
			first := p.publishes(0, "edition1.example")
			c.cuts.Store(1)
			s.start()
			c.cut(t)
			edition(2)
			second := p.publishes(first.serial, "edition2.example")
			s.has(t, origin, second)

			c.cuts.Store(1)
			edition(3)
			third := p.publishes(second.serial, "edition3.example")
			c.cut(t)
			if err := s.is(origin, second, third); err != nil { // by now it may have tried again
				t.Error(err)
			}
			partly := p.transfers("incremental")
			edition(4)
			fourth := p.publishes(third.serial, "edition4.example")
			s.has(t, origin, fourth)
			if n := p.transfers("incremental"); n <= partly {
				t.Error("After the cut it has not gone on from where it was")
			}
		})
	}
}

// has waits until the secondary has the rules of an edition.
func (s cutFollower) has(t *testing.T, origin string, z zoneState) {
	t.Helper()
	if err := poll(func() error { return s.is(origin, z) }); err != nil {
		t.Fatal(err)
	}
}

// is returns an error unless the secondary has the rules of one of these editions.
func (s cutFollower) is(origin string, editions ...zoneState) error {
	copied, err := readZone(s.origin, s.port)
	if err != nil {
		return err
	}
	got := rulesOf(copied, s.origin)
	if slices.ContainsFunc(editions, func(z zoneState) bool { return maps.Equal(got, rulesOf(z, origin)) }) {
		return nil
	}
	return fmt.Errorf("the secondary has serial %d and %d rules, which is no edition", copied.serial, len(got))
}

// rulesOf returns what a zone blocks, without its name.
func rulesOf(z zoneState, origin string) map[string]bool {
	rules := map[string]bool{}
	for line := range z.records {
		if trigger, ok := strings.CutSuffix(line, "."+origin+" 60 IN CNAME ."); ok {
			rules[trigger] = true
		}
	}
	return rules
}
