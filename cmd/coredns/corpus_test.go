package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin/pkg/dnsutil"
	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"

	"github.com/nonudify/nonudify/plugin/packettest"
)

// listedName is what most hostile queries are for.
const listedName = "www.badsite.example"

func specimens() []packettest.Specimen {
	return packettest.Specimens(packettest.Name(listedName), packettest.Name("good.test"))
}

// TestCorpus sends hostile queries over every transport. Whatever the server
// makes of them, it does not panic, never lets a listed name pass, answers no
// answers, goes on serving, and holds nothing of it afterwards. It runs alone,
// because it looks at the whole process.
func TestCorpus(t *testing.T) {
	w := newRealm()
	up := newOracle(t, w)
	cert, key, _ := (*ca)(nil).issue(t, t.TempDir(), "server", x509.Certificate{DNSNames: []string{"dns.example"}})
	directive := w.directive(t)
	for _, transport := range []struct {
		name, scheme string
		udp          bool
		run          func(*target)
	}{
		{"UDP", "dns", true, besetUDP}, {"TCP", "dns", false, besetTCP}, {"TLS", "tls", false, besetTLS}, {"HTTPS", "https", false, besetHTTPS}, {"QUIC", "quic", true, besetQUIC},
	} {
		t.Run(transport.name, func(t *testing.T) {
			tls := ""
			if transport.scheme != "dns" {
				tls = " tls " + cert + " " + key + "\n"
			}
			corefile := transport.scheme + "://.:0 {\n bind 127.0.0.1\n timeouts {\n read 1s\n idle 2s\n }\n" + tls + directive + " cache\n forward . " + up.addr + "\n}\n"
			i := begin(t, corefile)
			defer stop(i)
			addr := i.Servers()[0].Addr
			if transport.udp {
				addr = i.Servers()[0].LocalAddr
			}
			attack(&target{t: t, realm: w, addr: addr().String()}, transport.run)
		})
	}
	if _, leaks := up.heard(); len(leaks) > 0 {
		t.Errorf("The upstream was asked for %d denied names, the first %s", len(leaks), leaks[0])
	}
}

// begin starts a server of any transport. Who asks it something before it is
// stopped need not wait for it.
func begin(t *testing.T, corefile string) *caddy.Instance {
	t.Helper()
	i, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
	if err != nil {
		t.Fatalf("Could not start: %v\n%s", err, corefile)
	}
	return i
}

// target is a server under attack.
type target struct {
	t     *testing.T
	realm *realm
	addr  string // where the transport is served
	heard int    // replies
}

// leastReplies is how many there are in each attack, so that none is blind.
const leastReplies = 50

// attack runs twice, and what the process is after the second time is held against
// what it was after the first one.
func attack(s *target, run func(*target)) {
	panics := series(s.t)["coredns_panics_total"]
	run(s)
	before := measure()
	run(s)
	until(s.t, func() error { return bounded(before) })
	if after := series(s.t)["coredns_panics_total"]; after != panics {
		s.t.Errorf("%v panics", after-panics)
	}
	if s.t.Logf("%d replies", s.heard); s.heard < 2*leastReplies {
		s.t.Error("The attacks show too little")
	}
}

// What the process may hold more after an attack than before: connections of the
// server to its upstream, buffers in pools.
const (
	moreGoroutines = 20
	moreHeap       = 16 << 20
)

func bounded(before footprint) error {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if n := runtime.NumGoroutine(); n > before.goroutines+moreGoroutines || m.HeapAlloc > before.heap+moreHeap {
		return fmt.Errorf("%d goroutines and %d octets are left over from %+v", n, m.HeapAlloc, before)
	}
	return nil
}

// replyTime is how long a reply may take.
const replyTime = 30 * time.Second

