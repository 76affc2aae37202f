package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// slowUpstream answers all but slow.example at once, and that only when it is
// let go.
type slowUpstream struct {
	*upstream
	asked chan struct{} // closed when somebody has asked for it
	let   chan struct{}
	once  sync.Once
}

func newSlowUpstream(t *testing.T) (s *slowUpstream, address string) {
	t.Helper()
	s = &slowUpstream{upstream: &upstream{}, asked: make(chan struct{}), let: make(chan struct{})}
	return s, serveBoth(t, s)
}

func (s *slowUpstream) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	if strings.EqualFold(r.Question[0].Name, "slow.example.") {
		s.once.Do(func() { close(s.asked) })
		<-s.let
	}
	s.upstream.ServeDNS(w, r)
}

// everyRoute starts a server that lists badsite.example and has every route to it
// over IPv4.
func everyRoute(t *testing.T, upstream string) []route {
	t.Helper()
	dir := t.TempDir()
	certify(t, dir)
	i := start(t, allRoutes+" bind 127.0.0.1\n root "+dir+"\n nonudify {\n  block badsite.example\n }\n forward . "+upstream+"\n}\n")
	t.Cleanup(func() { stop(i) })
	return routes(i)
}

// packed returns a query on the wire.
func packed(t *testing.T, id uint16, name string) []byte {
	t.Helper()
	m := new(dns.Msg).SetQuestion(name, dns.TypeA).SetEdns0(1232, false)
	m.Id = id
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// open opens a connection over TCP or TLS that ends with the test.
func open(t *testing.T, r route) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := r.dial(ctx, "tcp")
	if err != nil {
		t.Fatal(err)
	}
	if r.transport == "tls" {
		c = tls.Client(c, r.tls("dot"))
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// replies reads so many replies from a connection and returns them by id.
func replies(c net.Conn, n int) (map[uint16]*dns.Msg, error) {
	conn, all := &dns.Conn{Conn: c}, map[uint16]*dns.Msg{}
	for range n {
		m, err := conn.ReadMsg()
		if err != nil {
			return nil, fmt.Errorf("after %d: %w", len(all), err)
		}
		if all[m.Id] != nil {
			return nil, fmt.Errorf("id %d came twice", m.Id)
		}
		all[m.Id] = m
	}
	return all, nil
}

// TestPipelined: of queries that come together, each is answered once, and each
// by its own verdict.
func TestPipelined(t *testing.T) {
	t.Parallel()
	const queries = 200
	all := everyRoute(t, newUpstream(t).addr)
	for _, r := range all {
		if r.transport != "tcp" && r.transport != "tls" {
			continue
		}
		var burst []byte
		names := map[uint16]string{}
		for i := range uint16(queries) {
			name := fmt.Sprintf("n%d.good.example.", i)
			if i%3 == 0 {
				name = fmt.Sprintf("n%d.badsite.example.", i)
			}
			names[7*i] = name
			burst = append(burst, framed(packed(t, 7*i, name))...)
		}
		c := open(t, r)
		sent := make(chan error, 1)
		go func() { // not to wait for a server that waits for its replies to be read
			_, err := c.Write(burst)
			sent <- err
		}()
		answers, err := replies(c, queries)
		if err != nil {
			t.Fatalf("%v: %v", r, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		for id, name := range names {
			if err := rightly(answers[id], name); err != nil {
				t.Errorf("%v, query %d: %v", r, id, err)
			}
		}
	}
}

// rightly checks that a reply is to a name, and that one below badsite.example is
// denied and another is not.
func rightly(m *dns.Msg, name string) error {
	switch {
	case m == nil:
		return fmt.Errorf("no reply to %s", name)
	case m.Question[0].Name != name:
		return fmt.Errorf("a reply to %s, want one to %s", m.Question[0].Name, name)
	case strings.HasSuffix(name, "badsite.example.") != (m.Rcode == dns.RcodeNameError):
		return fmt.Errorf("%s: %s", name, dns.RcodeToString[m.Rcode])
	}
	return nil
}

// TestSplit: wherever the packets of a connection begin and end, there are the
// same two queries in them.
func TestSplit(t *testing.T) {
	t.Parallel()
	both := append(framed(packed(t, 1, "www.badsite.example.")), framed(packed(t, 2, "www.good.example."))...)
	for _, r := range everyRoute(t, newUpstream(t).addr) {
		if r.transport != "tcp" && r.transport != "tls" {
			continue
		}
		for cut := range both {
			c := open(t, r)
			for _, part := range [][]byte{both[:cut], both[cut:]} {
				if _, err := c.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			answers, err := replies(c, 2)
			if err == nil {
				err = rightly(answers[1], "www.badsite.example.")
			}
			if err == nil {
				err = rightly(answers[2], "www.good.example.")
			}
			if err != nil {
				t.Errorf("%v, cut at %d: %v", r, cut, err)
			}
			c.Close()
		}
	}
}

// TestSlowUpstream: while a name that passes is waited for, others are denied, on
// the same connection where a query is not behind another one in a stream. (Of
// one connection over TCP or TLS, CoreDNS answers one query after the other.)
func TestSlowUpstream(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp", "tls", "https-post", "https3-post", "quic", "grpc"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			up, address := newSlowUpstream(t)
			var r route
			for _, r = range everyRoute(t, address) {
				if r.transport == transport {
					break
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			ask := r.together(t, ctx)
			slow := make(chan error, 1)
			go func() { slow <- judged(ask, packed(t, 1, "slow.example."), "slow.example.") }()
			select {
			case <-up.asked:
			case <-ctx.Done():
				t.Fatal("Nobody asked the upstream")
			}
			if err := judged(ask, packed(t, 2, "www.badsite.example."), "www.badsite.example."); err != nil {
				t.Error(err)
			}
			select {
			case err := <-slow:
				t.Errorf("The slow name was answered before the upstream did: %v", err)
			default:
			}
			close(up.let)
			if err := <-slow; err != nil {
				t.Error(err)
			}
		})
	}
}

// judged asks and checks that the reply is right.
func judged(ask func(query []byte) ([]byte, error), query []byte, name string) error {
	answer, err := ask(query)
	if err != nil {
		return err
	}
	m := new(dns.Msg)
	if err := m.Unpack(answer); err != nil {
		return err
	}
	return rightly(m, name)
}

// together returns a way to ask several queries at once, over one connection if
// the transport has room for that.
func (r route) together(t *testing.T, ctx context.Context) func(query []byte) ([]byte, error) {
	t.Helper()
	switch r.transport {
	case "https-post":
		client := r.http2(ctx)
		t.Cleanup(client.CloseIdleConnections)
		return func(query []byte) ([]byte, error) { return posted(ctx, client, query, 2) }
	case "https3-post":
		client, leave, err := r.http3()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(leave)
		return func(query []byte) ([]byte, error) { return posted(ctx, client, query, 3) }
	case "quic":
		conn, leave, err := r.doqConn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(leave)
		return func(query []byte) ([]byte, error) { return overQUIC(ctx, conn, query) }
	case "grpc":
		conn, err := r.grpcConn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return func(query []byte) ([]byte, error) { return overGRPC(ctx, conn, query) }
	}
	return func(query []byte) ([]byte, error) { return transports[r.transport](r, ctx, query) }
}

func posted(ctx context.Context, client http.RoundTripper, query []byte, version int) ([]byte, error) {
	req, err := route{}.post(ctx, query)
	if err != nil {
		return nil, err
	}
	return overHTTP(client, req, version)
}
