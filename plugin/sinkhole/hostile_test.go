package sinkhole

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mark is in everything that an attack sends. It must come back in nothing.
const mark = "zqx"

// target is a server on a real socket under attack.
type target struct {
	t       *testing.T
	share   *Share
	server  *server
	address netip.AddrPort
}

// newTarget starts a server. The test ends with a check that nothing was logged
// and that every goroutine has ended.
func newTarget(t *testing.T, c ServerConfig) *target {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the whole of 127.0.0.0/8 on its loopback interface, for many clients")
	}
	goroutines := runtime.NumGoroutine()
	var logged bytes.Buffer
	before := log.Writer()
	log.SetOutput(&logged)
	pool := &Pool{Config: c, Failed: func(_ string, err error) { t.Errorf("Failed: %v", err) }}
	help := parseURL(t, "https://help.example/")
	share, err := pool.Acquire(anyPort, 1, &Site{Handler: NewHandler(HandlerConfig{Page: &fakePage{size: 40_000}, Help: help})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		share.Release()
		log.SetOutput(before)
		if logged.Len() > 0 {
			t.Errorf("Logged %q", &logged)
		}
		settle(t, goroutines)
	})
	return &target{t, share, pool.open[place{address: anyPort}].server, share.Address()}
}

// settle waits until there are no more goroutines than there were.
func settle(t *testing.T, goroutines int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 64<<10)
			t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
			return
		}
	}
}

// from opens a connection from a client of 127.0.0.0/8, which ends with the
// test.
func (x *target) from(client int) net.Conn {
	x.t.Helper()
	c, err := x.dial(client)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { c.Close() })
	return c
}

func (x *target) dial(client int) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(client>>8), byte(client))}}
	c, err := d.Dial("tcp4", x.address.String())
	if err == nil {
		err = c.SetDeadline(time.Now().Add(30 * time.Second))
	}
	return c, err
}

// Clients of 127.0.0.0/8.
const (
	attacker = 66
	visitor  = 200
)

// visit checks that somebody else gets the whole page meanwhile.
func (x *target) visit() {
	x.t.Helper()
	start := time.Now()
	c, err := x.dial(visitor)
	if err != nil {
		x.t.Fatalf("A visitor: %v", err)
	}
	defer c.Close()
	send(x.t, c, getPage)
	r, body := readReply(x.t, bufio.NewReader(c))
	if r.StatusCode != http.StatusForbidden || len(body) != 40_000 {
		x.t.Errorf("A visitor gets status %d, %d bytes", r.StatusCode, len(body))
	}
	if took := time.Since(start); took > 2*time.Second {
		x.t.Errorf("A visitor waits %v", took)
	}
}

// quick has times that a test can wait for.
var quick = ServerConfig{HeaderTimeout: 300 * time.Millisecond, WriteTimeout: 300 * time.Millisecond, IdleTimeout: 300 * time.Millisecond}

// attack is what one connection sends, and the statuses that may come back.
type attack struct {
	name, sent string
	want       []int // of the replies; 0 stands for none
}

// smuggled is a request that must never be answered where it follows a body.
const smuggled = "GET /zqx HTTP/1.1\r\nHost: zqx.example\r\n\r\n"

