package source

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// TestRedirects follows some and refuses others, without asking where they lead.
func TestRedirects(t *testing.T) {
	s := sourcetest.New(t)
	s.Set("/l.txt", sourcetest.Text("badsite.example\n"))
	for i := range 7 {
		s.Set(fmt.Sprint("/", i), sourcetest.Redirect(fmt.Sprint("/", i-1)))
	}
	s.Set("/0", sourcetest.Redirect("/l.txt"))
	client := NewClient(lanClient(s))
	for _, tt := range []struct {
		from, to string
		is       error
		words    string
	}{
		{s.URL("/r"), "/l.txt", nil, ""},
		{s.URL("/r"), s.At("lists.example", "/l.txt#part"), nil, ""},
		{s.Plain("/r"), s.Plain("/l.txt"), nil, ""},
		{s.Plain("/r"), s.URL("/l.txt"), nil, ""},
		{s.URL("/r"), "/3", nil, ""},
		{s.URL("/r"), "/4", ErrRedirect, "/0: redirect refused: more than 5 times"},
		{s.URL("/r"), "/r", ErrRedirect, "in a circle"},
		{s.URL("/r"), "/r#2", ErrRedirect, "in a circle"},
		{s.URL("/r"), s.PlainAt("lists.example", "/l.txt?token=secret"), ErrRedirect, "to http://lists.example:"},
		{s.Plain("/r"), "file:///etc/passwd", ErrRedirect, "to file:///etc/passwd"},
		{s.Plain("/r"), "file://lists.example/etc/passwd", ErrRedirect, "to file://"},
		{s.Plain("/r"), "data:text/plain,secret", ErrRedirect, "to data:"},
		{s.Plain("/r"), "ftp://lists.example/", ErrRedirect, "to ftp:"},
		{s.Plain("/r"), "https:///l.txt", ErrRedirect, "to https:"},
		{s.Plain("/r"), "http://user:secret@lists.example/", ErrRedirect, "to http://lists.example/ with a user name"},
		{s.Plain("/r"), "http://secret@lists.example/", ErrRedirect, "with a user name"},
		{s.Plain("/r"), "http://%zz:secret@/", ErrRedirect, "no URL"},
		{s.Plain("/r"), "http://127.0.0.2/", ErrPrivate, "/r, redirected to http://127.0.0.2/: private address, and not one of the list's own hosts: 127.0.0.2"},
		{s.Plain("/r"), "http://[::1]/", ErrPrivate, ": ::1"},
		{s.Plain("/r"), "http://[::ffff:192.0.2.1]/", ErrPrivate, ": ::ffff:192.0.2.1"},
		{s.Plain("/r"), "http://[fe80::1%25eth0]/", ErrPrivate, ": fe80::1%eth0"},
		{s.Plain("/r"), "http://127.0.0.2./", ErrPrivate, ": 127.0.0.2"},
		{s.Plain("/r"), "http://127.1/", ErrPrivate, "127.1"},
		{s.Plain("/r"), "http://2130706434/", ErrPrivate, "2130706434"},
		{s.Plain("/r"), "http://0x7F.0.0.0x2/", ErrPrivate, "0x7f"},
		{s.Plain("/r"), s.PlainAt("public.example", "/l.txt"), ErrPrivate, "dial tcp 127.0.0.1:"},
	} {
		t.Run(tt.to, func(t *testing.T) {
			s.Set("/r", sourcetest.Redirect(tt.to))
			asked := s.Count("/l.txt")
			text, _, err := fetchAll(t, HTTP{URL: tt.from, Client: client}, "")
			if tt.is != nil {
				wantError(t, err, tt.is, tt.words)
				if s.Count("/l.txt") != asked {
					t.Error("The server was asked all the same")
				}
			} else if text != "badsite.example\n" || err != nil {
				t.Errorf("%q, %v", text, err)
			}
			s.WaitClosed()
		})
	}
}