// judge holds the reply to a query against what may be said to it. The query is
// as the server reads it.
func (s *target) judge(query, wire []byte) error {
	s.heard++
	reply := new(dns.Msg)
	if err := reply.Unpack(wire); err != nil {
		return fmt.Errorf("the reply cannot be read: %w: % x", err, wire)
	}
	if !reply.Response || !bytes.Equal(wire[:2], query[:2]) || query[2]&0x80 > 0 {
		return fmt.Errorf("no reply to this: %v", reply)
	}
	q := new(dns.Msg)
	if q.Unpack(query) != nil || len(q.Question) != 1 {
		if reply.Rcode == dns.RcodeSuccess || len(reply.Answer) > 0 {
			return fmt.Errorf("an answer to no question: %v", reply)
		}
		return nil
	}
	_, listed := s.realm.rcode(packettest.FromText(q.Question[0].Name))
	if !listed || q.Opcode != dns.OpcodeQuery || !hasHosts(q.Question[0].Qclass) {
		return nil
	}
	denial := len(reply.Ns) == 1 && reply.Ns[0].Header().Rrtype == dns.TypeSOA && strings.Contains(reply.Ns[0].String(), "blocked.invalid.")
	failure := reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError && len(reply.Ns) == 0
	if !denial && !failure || len(reply.Answer) > 0 {
		return fmt.Errorf("a listed name passes: %v", reply)
	}
	return nil
}

// ignored reports whether a message gets no answer: one that is too short for a
// header, and one that is an answer itself.
func ignored(wire []byte) bool { return len(wire) < 12 || wire[2]&0x80 > 0 }

// proof is a query for a listed name, which a server that is well denies.
func proof(id uint16) []byte {
	p := packettest.Question(packettest.Name(listedName))
	p.ID = id
	return p.Wire()
}

// numbered returns the message with another id.
func numbered(wire []byte, id uint16) []byte {
	wire = bytes.Clone(wire)
	copy(wire, packettest.Octets(id))
	return wire
}

// cutTo returns as much of a message as a server reads of a datagram.
func cutTo(wire []byte, n int) []byte { return wire[:min(len(wire), n)] }

// udpBatch is how many datagrams are under way at a time.
const udpBatch = 16

func besetUDP(s *target) {
	l, err := dial("udp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	var batch []packettest.Specimen
	for _, sp := range append(specimens(), packettest.Specimen{Name: "nothing"}) {
		if batch = append(batch, sp); len(batch) == udpBatch {
			s.datagrams(l, batch)
			batch = nil
		}
	}
	s.datagrams(l, batch)
}

// datagrams sends a batch and waits for what is to come back; then a last query
// shows that the server goes on.
func (s *target) datagrams(l *line, batch []packettest.Specimen) {
	s.t.Helper()
	await := map[uint16]packettest.Specimen{}
	for i, sp := range append(batch, packettest.Specimen{Name: "last", Wire: proof(0)}) {
		wire := numbered(sp.Wire, uint16(i)+1)
		l.send(wire)
		if wire = cutTo(wire, dns.MinMsgSize); !ignored(wire) {
			await[uint16(i)+1] = packettest.Specimen{Name: sp.Name, Wire: wire}
		}
	}
	for len(await) > 0 {
		reply, err := l.receive()
		if err != nil || len(reply) < 12 {
			s.t.Fatalf("No reply to %v: %v % x", await, err, reply)
		}
		id := uint16(reply[0])<<8 | uint16(reply[1])
		sp, awaited := await[id]
		if !awaited {
			s.t.Fatalf("A reply to what is to be ignored, or a second one: % x, of %v", reply, batch)
		}
		if err := s.judge(sp.Wire, reply); err != nil {
			s.t.Errorf("%s: %v", sp.Name, err)
		}
		delete(await, id)
	}
}

func besetTCP(s *target) {
	s.frames(func() (net.Conn, error) { return net.DialTimeout("tcp", s.addr, replyTime) })
}

func besetTLS(s *target) { s.frames(s.connectTLS) }

func (s *target) connectTLS() (net.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: replyTime}, "tcp", s.addr, &tls.Config{InsecureSkipVerify: true})
}