var attacks = []attack{
	{"slow header", "GET /zqx HTTP/1.1\r\nHost: zqx.example\r\nX-Zqx: ", []int{0}},
	{"slow line", "GET /zqx", []int{400}},
	{"slow body", "POST /zqx HTTP/1.1\r\nHost: zqx.example\r\nContent-Length: 1000000\r\n\r\nzqx", []int{403}},
	{"slow chunk", "POST /zqx HTTP/1.1\r\nHost: zqx.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nzq", []int{403}},
	{"100 kB of header", "GET / HTTP/1.1\r\nHost: zqx.example\r\nX: " + strings.Repeat("zqx ", 25_000) + "\r\n\r\n", []int{0, 431}},
	{"100 kB of fields", "GET / HTTP/1.1\r\nHost: zqx.example\r\n" + strings.Repeat("Zqx: zqx\r\n", 10_000) + "\r\n", []int{0, 431}},
	{"100 kB of URI", "GET /" + strings.Repeat("zqx/", 25_000) + " HTTP/1.1\r\nHost: zqx.example\r\n\r\n", []int{0, 431}},
	{"100 kB of cookies", "GET / HTTP/1.1\r\nHost: zqx.example\r\nCookie: " + strings.Repeat("zqx=zqx; ", 10_000) + "\r\n\r\n", []int{0, 431}},
	{"100 kB of spaces", strings.Repeat(" ", 100_000), []int{0, 431}},
	{"100 kB of line ends", strings.Repeat("\r\n", 50_000), []int{400}},

	{"length and chunks", "POST / HTTP/1.1\r\nHost: zqx.example\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{403, 400}},
	{"chunks and length", "POST / HTTP/1.1\r\nHost: zqx.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2f\r\n" + smuggled + "\r\n0\r\n\r\n", []int{403, 400}},
	{"length in GET", "GET / HTTP/1.1\r\nHost: zqx.example\r\nContent-Length: 4\r\n\r\nzqx " + smuggled, []int{403}},
	{"two lengths", "POST / HTTP/1.1\r\nHost: zqx.example\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n" + smuggled, []int{400}},
	{"the same length twice", "POST / HTTP/1.1\r\nHost: zqx.example\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nzqx" + smuggled, []int{403}},
	{"list of lengths", "POST / HTTP/1.1\r\nHost: zqx.example\r\nContent-Length: 3, 3\r\n\r\nzqx" + smuggled, []int{400}},
	{"negative length", "POST / HTTP/1.1\r\nHost: zqx.example\r\nContent-Length: -1\r\n\r\n" + smuggled, []int{400}},
	{"signed length", "POST / HTTP/1.1\r\nHost: zqx.example\r\nContent-Length: +3\r\n\r\nzqx" + smuggled, []int{400}},
	{"huge length", "POST / HTTP/1.1\r\nHost: zqx.example\r\nContent-Length: 99999999999999999999\r\n\r\n" + smuggled, []int{400}},
	{"length with a space", "POST / HTTP/1.1\r\nHost: zqx.example\r\nContent-Length : 44\r\n\r\n" + smuggled, []int{400}},
	{"chunk extensions", "POST / HTTP/1.1\r\nHost: zqx.example\r\nTransfer-Encoding: chunked\r\n\r\n3;zqx=\"\n\"\r\nzqx\r\n0\r\n\r\n" + smuggled, []int{403}},
	{"chunk too large", "POST / HTTP/1.1\r\nHost: zqx.example\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nzqx" + smuggled, []int{403}},
	{"trailer", "POST / HTTP/1.1\r\nHost: zqx.example\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 44\r\n\r\n" + smuggled, []int{400, 403}},
	{"xchunked", "POST / HTTP/1.1\r\nHost: zqx.example\r\nTransfer-Encoding: xchunked\r\n\r\n" + smuggled, []int{501}},
	{"two codings", "POST / HTTP/1.1\r\nHost: zqx.example\r\nTransfer-Encoding: chunked, identity\r\n\r\n" + smuggled, []int{501}},
	{"two coding fields", "POST / HTTP/1.1\r\nHost: zqx.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: zqx\r\n\r\n" + smuggled, []int{501}},
	{"coding with a tab", "POST / HTTP/1.1\r\nHost: zqx.example\r\nTransfer-Encoding: \x0bchunked\r\n\r\n" + smuggled, []int{400, 501}},
	{"chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: zqx.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{403}},
	{"folded line", "GET / HTTP/1.1\r\nHost: zqx.example\r\nX-Zqx: a\r\n zqx\r\nConnection: close\r\n\r\n", []int{400, 403}},
	{"folded first line", "GET / HTTP/1.1\r\n Host: zqx.example\r\n\r\n", []int{400}},
	{"bare LF", "GET /zqx HTTP/1.1\nHost: zqx.example\nConnection: close\n\n", []int{400, 403}},
	{"bare CR", "GET /zqx HTTP/1.1\rHost: zqx.example\r\r\n\r\n", []int{400}},
	{"NUL", "GET /\x00zqx HTTP/1.1\r\nHost: zqx.example\r\nX: \x00\r\n\r\n", []int{400}},
	{"no colon", "GET / HTTP/1.1\r\nHost: zqx.example\r\nzqx\r\n\r\n", []int{400}},
	{"empty name", "GET / HTTP/1.1\r\nHost: zqx.example\r\n: zqx\r\n\r\n", []int{400}},

	{"absolute form", "GET http://zqx.example/zqx HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n", []int{403}},
	{"absolute form with a user", "GET http://zqx:zqx@zqx.example:99/ HTTP/1.1\r\nHost: zqx.example\r\nConnection: close\r\n\r\n", []int{403}},
	{"other scheme", "GET zqx://zqx.example/ HTTP/1.1\r\nHost: zqx.example\r\nConnection: close\r\n\r\n", []int{403}},
	{"script in an absolute form", "GET http://<script>zqx</script>/ HTTP/1.1\r\nHost: zqx.example\r\nConnection: close\r\n\r\n", []int{400, 403}},
	{"opaque form", "GET zqx:zqx HTTP/1.1\r\nHost: zqx.example\r\nConnection: close\r\n\r\n", []int{400, 403}},
	{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: zqx.example\r\nConnection: close\r\n\r\n", []int{403}},
	{"authority form", "CONNECT zqx.example:443 HTTP/1.1\r\nHost: zqx.example:443\r\nConnection: close\r\n\r\n", []int{403}},
	{"CONNECT without a host", "CONNECT zqx HTTP/1.1\r\nConnection: close\r\n\r\n", []int{403}},
	{"path of a relative kind", "GET ../../zqx HTTP/1.1\r\nHost: zqx.example\r\n\r\n", []int{400}},
	{"script in the path", "GET /<script>zqx</script>?lang=<zqx>&country=zqx HTTP/1.1\r\nHost: zqx.example\r\nAccept: text/html\r\nAccept-Language: zqx\r\nConnection: close\r\n\r\n", []int{403}},
	{"broken escapes", "GET /%zz%?%zqx HTTP/1.1\r\nHost: zqx.example\r\n\r\n", []int{400}},

	{"no Host", "GET /zqx HTTP/1.1\r\n\r\n", []int{400}},
	{"two Hosts", "GET / HTTP/1.1\r\nHost: zqx.example\r\nHost: help.example\r\n\r\n", []int{400}},
	{"empty Host", "GET /zqx HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", []int{403}},
	{"script in Host", "GET / HTTP/1.1\r\nHost: <script>zqx</script>\r\n\r\n", []int{400}},
	{"quotes in Host", "GET / HTTP/1.1\r\nHost: zqx'\"><img\r\n\r\n", []int{400}},
	{"line ends in Host", "GET / HTTP/1.1\r\nHost: zqx.example\r\n\tX: zqx\r\n\r\n", []int{400, 403}},
	{"odd Host", "GET / HTTP/1.1\r\nHost: zqx:zqx:99999:[::1]:-1\r\nConnection: close\r\n\r\n", []int{403}},
	{"long Host", "GET / HTTP/1.1\r\nHost: " + strings.Repeat("zqx.", 1500) + "\r\nConnection: close\r\n\r\n", []int{403}},
	{"the operator's Host", "POST /zqx HTTP/1.1\r\nHost: help.example\r\nConnection: close\r\n\r\n", []int{405}},

	{"HTTP/0.9", "GET /zqx\r\n", []int{400}},
	{"HTTP/1.0", "GET /zqx HTTP/1.0\r\nAccept: text/html\r\n\r\n", []int{403}},
	{"HTTP/1.2", "GET /zqx HTTP/1.2\r\nHost: zqx.example\r\nConnection: close\r\n\r\n", []int{400, 403, 505}},
	{"HTTP/3.0", "GET /zqx HTTP/3.0\r\nHost: zqx.example\r\n\r\n", []int{400, 505}},
	{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", []int{403, 505}},
	{"h2c upgrade", "GET /zqx HTTP/1.1\r\nHost: zqx.example\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", []int{403}},
	{"WebSocket", "GET /zqx HTTP/1.1\r\nHost: zqx.example\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: zqx\r\nSec-WebSocket-Version: 13\r\n\r\n", []int{403}},
	{"TLS", string(clientHello()), []int{0, 400}},
	{"no HTTP", "\x00\x01\x02zqx\xff\xfe\r\n\r\n", []int{400}},
	{"SSH", "SSH-2.0-zqx\r\n", []int{400}},
	{"PROXY protocol", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + smuggled, []int{400}},
	{"TRACE", "TRACE /zqx HTTP/1.1\r\nHost: zqx.example\r\nX-Zqx: zqx\r\nConnection: close\r\n\r\n", []int{403}},
	{"long method", strings.Repeat("ZQX", 2000) + " / HTTP/1.1\r\nHost: zqx.example\r\nConnection: close\r\n\r\n", []int{403}},
	{"method with a space", "GET zqx / HTTP/1.1\r\nHost: zqx.example\r\n\r\n", []int{400}},
	{"continue", "POST / HTTP/1.1\r\nHost: zqx.example\r\nExpect: 100-continue\r\nContent-Length: 44\r\n\r\n" + smuggled, []int{403}},
	{"other expectation", "GET / HTTP/1.1\r\nHost: zqx.example\r\nExpect: zqx\r\n\r\n", []int{417}},
	{"range", "GET / HTTP/1.1\r\nHost: zqx.example\r\nAccept: text/html\r\nRange: bytes=0-0,zqx\r\nIf-None-Match: *\r\nConnection: close\r\n\r\n", []int{403}},
	{"origin", "GET / HTTP/1.1\r\nHost: zqx.example\r\nOrigin: http://zqx.example\r\nCookie: zqx=zqx\r\nX-Forwarded-Host: zqx\r\nForwarded: host=zqx\r\nConnection: close\r\n\r\n", []int{403}},
}

// clientHello returns the first message of a TLS handshake.
func clientHello() []byte {
	client, server := net.Pipe()
	go func() {
		tls.Client(client, &tls.Config{ServerName: "zqx.example"}).Handshake()
		client.Close()
	}()
	hello := make([]byte, 4096)
	n, err := server.Read(hello)
	if err != nil {
		panic(err) // in memory
	}
	server.Close()
	return hello[:n]
}

// TestHostileRequests: each attack gets what it may get and no more, nothing of
// it comes back, the connection ends, and a visitor has the page meanwhile.
func TestHostileRequests(t *testing.T) {
	x := newTarget(t, quick)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			x := &target{t, x.share, x.server, x.address}
			c := x.from(attacker)
			go io.WriteString(c, a.sent) // the server need not take all of it
			x.visit()
			received, err := io.ReadAll(c)
			if err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatal(err)
			}
			checkAttack(t, a, received)
			c.Close()
		})
	}
}

