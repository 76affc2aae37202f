package sinkhole

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	errs  chan error
	ended chan struct{}
	once  sync.Once
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), errs: make(chan error), ended: make(chan struct{})}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case err := <-p.errs:
		return nil, err
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.ended) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// inMemory runs f with a server in memory and with a clock that stands still
// while somebody works; it checks that everything of the server has ended.
func inMemory(t *testing.T, c ServerConfig, site *Site, f func(t *testing.T, l *pipes, s *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := startServer(c, l, site, func(err error) { t.Errorf("Failed: %v", err) })
		f(t, l, s)
		select {
		case <-s.stopping:
		default:
			s.closeListener()
			s.stop()
		}
		if n := s.limits.count(); n != 0 {
			t.Errorf("%d connections left", n)
		}
	})
}

func helpSite() *Site { return &Site{Handler: NewHandler(HandlerConfig{Page: new(fakePage)})} }

const getPage = "GET / HTTP/1.1\r\nHost: blocked.example\r\nAccept: text/html\r\n\r\n"

// send writes to a connection that must be open.
func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// readReply reads one reply with its body.
func readReply(t testing.TB, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// TestServerTimes: a connection on which nothing goes on ends to the second.
func TestServerTimes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		act    func(t *testing.T, c net.Conn)
		after  time.Duration
		config ServerConfig
	}{
		{"nothing sent", func(*testing.T, net.Conn) {}, DefaultHeaderTimeout, ServerConfig{}},
		{"nothing sent, set", func(*testing.T, net.Conn) {}, time.Minute, ServerConfig{HeaderTimeout: time.Minute}},
		{"half a header", func(t *testing.T, c net.Conn) { send(t, c, "GET / HTTP/1.1\r\nHost: x") }, DefaultHeaderTimeout, ServerConfig{}},
		{"byte by byte", func(t *testing.T, c net.Conn) {
			for range 4 {
				send(t, c, "G")
				time.Sleep(time.Second)
			}
		}, DefaultHeaderTimeout, ServerConfig{}},
		{"idle", func(t *testing.T, c net.Conn) {
			send(t, c, getPage)
			readReply(t, bufio.NewReader(c))
		}, DefaultIdleTimeout, ServerConfig{}},
		{"idle, set", func(t *testing.T, c net.Conn) {
			send(t, c, getPage)
			readReply(t, bufio.NewReader(c))
		}, time.Second, ServerConfig{IdleTimeout: time.Second}},
		{"second header", func(t *testing.T, c net.Conn) {
			send(t, c, getPage)
			readReply(t, bufio.NewReader(c))
			send(t, c, "GET / HT")
		}, DefaultHeaderTimeout, ServerConfig{}},
		{"body", func(t *testing.T, c net.Conn) {
			send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
			if r, _ := readReply(t, bufio.NewReader(c)); r.StatusCode != 403 || !r.Close {
				t.Errorf("Status %d, close %v", r.StatusCode, r.Close)
			}
		}, linger, ServerConfig{}},
		{"chunks", func(t *testing.T, c net.Conn) {
			send(t, c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n")
			readReply(t, bufio.NewReader(c))
		}, linger, ServerConfig{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inMemory(t, tt.config, helpSite(), func(t *testing.T, l *pipes, _ *server) {
				c := l.dial()
				start := time.Now()
				tt.act(t, c)
				if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 && !strings.HasPrefix(string(rest), "HTTP/1.1 400 ") {
					t.Errorf("%q, %v", rest, err)
				}
				if got := time.Since(start); got != tt.after {
					t.Errorf("Closed after %v, want %v", got, tt.after)
				}
			})
		})
	}
}

// TestServerWriteTimeout: who does not read his reply is not waited for.
func TestServerWriteTimeout(t *testing.T) {
	inMemory(t, ServerConfig{}, helpSite(), func(t *testing.T, l *pipes, s *server) {
		c := l.dial()
		send(t, c, getPage)
		for _, tt := range []struct {
			wait time.Duration
			left int
		}{{DefaultWriteTimeout - time.Nanosecond, 1}, {time.Nanosecond, 0}} {
			time.Sleep(tt.wait)
			synctest.Wait()
			if n := s.limits.count(); n != tt.left {
				t.Errorf("After %v %d connections are left, want %d", tt.wait, n, tt.left)
			}
		}
		c.Close()
	})
}