// frames sends everything over one stream, where replies come in the order of the
// queries, and then frames that are not what they say.
func (s *target) frames(connect func() (net.Conn, error)) {
	conn, err := connect()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	long := append(packettest.Question(packettest.Name(listedName)).Wire(), make([]byte, dns.MaxMsgSize)...)[:dns.MaxMsgSize]
	for _, sp := range append(specimens(), packettest.Specimen{Name: "64 KiB", Wire: long}, packettest.Specimen{Name: "64 KiB of zeros", Wire: make([]byte, dns.MaxMsgSize)}) {
		if len(sp.Wire) < 12 {
			s.abandon(connect, sp.Name, framed(sp.Wire))
			continue
		}
		if err := s.frame(conn, numbered(sp.Wire, 1)); err != nil {
			s.t.Errorf("%s: %v", sp.Name, err)
		}
	}
	query := framed(proof(1))
	for name, octets := range map[string][]byte{
		"empty frame": {0, 0}, "half a length": {0}, "more promised than sent": append([]byte{255, 255}, query...), "less promised than sent": append([]byte{0, 5}, query...),
		"length of the header": append([]byte{0, 12}, query[2:]...), "half a query": query[:20], "nothing": nil, "another protocol": []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		s.abandon(connect, name, octets)
	}
	wait := s.stall(connect, query[:20], "")
	s.inPieces(connect, query)
	wait()
}

// framed puts the length in front of a message (RFC 1035 §4.2.2).
func framed(wire []byte) []byte { return append(packettest.Octets(uint16(len(wire))), wire...) }

// frame sends one message and a last query after it. Of the two the first reply
// is to the message, unless that is to be ignored.
func (s *target) frame(conn net.Conn, wire []byte) error {
	conn.SetDeadline(time.Now().Add(replyTime))
	if _, err := conn.Write(append(framed(wire), framed(proof(2))...)); err != nil {
		return err
	}
	for _, query := range [][]byte{wire, proof(2)} {
		if ignored(query) {
			continue
		}
		reply, err := (&dns.Conn{Conn: conn}).ReadMsgHeader(nil)
		if err != nil {
			return err
		}
		if err := s.judge(query, reply); err != nil {
			return err
		}
	}
	return nil
}

// abandon sends octets and no more. Nothing may come back but denials and errors.
func (s *target) abandon(connect func() (net.Conn, error), name string, octets []byte) {
	conn, err := connect()
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(replyTime))
	conn.Write(octets)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	rest, err := io.ReadAll(io.LimitReader(conn, dns.MaxMsgSize))
	if isTimeout(err) {
		s.t.Errorf("%s: the connection is left open", name)
	}
	for len(rest) > 1 {
		n := min(2+int(rest[0])<<8+int(rest[1]), len(rest))
		reply := new(dns.Msg)
		if err := reply.Unpack(rest[2:n]); err != nil || len(reply.Answer) > 0 {
			s.t.Errorf("%s: %v %v", name, reply, err)
		}
		rest = rest[n:]
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// stalledConns is how many clients go silent in the middle of a query.
const stalledConns = 50

// stall has clients go silent, and returns what waits until the server lets go of
// them, with the farewell and nothing else.
func (s *target) stall(connect func() (net.Conn, error), octets []byte, farewell string) (wait func()) {
	var conns []net.Conn
	for range stalledConns {
		conn, err := connect()
		if err != nil {
			s.t.Error(err)
			break
		}
		conn.Write(octets)
		conns = append(conns, conn)
	}
	return func() {
		for _, conn := range conns {
			conn.SetDeadline(time.Now().Add(replyTime))
			said, err := io.ReadAll(io.LimitReader(conn, 1<<16))
			if !strings.HasPrefix(string(said), farewell) || farewell == "" && len(said) > 0 || isTimeout(err) {
				s.t.Errorf("A stalled client gets %q, %v", said, err)
			}
			conn.Close()
		}
	}
}

// inPieces sends a query octet by octet.
func (s *target) inPieces(connect func() (net.Conn, error), octets []byte) {
	conn, err := connect()
	if err != nil {
		s.t.Error(err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(replyTime))
	for _, b := range octets {
		if _, err := conn.Write([]byte{b}); err != nil {
			s.t.Error(err)
			return
		}
	}
	reply, err := (&dns.Conn{Conn: conn}).ReadMsgHeader(nil)
	if err == nil {
		err = s.judge(octets[2:], reply)
	}
	if err != nil {
		s.t.Errorf("In pieces: %v", err)
	}
}

// besetHTTPS posts everything, and gets it, over HTTP/1.1 and HTTP/2.
func besetHTTPS(s *target) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		var protocols http.Protocols
		protocols.SetHTTP1(protocol == "HTTP/1.1")
		protocols.SetHTTP2(protocol == "HTTP/2.0")
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: &protocols, MaxIdleConnsPerHost: 1}
		c := &browsing{s, &http.Client{Transport: transport, Timeout: replyTime}, protocol}
		for i, sp := range specimens() {
			if i%2 == 0 {
				c.send(sp.Name, sp.Wire, http.MethodPost, "/dns-query", sp.Wire)
			} else {
				c.send(sp.Name, sp.Wire, http.MethodGet, "/dns-query?dns="+encoded(sp.Wire), nil)
			}
		}
		c.misused()
		c.mistyped(proof(8))
		wait := s.stall(s.connectTLS, []byte("POST /dns-query HTTP/1.1\r\nHost: dns.example\r\nContent-Length: 100\r\n\r\nabc"), "HTTP/1.1 4")
		c.send("last", proof(0), http.MethodPost, "/dns-query", proof(0))
		wait()
		transport.CloseIdleConnections()
	}
}

