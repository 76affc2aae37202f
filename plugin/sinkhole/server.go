package sinkhole

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// What a ServerConfig stands for unless it says otherwise.
const (
	DefaultConns         = 1000
	DefaultClientConns   = 32
	DefaultHeaderTimeout = 5 * time.Second
	DefaultWriteTimeout  = 10 * time.Second
	DefaultIdleTimeout   = 10 * time.Second
	DefaultDrainTimeout  = 5 * time.Second
)

const (
	// maxHeader bounds the header of a request in bytes; net/http adds 4 KiB of its
	// own.
	maxHeader = 8 << 10
	// The system's buffers of one connection: a header, and more than a page, so
	// that who reads slowly or not at all keeps nobody busy.
	readBuffer  = 16 << 10
	writeBuffer = 64 << 10
	// linger is how long a body is still received, to no purpose but this: to close
	// while one comes would reset the connection, and the client could lose the
	// reply.
	linger = time.Second
	// retry is the time after a connection that could not be taken.
	retry = 100 * time.Millisecond
)

// ServerConfig says what clients may take of a server. The zero value works.
type ServerConfig struct {
	Conns int // connections at a time
	// ClientConns is the number of connections at a time of one IPv4 address or of
	// one IPv6 /64. Unless it is set, the machine's own addresses have no such
	// limit: a reverse proxy may speak from there for many.
	ClientConns int

	HeaderTimeout time.Duration // from the first byte of a request, or the connection's begin, to the end of its header; that of a TLS handshake, too
	WriteTimeout  time.Duration // from there to the end of the reply
	IdleTimeout   time.Duration // between two requests
	DrainTimeout  time.Duration // for requests under way when the server ends
}

// Site is what is served at an address.
type Site struct {
	Handler http.Handler
	// TLS returns the settings of one handshake, above all a certificate. Without
	// settings or with an error, the handshake is aborted. It is called by many
	// goroutines and must not keep or log what it gets. nil means plain HTTP.
	TLS func(*tls.ClientHelloInfo) (*tls.Config, error)
}

// server serves on one listener what its current site answers. It logs nothing:
// what net/http has to say names clients.
type server struct {
	site     atomic.Pointer[Site]
	listener net.Listener
	limits   *limits
	http     http.Server
	drain    time.Duration
	failed   func(error) // may be nil
	deaf     sync.Once   // told that no connection can be taken
	panicked sync.Once
	stopping chan struct{}
	done     chan struct{}
}

// startServer serves a site on a listener, which is the server's from then on.
// failed is told once that the listener takes no connection, and once that a
// request has ended in a panic. It may be nil.
func startServer(c ServerConfig, l net.Listener, site *Site, failed func(error)) *server {
	s := &server{
		listener: l,
		limits:   newLimits(cmp.Or(c.Conns, DefaultConns), cmp.Or(c.ClientConns, DefaultClientConns), c.ClientConns == 0),
		drain:    cmp.Or(c.DrainTimeout, DefaultDrainTimeout),
		failed:   failed,
		stopping: make(chan struct{}),
		done:     make(chan struct{}),
	}
	s.site.Store(site)
	s.http = http.Server{
		Handler:                      http.HandlerFunc(s.serveHTTP),
		DisableGeneralOptionsHandler: true, // it would answer 200
		MaxHeaderBytes:               maxHeader,
		ReadHeaderTimeout:            cmp.Or(c.HeaderTimeout, DefaultHeaderTimeout),
		WriteTimeout:                 cmp.Or(c.WriteTimeout, DefaultWriteTimeout),
		IdleTimeout:                  cmp.Or(c.IdleTimeout, DefaultIdleTimeout),
		ConnState:                    s.limits.track,
		ErrorLog:                     log.New(io.Discard, "", 0),
		Protocols:                    new(http.Protocols),
	}
	s.http.ReadTimeout = s.http.ReadHeaderTimeout + linger
	s.http.Protocols.SetHTTP1(true)
	go s.run()
	return s
}

func (s *server) run() {
	defer close(s.done)
	s.http.Serve(gate{s.listener, s}) // returns when the listener is closed
}

// tell reports what only a person can mend.
func (s *server) tell(once *sync.Once, err error) {
	if s.failed != nil {
		once.Do(func() { s.failed(err) })
	}
}

// address returns where the server listens.
func (s *server) address() netip.AddrPort {
	if tcp, ok := s.listener.Addr().(*net.TCPAddr); ok {
		a := tcp.AddrPort()
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return netip.AddrPort{}
}

// closeListener frees the address. It is called once.
func (s *server) closeListener() {
	close(s.stopping)
	s.listener.Close()
}

// stop ends the server after closeListener: requests under way may take a while
// to their end. Once it has returned, nothing of the site is called any more.
func (s *server) stop() {
	s.limits.close()
	ctx, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	<-s.done
	s.limits.wait()
}

// serveHTTP has the current site answer.
func (s *server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.rescue()
	if r.ContentLength != 0 {
		// No body is read. Nothing that follows it on the connection is, either: where
		// a body ends, programs on the way may see differently (RFC 9112 §11.2).
		w.Header().Set("Connection", "close")
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(linger))
	}
	s.site.Load().Handler.ServeHTTP(w, r)
}

// rescue ends the connection of a request that panicked, and tells where it
// was. The value of the panic could hold what the client has sent.
func (s *server) rescue() {
	if v := recover(); v != nil {
		if v != http.ErrAbortHandler {
			s.tell(&s.panicked, fmt.Errorf("a request has ended in a panic (%T):\n%s", v, debug.Stack()))
		}
		panic(http.ErrAbortHandler)
	}
}

// gate lets connections in as far as there is room.
type gate struct {
	net.Listener
	server *server
}

// Accept returns the next connection that is let in, with TLS if the current
// site has it.
func (g gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.next()
		if err != nil {
			return nil, err
		}
		if !g.server.limits.admit(conn) {
			refuse(conn)
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetReadBuffer(readBuffer)
			tcp.SetWriteBuffer(writeBuffer)
		}
		if site := g.server.site.Load(); site.TLS != nil {
			return tls.Server(conn, handshake(site.TLS)), nil
		}
		return conn, nil
	}
}

// next returns the next connection. Only a closed listener ends it: a lack of
// files or memory does not last.
func (g gate) next() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return conn, err
		}
		g.server.tell(&g.server.deaf, fmt.Errorf("takes no connection, trying on: %w", err))
		select {
		case <-g.server.stopping:
			return nil, net.ErrClosed
		case <-time.After(retry):
		}
	}
}

// refuse closes a connection at once and leaves nothing of it to the system.
func refuse(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// handshake returns the settings of a TLS connection. Those of the site are
// bound to HTTP/1.1 over TLS 1.2 or later, without session tickets: a session
// would outlive the block.
func handshake(settings func(*tls.ClientHelloInfo) (*tls.Config, error)) *tls.Config {
	bind := func(c *tls.Config) *tls.Config {
		c.NextProtos = []string{"http/1.1"}
		c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
		c.SessionTicketsDisabled = true
		return c
	}
	base := bind(new(tls.Config))
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := settings(hello)
		if err != nil || c == nil {
			// Without a certificate, crypto/tls sends the alert that fits best.
			return nil, nil
		}
		return bind(c.Clone()), nil
	}
	return base
}