// TestRebinding: what counts is the address that is connected to, not the name
// and not what was answered for it before.
func TestRebinding(t *testing.T) {
	s := sourcetest.New(t)
	s.Set("/l.txt", sourcetest.Text("badsite.example\n"))
	for _, address := range []string{"127.0.0.1", "127.0.0.2", "10.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::", "fd00::1", "fe80::1",
		"100.64.0.1", "192.168.1.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "192.0.2.1", "224.0.0.1", "255.255.255.255"} {
		c := lanClient(s)
		c.Bootstrap = []netip.AddrPort{sourcetest.Resolver(t, map[string]string{"public.example": address, "lists.example": "127.0.0.1"})}
		_, _, err := fetchAll(t, HTTP{URL: s.PlainAt("public.example", "/l.txt"), Client: NewClient(c)}, "")
		wantError(t, err, ErrPrivate, "private address, and not one of the list's own hosts")
		if s.Count("/l.txt") != 0 {
			t.Errorf("%s was asked", address)
		}
	}
	for _, named := range []string{"lists.example", "LISTS.example."} {
		c := lanClient(s)
		c.Hosts = []string{named}
		if text, _, err := fetchAll(t, HTTP{URL: s.URL("/l.txt"), Client: NewClient(c)}, ""); text == "" || err != nil {
			t.Errorf("%s is named: %v", named, err)
		}
	}
}

// TestPrivateByDefault: the zero ClientConfig goes to public addresses only.
func TestPrivateByDefault(t *testing.T) {
	s := sourcetest.New(t)
	_, _, err := fetchAll(t, HTTP{URL: s.Plain("/l.txt")}, "")
	wantError(t, err, ErrPrivate, ": 127.0.0.1")
}

// TestProxy: the proxy may have any address, what is behind it may not.
func TestProxy(t *testing.T) {
	s := sourcetest.New(t)
	s.Set("/public", sourcetest.Text("badsite.example\n"))
	s.Set("/private", sourcetest.Redirect("http://10.0.0.1/l.txt"))
	s.Set("/odd", sourcetest.Redirect("http://10.1/l.txt"))
	proxy, _ := url.Parse(s.Plain(""))
	c := ClientConfig{Bootstrap: lanClient(s).Bootstrap, Proxy: http.ProxyURL(proxy)}
	get := func(path string) (string, error) {
		text, _, err := fetchAll(t, HTTP{URL: "http://lists.example" + path, Client: NewClient(c)}, "")
		return text, err
	}
	if text, err := get("/public"); text != "badsite.example\n" || err != nil || s.Last("/public").Host != "lists.example" {
		t.Errorf("Through the proxy: %q, %v", text, err)
	}
	for _, path := range []string{"/private", "/odd"} {
		if _, err := get(path); !errors.Is(err, ErrPrivate) || s.Count("/l.txt") != 0 {
			t.Errorf("%s: %v, the proxy was asked %d times", path, err, s.Count("/l.txt"))
		}
	}
	c.Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("http://user:secret@proxy") }
	_, err := get("/public")
	wantError(t, err, nil, "http://lists.example/public: the address of the proxy cannot be read")
}

// TestProxyTunnel: an https URL goes through a tunnel, and its certificate is
// checked all the same.
func TestProxyTunnel(t *testing.T) {
	s := sourcetest.New(t)
	s.Set("/l.txt", sourcetest.Text("badsite.example\n"))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server, err := net.Dial("tcp", "127.0.0.1:"+r.URL.Port())
		if r.Method != http.MethodConnect || err != nil {
			t.Errorf("%s: %v", r.Method, err)
			return
		}
		defer server.Close()
		client, _, _ := http.NewResponseController(w).Hijack()
		defer client.Close()
		io.WriteString(client, "HTTP/1.1 200 Fine\r\n\r\n")
		go func() {
			io.Copy(server, client)
			server.Close()
		}()
		io.Copy(client, server)
	}))
	defer proxy.Close()
	u, _ := url.Parse(proxy.URL)
	c := ClientConfig{RootCAs: s.Pool(), Proxy: http.ProxyURL(u)}
	_, _, err := fetchAll(t, HTTP{URL: s.At("public.example", "/l.txt"), Client: NewClient(c)}, "")
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		t.Errorf("A certificate of another name: %v", err)
	}
	text, _, err := fetchAll(t, HTTP{URL: s.At("lists.example", "/l.txt"), Client: NewClient(c)}, "")
	if text != "badsite.example\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	s.WaitClosed()
}

// pipeClient returns a client whose connections all end in serve. The test ends
// after the last of them.
func pipeClient(t *testing.T, serve func(c net.Conn)) *Client {
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	client := NewClient(ClientConfig{Proxy: noProxy})
	client.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		serving.Go(func() {
			defer theirs.Close()
			serve(theirs)
		})
		return ours, nil
	}
	return client
}

// replyHead takes a request and answers with the head of a reply.
func replyHead(c net.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
	}
}