// checkAttack checks what an attack has received.
func checkAttack(t *testing.T, a attack, received []byte) {
	t.Helper()
	if bytes.Contains(bytes.ToLower(received), []byte(mark)) {
		t.Errorf("Some of it comes back: %q", received)
	}
	if len(received) == 0 {
		if !slices.Contains(a.want, 0) {
			t.Errorf("No reply, want %v", a.want)
		}
		return
	}
	reader := bufio.NewReader(bytes.NewReader(received))
	r := checkReply(t, reader, nil, a.want)
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("After status %d comes %q", r.StatusCode, rest)
	}
	if !r.Close {
		t.Errorf("Status %d and the connection is kept", r.StatusCode)
	}
}

// TestHostileEndlessHeader: who never ends his header is cut off.
func TestHostileEndlessHeader(t *testing.T) {
	x := newTarget(t, quick)
	for _, line := range []string{"X-Zqx: zqx\r\n", "zqx", "\x00"} {
		c := x.from(attacker)
		sent := 0
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: zqx.example\r\n")
		for block := strings.Repeat(line, 100); err == nil && sent < 64<<20; sent += len(block) {
			_, err = io.WriteString(c, block)
		}
		if err == nil {
			t.Errorf("%q: %d bytes of header are taken", line, sent)
		}
		x.visit()
	}
}

