// Package sourcetest is a web server that fails in every way, for the tests of
// whoever fetches lists. It serves on loopback only.
package sourcetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Fault is how a reply fails.
type Fault int

// The faults. All but None, Reset and Short last until the client goes or the
// test ends. Endless and Drip need a body.
const (
	None    Fault = iota
	Silent        // no reply
	Stall         // half of the body and then nothing more
	Reset         // half of the body, then the connection is reset
	Short         // half of the body, then the end; Content-Length says all of it
	Endless       // the body over and over
	Drip          // the same, a byte a millisecond
)

// Reply is what a path answers. The zero value is 200 with an empty body.
type Reply struct {
	Status int         // 0 means 200
	Header http.Header // Content-Type is text/plain unless it is set here; one that is set to nil is not sent
	Body   []byte
	// ETag and Modified are validators. A request that has them gets 304.
	ETag     string
	Modified time.Time
	Fault    Fault
}

// Text returns the reply that is a body and nothing else.
func Text(body string) Reply { return Reply{Body: []byte(body)} }

// Redirect returns a reply that leads to a URL.
func Redirect(location string) Reply {
	return Reply{Status: http.StatusFound, Header: http.Header{"Location": {location}}}
}

// Server serves the same paths over HTTP and over HTTPS, the latter with HTTP/2
// for clients that offer it. It answers 404 to a path that was not set. It may
// be used by several goroutines.
type Server struct {
	http, https *httptest.Server
	resolver    netip.AddrPort
	closing     chan struct{}
	t           testing.TB

	mu        sync.Mutex
	presented string // whose certificate lists.example shows
	replies   map[string]Reply
	requests  map[string][]*http.Request
	open      map[net.Conn]bool
	closed    *sync.Cond
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{
		closing: make(chan struct{}), t: t,
		replies: make(map[string]Reply), requests: make(map[string][]*http.Request), open: make(map[net.Conn]bool),
	}
	s.closed = sync.NewCond(&s.mu)
	s.http, s.https = s.unstarted(), s.unstarted()
	s.http.Start()
	s.https.EnableHTTP2 = true
	s.https.TLS = s.tls()
	s.https.StartTLS()
	s.resolver = Resolver(t, map[string]string{"*": "127.0.0.1"})
	t.Cleanup(func() {
		close(s.closing)
		s.http.Close()
		s.https.Close()
	})
	return s
}

func (s *Server) tls() *tls.Config {
	certificates := newCertificates()
	return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return certificates.choose(hello.ServerName, s.presented), nil
	}}
}

// Present has lists.example show, from the next connection on, the certificate of
// one of the other names of URL; "" gives it its own again.
func (s *Server) Present(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.presented = name
}

// connKey is the key of a request's context for its connection.
type connKey struct{}

func (s *Server) unstarted() *httptest.Server {
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = quiet
	server.Config.ConnState = s.track
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	return server
}

func (s *Server) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(s.open, c)
		s.closed.Broadcast()
	}
}

// Set changes what a path answers from the next request on.
func (s *Server) Set(path string, r Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies[path] = r
}

// URL returns the https URL of a path, on the name lists.example. A client needs
// Pool and Resolver, and has to be told that lists.example may be private. These
// names give the same paths with a bad certificate: expired.example,
// early.example (not valid yet), wrong.example (of another name),
// unknown.example (of an authority that is not in Pool).
func (s *Server) URL(path string) string { return s.At(usual, path) }

// At returns the https URL of a path on any name or address.
func (s *Server) At(host, path string) string {
	return (&url.URL{Scheme: "https", Host: net.JoinHostPort(host, port(s.https))}).String() + path
}

// Plain returns the http URL of a path, on the address 127.0.0.1.
func (s *Server) Plain(path string) string { return s.http.URL + path }

// PlainAt returns the http URL of a path on any name or address.
func (s *Server) PlainAt(host, path string) string {
	return (&url.URL{Scheme: "http", Host: net.JoinHostPort(host, port(s.http))}).String() + path
}

func port(server *httptest.Server) string {
	return strconv.Itoa(server.Listener.Addr().(*net.TCPAddr).Port)
}

// Pool returns the authority that the good certificate is from.
func (s *Server) Pool() *x509.CertPool { return trusted().pool() }

// Resolver returns a resolver on loopback that answers every name with
// 127.0.0.1.
func (s *Server) Resolver() netip.AddrPort { return s.resolver }

// Count returns how often a path was asked for.
func (s *Server) Count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests[path])
}

// Last returns the last request for a path, without its body.
func (s *Server) Last(path string) *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.requests[path]); n > 0 {
		return s.requests[path][n-1]
	}
	s.t.Fatalf("Nobody asked for %s", path)
	return nil
}

// WaitClosed waits until no client is connected any more.
func (s *Server) WaitClosed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.open) > 0 {
		s.closed.Wait()
	}
}

// Refused returns an http URL whose port nobody listens on.
func Refused(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String() + "/"
}