func encoded(wire []byte) string { return base64.RawURLEncoding.EncodeToString(wire) }

// browsing is a client of one version of HTTP.
type browsing struct {
	*target
	client   *http.Client
	protocol string
}

// misused sends requests that RFC 8484 has no place for.
func (c *browsing) misused() {
	query := proof(7)
	for what, path := range map[string]string{
		"no parameter": "/dns-query", "empty parameter": "/dns-query?dns=", "bad base64": "/dns-query?dns=%21%21%21",
		"standard base64": "/dns-query?dns=" + encoded(query) + "==",
		"two parameters":  "/dns-query?dns=" + encoded(query) + "&dns=" + encoded(query), "another path": "/?dns=" + encoded(query),
		"path above": "/dns-query/../x?dns=" + encoded(query),
		"too long":   "/dns-query?dns=" + strings.Repeat("A", 100_000), "far too long": "/dns-query?dns=" + strings.Repeat("A", 2<<20),
	} {
		c.refuse(what, http.MethodGet, path, nil)
	}
	for _, n := range []int{0, 1, 11, 65537, 1 << 20} {
		c.refuse(fmt.Sprintf("body of %d octets", n), http.MethodPost, "/dns-query", append(bytes.Clone(query), make([]byte, 1<<20)...)[:n])
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodHead, http.MethodPatch, http.MethodTrace, "QUERY"} {
		c.refuse(method, method, "/dns-query?dns="+encoded(query), nil)
	}
}

// send sends a message and judges the reply, if there is one.
func (c *browsing) send(what string, query []byte, method, path string, body []byte) {
	status, reply, err := c.request(method, path, "application/dns-message", body)
	switch {
	case err != nil:
		c.t.Errorf("%s, %s over %s: %v", what, method, c.protocol, err)
	case status == http.StatusOK:
		if err := c.judge(query, reply); err != nil {
			c.t.Errorf("%s, %s over %s: %v", what, method, c.protocol, err)
		}
	case status != http.StatusBadRequest || what == "last":
		c.t.Errorf("%s, %s over %s: status %d", what, method, c.protocol, status)
	}
}

// mistyped posts a query under another media type. Whether the server looks at that
// or not, the verdict is the same.
func (c *browsing) mistyped(query []byte) {
	status, reply, err := c.request(http.MethodPost, "/dns-query", "text/html", query)
	if err == nil && status == http.StatusOK {
		err = c.judge(query, reply)
	}
	if err != nil || status >= 500 {
		c.t.Errorf("As a page over %s: status %d, %v", c.protocol, status, err)
	}
}