// TestHostileTrickle: a byte now and then does not keep a connection.
func TestHostileTrickle(t *testing.T) {
	x := newTarget(t, quick)
	var cs []net.Conn
	for range 2 * DefaultClientConns {
		c := x.from(attacker)
		send(t, c, "GET / HTTP/1.1\r\nX-Zqx: ")
		cs = append(cs, c)
	}
	start := time.Now()
	for open := len(cs); open > 0 && time.Since(start) < 10*time.Second; {
		x.visit() // takes its time, so that the bytes come now and then
		open = 0
		for _, c := range cs {
			if _, err := io.WriteString(c, "z"); err == nil {
				open++
			}
		}
	}
	for _, c := range cs {
		if received, err := io.ReadAll(c); err == nil && len(received) > 0 {
			t.Errorf("%q", received)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("The last one was cut off after %v", took)
	}
}

// TestHostilePipeline: a thousand requests at once are a thousand replies.
func TestHostilePipeline(t *testing.T) {
	x := newTarget(t, ServerConfig{})
	c := x.from(attacker)
	const requests = 1000
	go io.WriteString(c, strings.Repeat(getPage, requests))
	reader := bufio.NewReader(c)
	for i := range requests {
		if r := checkReply(t, reader, nil, []int{403}); r.ContentLength != 40_000 {
			t.Fatalf("Reply %d has %d bytes", i, r.ContentLength)
		}
		if i%250 == 0 {
			x.visit()
		}
	}
}

// TestHostileDeaf: who asks a thousand times and reads nothing costs some
// buffers for a while.
func TestHostileDeaf(t *testing.T) {
	x := newTarget(t, quick)
	before := heap()
	for i := range 40 {
		c := x.from(attacker + i%2)
		go io.WriteString(c, strings.Repeat(getPage, 1000))
	}
	x.visit()
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("The heap has grown by %d MiB", grown>>20)
	}
	for start := time.Now(); x.server.limits.count() > 1; x.visit() { // 1: the visitor's may not have ended
		if time.Since(start) > 10*time.Second {
			t.Fatalf("%d connections are left", x.server.limits.count())
		}
	}
}