// TestServerStuck: when every connection has a request and nobody reads his
// reply, the page is away until those that are stuck make room.
func TestServerStuck(t *testing.T) {
	inMemory(t, ServerConfig{Conns: 4}, helpSite(), func(t *testing.T, l *pipes, _ *server) {
		var deaf []net.Conn
		for range 4 {
			c := l.dial()
			send(t, c, getPage)
			deaf = append(deaf, c)
			time.Sleep(time.Nanosecond) // so that one of them is the first
		}
		synctest.Wait()
		visitor := l.dial()
		if rest, err := io.ReadAll(visitor); len(rest) > 0 || err != nil {
			t.Errorf("A visitor gets %q, %v while all connections have a request", rest, err)
		}
		time.Sleep(stuck)
		visitor = l.dial()
		send(t, visitor, getPage)
		if r, _ := readReply(t, bufio.NewReader(visitor)); r.StatusCode != 403 {
			t.Errorf("Status %d", r.StatusCode)
		}
		if rest, err := io.ReadAll(deaf[0]); len(rest) > 0 || err != nil {
			t.Errorf("The one that was stuck for longest gets %q, %v", rest, err)
		}
		for _, c := range append(deaf, visitor) {
			c.Close()
		}
	})
}

// TestServerStop: the end waits for requests under way, not for connections
// without one, and not for ever.
func TestServerStop(t *testing.T) {
	for _, tt := range []struct{ takes, stops time.Duration }{
		{3 * time.Second, 3 * time.Second},
		{7 * time.Second, 7 * time.Second}, // without the reply, but never before the handler is done
	} {
		site := &Site{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				time.Sleep(tt.takes)
			}
			io.WriteString(w, "done")
		})}
		inMemory(t, ServerConfig{}, site, func(t *testing.T, l *pipes, s *server) {
			fresh, half, idle, slow := l.dial(), l.dial(), l.dial(), l.dial()
			send(t, half, "GET / HT")
			send(t, idle, getPage)
			readReply(t, bufio.NewReader(idle))
			send(t, slow, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
			synctest.Wait()
			start := time.Now()
			got := make(chan error, 1)
			go func() {
				_, err := http.ReadResponse(bufio.NewReader(slow), nil)
				got <- err
			}()
			s.closeListener()
			ended := make(chan struct{})
			go func() { s.stop(); close(ended) }()
			for _, c := range []net.Conn{fresh, half, idle} {
				if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
					t.Errorf("%q, %v", rest, err)
				}
			}
			if waited := time.Since(start); waited > time.Second {
				t.Errorf("Connections without a request were closed after %v", waited)
			}
			if err := <-got; (err == nil) != (tt.takes < DefaultDrainTimeout) {
				t.Errorf("A request of %v: %v", tt.takes, err)
			}
			<-ended
			if stopped := time.Since(start); stopped < tt.stops || stopped > tt.stops+time.Second {
				t.Errorf("Stopped after %v, want %v", stopped, tt.stops)
			}
		})
	}
}

// TestServerPanic: it is told once, without a word of the client's, and only
// one connection ends.
func TestServerPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		l := newPipes()
		s := startServer(ServerConfig{}, l, &Site{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			panic("secret" + r.URL.Path)
		})}, func(err error) { told = append(told, err) })
		for range 3 {
			c := l.dial()
			send(t, c, "GET /secret HTTP/1.1\r\nHost: secret.example\r\n\r\n")
			if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
				t.Errorf("%q, %v", rest, err)
			}
		}
		s.closeListener()
		s.stop()
		if len(told) != 1 || strings.Contains(told[0].Error(), "secret") || !strings.Contains(told[0].Error(), "server_test.go") {
			t.Errorf("Told %q", told)
		}
	})
}

// TestServerAbort: a handler that gives up is not an error.
func TestServerAbort(t *testing.T) {
	site := &Site{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })}
	inMemory(t, ServerConfig{}, site, func(t *testing.T, l *pipes, _ *server) {
		c := l.dial()
		send(t, c, getPage)
		if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
			t.Errorf("%q, %v", rest, err)
		}
	})
}

