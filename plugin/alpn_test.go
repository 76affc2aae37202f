package nonudify

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
)

// certificate returns one of its own for 127.0.0.1.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestNegotiate: DNS over TLS is chosen for who offers it, and nobody is turned away
// who was served before; a listener with protocols of its own keeps them.
func TestNegotiate(t *testing.T) {
	base := &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	negotiate(base)
	https := base.Clone()
	https.NextProtos = []string{"h2", "http/1.1"}
	for _, tt := range []struct {
		server *tls.Config
		offer  []string
		want   string
		wrong  bool
	}{
		{base, nil, "", false}, {base, []string{"dot"}, "dot", false}, {base, []string{"x", "dot"}, "dot", false}, {base, []string{"h2"}, "", false},
		{base, []string{"foo", "bar"}, "", false}, {base, []string{"dot", "h2"}, "", false},
		{https, []string{"h2"}, "h2", false}, {https, []string{"h2", "dot"}, "h2", false}, {https, nil, "", false}, {https, []string{"foo"}, "", true},
	} {
		got, err := protocolOf(t, tt.server, tt.offer)
		if got != tt.want || (err != nil) != tt.wrong {
			t.Errorf("%v to %v: %q, %v", tt.offer, tt.server.NextProtos, got, err)
		}
	}
}

// protocolOf returns the protocol that a server chooses of those offered.
func protocolOf(t *testing.T, server *tls.Config, offer []string) (string, error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		if conn, err := l.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake() // what is wrong the client says
			conn.Close()
		}
	}()
	defer func() { <-served }()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: offer})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectionState().NegotiatedProtocol, nil
}

// TestBeforeServers: the server blocks of an instance are found as CoreDNS keeps them,
// and none is added. It fails when another CoreDNS keeps them otherwise.
func TestBeforeServers(t *testing.T) {
	c := caddy.NewTestController("dns", "nonudify")
	first := dnsserver.GetConfig(c)
	at := *c
	at.ServerBlockIndex = 1
	second := dnsserver.GetConfig(&at)
	for range 2 {
		if got := beforeServers(&at); len(got) != 2 || got[0] != first || got[1] != second {
			t.Fatalf("%d server blocks", len(got))
		}
	}
}

// TestALPN: all blocks of an instance negotiate alike, those that choose their
// certificates as they go, too.
func TestALPN(t *testing.T) {
	c := caddy.NewTestController("dns", "nonudify {\nzone alpn.rpz\n}")
	at := *c
	at.ServerBlockIndex = 1
	dynamic := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
	dnsserver.GetConfig(c).TLSConfig, dnsserver.GetConfig(&at).TLSConfig = &tls.Config{}, &tls.Config{GetCertificate: dynamic}
	if err := negotiating.apply(c.Context()); err != nil || dnsserver.GetConfig(c).TLSConfig.GetConfigForClient != nil {
		t.Errorf("Without a policy zone: %v", err)
	}
	if err := setup(c); err != nil {
		t.Fatal(err)
	}
	if err := negotiating.apply(c.Context()); err != nil {
		t.Error(err)
	}
	for i, c := range beforeServers(c) {
		if c.TLSConfig.GetConfigForClient == nil {
			t.Errorf("Block %d does not negotiate", i)
		}
	}
	for range 2 * maxPending {
		negotiating.add(caddy.NewTestController("dns", ""))
	}
	if n := len(negotiating.controllers); n > maxPending {
		t.Errorf("%d instances are kept", n)
	}
}