// heap returns the bytes of the heap that are in use, in all goroutines' hands.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// TestHostileThousands: ten thousand connections, of one client or of hundreds,
// leave the page up, memory bounded, and no trace.
func TestHostileThousands(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		connections, clients int
		config               ServerConfig
		most                 int // connections that the server has
	}{
		{"of one client", 10_000, 1, ServerConfig{ClientConns: DefaultClientConns}, DefaultClientConns + 1},
		{"of 400 clients", 10_000, 400, ServerConfig{ClientConns: DefaultClientConns}, DefaultConns},
		{"behind a proxy", 3_000, 1, ServerConfig{}, DefaultConns},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newTarget(t, tt.config)
			before, goroutines := heap(), runtime.NumGoroutine()
			for i := range tt.connections {
				c, err := x.dial(256 + i%tt.clients)
				if errors.Is(err, syscall.EMFILE) && i >= tt.connections/5 {
					t.Logf("Only %d connections: the process may not open more files", i)
					break
				} else if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if i%2 == 0 {
					io.WriteString(c, "GET /zqx HTTP/1.1\r\nX-Zqx: ") // may have been closed meanwhile
				}
				if n := x.server.limits.count(); n > tt.most {
					t.Fatalf("%d connections are open", n)
				}
				if i%500 == 0 {
					x.visit()
				}
			}
			x.visit()
			grown, more := heap()-before, runtime.NumGoroutine()-goroutines
			t.Logf("%d connections are open, with %d goroutines and %.1f MiB, those of the attacker included", x.server.limits.count(), more, float64(grown)/(1<<20))
			if more > tt.most+100 || grown > 64<<20 {
				t.Errorf("%d goroutines and %d MiB more than before", more, grown>>20)
			}
		})
	}
}

// TestHostileTLS: what is no handshake, or one for another name, ends at once or
// in its time, and says nothing.
func TestHostileTLS(t *testing.T) {
	x := newTarget(t, quick)
	site, roots := tlsSite(t, "help.example")
	site.Handler = x.server.site.Load().Handler
	x.server.site.Store(site)
	hello := string(clientHello())
	for _, sent := range []string{"", "\x16", hello[:20], hello, hello[:60] + strings.Repeat("\x00", 100), getPage, "\x80\x2e\x01\x03\x01zqx", strings.Repeat("\x16\x03\x01\x40\x00"+strings.Repeat("z", 0x4000), 40)} {
		c := x.from(attacker)
		go io.WriteString(c, sent)
		received, err := io.ReadAll(c)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) || len(received) > 100 || bytes.Contains(received, []byte(mark)) {
			t.Errorf("%.20q: %q, %v", sent, received, err)
		}
		raw := x.from(visitor)
		secure := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "help.example"})
		send(t, secure, getPage)
		if r, body := readReply(t, bufio.NewReader(secure)); r.StatusCode != 403 || len(body) != 40_000 {
			t.Errorf("A visitor gets status %d, %d bytes", r.StatusCode, len(body))
		}
		raw.Close()
	}
}