// TestServerAccept: when the system has no more files, the server goes on after
// a while, and says so once.
func TestServerAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []error
		l := newPipes()
		s := startServer(ServerConfig{}, l, helpSite(), func(err error) { told = append(told, err) })
		for range 3 {
			l.errs <- syscall.EMFILE
		}
		c := l.dial()
		send(t, c, getPage)
		if r, _ := readReply(t, bufio.NewReader(c)); r.StatusCode != 403 {
			t.Errorf("Status %d", r.StatusCode)
		}
		l.errs <- syscall.EMFILE
		start := time.Now()
		s.closeListener()
		s.stop()
		if len(told) != 1 || !errors.Is(told[0], syscall.EMFILE) || time.Since(start) >= retry {
			t.Errorf("Told %q; ended after %v", told, time.Since(start))
		}
	})
}

// certificate returns a certificate for a name that signs itself.
func certificate(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)} // in a bubble it is 2000
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// tlsSite has a certificate for one name. Its settings offer more than they
// should.
func tlsSite(t testing.TB, name string) (*Site, *x509.CertPool) {
	t.Helper()
	c := certificate(t, name)
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	site := helpSite()
	site.TLS = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch hello.ServerName {
		case name:
			return &tls.Config{Certificates: []tls.Certificate{*c}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS10}, nil
		case "error.example":
			return nil, errors.New("no certificate")
		}
		return nil, nil
	}
	return site, pool
}

func TestServerTLS(t *testing.T) {
	site, pool := tlsSite(t, "help.example")
	inMemory(t, ServerConfig{}, site, func(t *testing.T, l *pipes, _ *server) {
		for _, protocols := range [][]string{nil, {"http/1.1"}, {"h2", "http/1.1"}} {
			c := tls.Client(l.dial(), &tls.Config{RootCAs: pool, ServerName: "help.example", NextProtos: protocols})
			send(t, c, getPage)
			r, body := readReply(t, bufio.NewReader(c))
			state := c.ConnectionState()
			if r.StatusCode != 403 || !strings.Contains(body, "Help") || state.NegotiatedProtocol == "h2" || state.Version != tls.VersionTLS13 {
				t.Errorf("%q: status %d, protocol %q, version %x", protocols, r.StatusCode, state.NegotiatedProtocol, state.Version)
			}
			c.Close()
		}
		for _, tt := range []struct {
			config *tls.Config
			want   string
		}{
			{&tls.Config{ServerName: "other.example"}, "unrecognized name"},
			{&tls.Config{ServerName: "error.example"}, "unrecognized name"},
			{&tls.Config{ServerName: "help.example", NextProtos: []string{"h2"}}, "no application protocol"},
			{&tls.Config{ServerName: "help.example", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, "protocol version"},
		} {
			tt.config.InsecureSkipVerify = true // it does not come to that
			start := time.Now()
			raw := l.dial()
			err := tls.Client(raw, tt.config).Handshake()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %s", tt.config.ServerName, err, tt.want)
			}
			if _, err := io.ReadAll(raw); err != nil || time.Since(start) != 0 {
				t.Errorf("%s: closed after %v, %v", tt.config.ServerName, time.Since(start), err)
			}
			raw.Close()
		}
	})
}

// TestServerTLSTimes: a handshake has no more time than a header.
func TestServerTLSTimes(t *testing.T) {
	site, _ := tlsSite(t, "help.example")
	for _, sent := range []string{"", "\x16\x03\x01\x02\x00\x01\x00\x01"} {
		inMemory(t, ServerConfig{}, site, func(t *testing.T, l *pipes, _ *server) {
			c := l.dial()
			start := time.Now()
			send(t, c, sent)
			io.ReadAll(c)
			if got := time.Since(start); got != DefaultHeaderTimeout {
				t.Errorf("Closed after %v", got)
			}
		})
	}
}

// TestServerGone: a client that leaves without a word is not kept.
func TestServerGone(t *testing.T) {
	inMemory(t, ServerConfig{}, helpSite(), func(t *testing.T, l *pipes, s *server) {
		start := time.Now()
		for range 10 {
			l.dial().Close()
		}
		synctest.Wait()
		if n := s.limits.count(); n != 0 || time.Since(start) != 0 {
			t.Errorf("%d connections left after %v", n, time.Since(start))
		}
	})
}
