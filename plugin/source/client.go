package source

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// The times that a Client gives a server unless its ClientConfig says others.
const (
	DefaultDialTimeout   = 10 * time.Second
	DefaultTLSTimeout    = 10 * time.Second
	DefaultHeaderTimeout = 30 * time.Second
	DefaultIdleTimeout   = 30 * time.Second
	DefaultTotalTimeout  = 10 * time.Minute
)

// maxHeader bounds the head of a reply in bytes.
const maxHeader = 64 << 10

// ClientConfig says how lists are fetched over HTTP. The zero value works.
type ClientConfig struct {
	// Hosts are the names and addresses that the configuration itself names and
	// that may be, or lead to, a private address: with a port on that port only
	// unless it is over TLS, else, without brackets, on any. Who answers for a name that is here could
	// lead to any machine of the network.
	Hosts []string
	// Bootstrap are the resolvers that look up the name of the server, or of the
	// proxy, which looks up that of the server itself; see NewResolver.
	Bootstrap []netip.AddrPort
	// Proxy returns the proxy for a request, nil for none. It is the operator's
	// and may have any address. nil means http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)
	// RootCAs are the certificate authorities that are trusted; nil means those
	// of the system.
	RootCAs *x509.CertPool

	DialTimeout   time.Duration // until there is a connection, the lookup of the name included
	TLSTimeout    time.Duration // of the TLS handshake
	HeaderTimeout time.Duration // from a request to the head of its reply
	IdleTimeout   time.Duration // without a byte of the body
	TotalTimeout  time.Duration // from the first request to the last byte, redirects included
}

// Client fetches over HTTP and HTTPS for all mirrors of a list. It goes to
// isPublic addresses and to what its configuration names, and keeps no connection
// and no cookie. It is safe for concurrent use.
type Client struct {
	hosts       map[string]bool // canonicalHost of ClientConfig.Hosts
	bootstrap   string          // the addresses of the resolvers, for errors; empty: the system's
	proxy       func(*http.Request) (*url.URL, error)
	dialer      net.Dialer
	transport   *http.Transport
	idle, total time.Duration
}

// NewClient returns a Client. It reads and opens nothing.
func NewClient(c ClientConfig) *Client {
	client := &Client{
		hosts:     make(map[string]bool),
		bootstrap: joined(c.Bootstrap),
		proxy:     c.Proxy,
		dialer: net.Dialer{
			Timeout:  cmp.Or(c.DialTimeout, DefaultDialTimeout),
			Resolver: NewResolver(c.Bootstrap),
		},
		idle:  cmp.Or(c.IdleTimeout, DefaultIdleTimeout),
		total: cmp.Or(c.TotalTimeout, DefaultTotalTimeout),
	}
	if client.proxy == nil {
		client.proxy = http.ProxyFromEnvironment
	}
	for _, h := range c.Hosts {
		if host, port, err := net.SplitHostPort(h); err == nil {
			client.hosts[net.JoinHostPort(canonicalHost(host), port)] = true
			client.hosts[net.JoinHostPort(canonicalHost(host), anyPort)] = true
			continue
		}
		client.hosts[canonicalHost(h)] = true
	}
	client.transport = newTransport(c, client.dial)
	return client
}

func newTransport(c ClientConfig, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		Proxy:                  func(r *http.Request) (*url.URL, error) { return wayOf(r.Context()).proxy, nil },
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    cmp.Or(c.TLSTimeout, DefaultTLSTimeout),
		ResponseHeaderTimeout:  cmp.Or(c.HeaderTimeout, DefaultHeaderTimeout),
		MaxResponseHeaderBytes: maxHeader,
		ForceAttemptHTTP2:      true, // own TLS settings would turn it off
		DisableKeepAlives:      true, // the next round is an hour away
		DisableCompression:     true, // bodies are unpacked here, within limits
	}
}

// way is how a request gets to its server. It is chosen before the transport
// sees the request, and goes along in its context: so dial knows the proxy's
// connection from those to servers, and what the configuration names.
type way struct {
	proxy *url.URL // nil: none
	named bool     // the server may be at a private address
}

type wayKey struct{}

func (w way) of(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), wayKey{}, w))
}

func wayOf(ctx context.Context) way {
	w, _ := ctx.Value(wayKey{}).(way)
	return w
}