// drip sends a byte every so often until nobody listens.
func drip(c net.Conn, every time.Duration) {
	for err := error(nil); err == nil; _, err = c.Write([]byte("x")) {
		time.Sleep(every)
	}
}

// TestTimeouts: each of the times ends what takes longer, at that time; and the
// bubble ends only with all goroutines.
func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		serve     func(c net.Conn)
		want      time.Duration
		words     string
	}{
		{"TLS handshake", "https://lists.example/", func(c net.Conn) { io.Copy(io.Discard, c) }, DefaultTLSTimeout, "TLS handshake"},
		{"no header", "http://lists.example/", func(c net.Conn) { io.Copy(io.Discard, c) }, DefaultHeaderTimeout, "response headers"},
		{"header by drops", "http://lists.example/", func(c net.Conn) {
			http.ReadRequest(bufio.NewReader(c))
			drip(c, time.Second)
		}, DefaultHeaderTimeout, "response headers"},
		{"no body", "http://lists.example/", func(c net.Conn) {
			replyHead(c)
			io.Copy(io.Discard, c)
		}, DefaultIdleTimeout, "more than 30s without a byte"},
		{"a body that stops", "http://lists.example/", func(c net.Conn) {
			replyHead(c)
			time.Sleep(10 * time.Second)
			io.WriteString(c, "badsite.example\n")
			io.Copy(io.Discard, c)
		}, 10*time.Second + DefaultIdleTimeout, "more than 30s without a byte"},
		{"body by drops", "http://lists.example/", func(c net.Conn) {
			replyHead(c)
			drip(c, DefaultIdleTimeout-time.Second)
		}, DefaultTotalTimeout, "more than 10m0s in all"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, _, err := fetchAll(t, HTTP{URL: tt.url, Client: pipeClient(t, tt.serve)}, "")
				wantError(t, err, ErrTimeout, tt.url+": took too long: ")
				wantError(t, err, ErrTimeout, tt.words)
				if took := time.Since(start); took != tt.want {
					t.Errorf("Took %v, want %v", took, tt.want)
				}
			})
		})
	}
}

// TestSlowReader: a caller who takes his time is not a server that does.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := pipeClient(t, func(c net.Conn) {
			replyHead(c)
			drip(c, time.Second)
		})
		body, err := HTTP{URL: "http://lists.example/", Client: client}.Open(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		for range 3 {
			time.Sleep(DefaultIdleTimeout + time.Second)
			if _, err := body.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestContext: the end of the context ends whatever goes on, at once.
func TestContext(t *testing.T) {
	for name, tt := range map[string]struct {
		url   string
		serve func(c net.Conn)
	}{
		"handshake": {"https://lists.example/", func(c net.Conn) { io.Copy(io.Discard, c) }},
		"header":    {"http://lists.example/", func(c net.Conn) { io.Copy(io.Discard, c) }},
		"body": {"http://lists.example/", func(c net.Conn) {
			replyHead(c)
			io.Copy(io.Discard, c)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start := time.Now()
				body, err := HTTP{URL: tt.url, Client: pipeClient(t, tt.serve)}.Open(ctx, "")
				if err == nil {
					defer body.Close()
					_, err = io.ReadAll(body)
				}
				wantError(t, err, context.DeadlineExceeded, tt.url+": ")
				synctest.Wait()
				if took := time.Since(start); took != 5*time.Second || errors.Is(err, ErrTimeout) {
					t.Errorf("Took %v: %v", took, err)
				}
			})
		})
	}
}

// TestContextConnecting: nobody goes on connecting for a caller who has left.
func TestContextConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := NewClient(ClientConfig{Proxy: noProxy})
		client.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := HTTP{URL: "http://lists.example/", Client: client}.Open(ctx, "")
		wantError(t, err, context.DeadlineExceeded, "http://lists.example/: ")
	})
}

// TestDialTimeout: the lookup of the name counts.
func TestDialTimeout(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c := ClientConfig{Bootstrap: []netip.AddrPort{netip.MustParseAddrPort(silent.LocalAddr().String())}, DialTimeout: 50 * time.Millisecond, Proxy: noProxy}
	_, _, err = fetchAll(t, HTTP{URL: "https://lists.example/l.txt", Client: NewClient(c)}, "")
	wantError(t, err, ErrTimeout, "https://lists.example/l.txt: took too long: dial tcp: lookup lists.example. on "+silent.LocalAddr().String())
	if strings.Contains(err.Error(), ":53:") {
		t.Errorf("Names a resolver of the system: %v", err)
	}
}