// refuse sends a request that gets no reply of the DNS. The server may hang up on
// one that is too long.
func (c *browsing) refuse(what, method, path string, body []byte) {
	status, _, err := c.request(method, path, "application/dns-message", body)
	if err == nil && (status < 400 || status >= 500) || err != nil && len(path)+len(body) < 1<<16 {
		c.t.Errorf("%s over %s: status %d, %v", what, c.protocol, status, err)
	}
}

func (c *browsing) request(method, path, contentType string, body []byte) (status int, reply []byte, err error) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, "https://"+c.addr+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", contentType)
	response, err := c.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	if response.Proto != c.protocol {
		return 0, nil, fmt.Errorf("answered over %s", response.Proto)
	}
	reply, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, reply, err
}

// besetQUIC sends everything, each message over a stream of its own. After most of
// them the server hangs up, as RFC 9250 §4.3.3 has it.
func besetQUIC(s *target) {
	var conn *quic.Conn
	for _, sp := range append(specimens(), packettest.Specimen{Name: "last", Wire: proof(0)}) {
		if conn == nil || conn.Context().Err() != nil {
			conn = s.dialQUIC()
		}
		s.stream(conn, sp)
	}
	query := framed(proof(0))
	less, more := append([]byte{0, 5}, query[2:]...), append([]byte{255, 255}, query[2:]...)
	for _, octets := range [][]byte{nil, {0}, {0, 0}, query[:20], less, more, append(bytes.Clone(query), query...)} {
		if conn.Context().Err() != nil {
			conn = s.dialQUIC()
		}
		if reply, err := s.overStream(conn, octets); err == nil {
			s.judgeFrame(fmt.Sprintf("stream of % x", octets), query[2:], reply)
		}
	}
	conn.CloseWithError(0, "")
	conn = s.dialQUIC()
	defer conn.CloseWithError(0, "")
	reply, err := s.overStream(conn, query)
	if err != nil {
		s.t.Errorf("The last query: %v", err)
	}
	s.judgeFrame("last", query[2:], reply)
}

func (s *target) dialQUIC() *quic.Conn {
	ctx, cancel := context.WithTimeout(s.t.Context(), replyTime)
	defer cancel()
	conn, err := quic.DialAddr(ctx, s.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"doq"}}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// stream sends a message over a stream of its own. Ids are zero there. After one
// that is no query the server hangs up, which may come after its end of the
// stream.
func (s *target) stream(conn *quic.Conn, sp packettest.Specimen) {
	wire := numbered(sp.Wire, 0)
	reply, err := s.overStream(conn, framed(wire))
	if _, wrong := dnsutil.UnpackRequest(wire); wrong == nil {
		if err != nil {
			s.t.Errorf("%s: %v", sp.Name, err)
		}
		s.judgeFrame(sp.Name, wire, reply)
		return
	}
	if len(reply) > 0 {
		s.t.Errorf("%s: a reply: % x", sp.Name, reply)
	}
	select {
	case <-conn.Context().Done():
	case <-time.After(replyTime):
		s.t.Errorf("%s: the connection is left open", sp.Name)
	}
}

func (s *target) judgeFrame(name string, query, reply []byte) {
	if len(reply) < 2 || len(reply) != 2+int(reply[0])<<8+int(reply[1]) {
		s.t.Errorf("%s: frame % x", name, reply)
		return
	}
	if err := s.judge(query, reply[2:]); err != nil {
		s.t.Errorf("%s: %v", name, err)
	}
}

// overStream returns all that comes back over a stream.
func (s *target) overStream(conn *quic.Conn, octets []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), replyTime)
	defer cancel()
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	stream.SetDeadline(time.Now().Add(replyTime))
	if _, err := stream.Write(octets); err != nil {
		return nil, err
	}
	stream.Close()
	reply, err := io.ReadAll(io.LimitReader(stream, dns.MaxMsgSize+2))
	if isTimeout(err) {
		s.t.Errorf("A stream of %d octets is left open: % x", len(octets), octets[:min(len(octets), 40)])
	}
	return reply, err
}
