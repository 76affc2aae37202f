package authority

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/time/rate"
)

// tickets counts what a client is given to come back with.
type tickets struct{ put atomic.Int32 }

func (*tickets) Get(string) (*tls.ClientSessionState, bool)    { return nil, false }
func (c *tickets) Put(_ string, state *tls.ClientSessionState) { c.put.Add(1) }

// shake lets a client speak to a server of the authority until it has read one
// byte, and returns the state and the errors of both.
func shake(t *testing.T, a *Authority, client *tls.Config) (state tls.ConnectionState, clientErr, serverErr error) {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer there.Close()
		server := tls.Server(there, a.TLS())
		_, err := server.Write([]byte("x"))
		done <- err
	}()
	conn := tls.Client(here, client)
	_, clientErr = io.ReadFull(conn, make([]byte, 1))
	state = conn.ConnectionState()
	here.Close()
	return state, clientErr, <-done
}

// TestHandshake: a client with the root gets the page, with the TLS of today, and
// nothing to come back with.
func TestHandshake(t *testing.T) {
	root := newRoot(t)
	a := load(t, root.sign(t, intermediate()).config(t))
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var cache tickets
		state, clientErr, serverErr := shake(t, a, &tls.Config{
			RootCAs: roots, ServerName: "badsite.example", Time: a.now,
			MinVersion: version, MaxVersion: version,
			ClientSessionCache: &cache,
		})
		if clientErr != nil || serverErr != nil {
			t.Fatalf("%s: client %v, server %v", tls.VersionName(version), clientErr, serverErr)
		}
		if state.Version != version {
			t.Errorf("%s, want %s", tls.VersionName(state.Version), tls.VersionName(version))
		}
		if n := cache.put.Load(); n != 0 {
			t.Errorf("%s: %d session tickets", tls.VersionName(version), n)
		}
	}
}

// TestHandshakeAborted: with what else a client comes, it is not served, and the
// server's error does not hold the name.
func TestHandshakeAborted(t *testing.T) {
	root := newRoot(t)
	a := load(t, root.sign(t, intermediate()).config(t))
	tests := []struct {
		name   string
		client *tls.Config
		alert  string // that the client receives
	}{
		{"not listed", &tls.Config{ServerName: "free.example"}, "unrecognized name"},
		{"excluded", &tls.Config{ServerName: "www.school.example"}, "unrecognized name"},
		{"no name", &tls.Config{}, "unrecognized name"},
		{"an address", &tls.Config{ServerName: "192.0.2.1"}, "unrecognized name"}, // which clients leave out
		{"TLS 1.1", &tls.Config{ServerName: "badsite.example", MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, "protocol version not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.client.InsecureSkipVerify = true // what the server does is the question
			_, clientErr, serverErr := shake(t, a, tt.client)
			if clientErr == nil || !strings.Contains(clientErr.Error(), tt.alert) {
				t.Errorf("Client: %v, want %q", clientErr, tt.alert)
			}
			if serverErr == nil || tt.client.ServerName != "" && strings.Contains(serverErr.Error(), tt.client.ServerName) {
				t.Errorf("Server: %v", serverErr)
			}
		})
	}
}

// TestHandshakeLimited: our own trouble is not blamed on the name.
func TestHandshakeLimited(t *testing.T) {
	cfg := newRoot(t).sign(t, intermediate()).config(t)
	a := load(t, cfg)
	a.limiter = rate.NewLimiter(1, 1)
	if _, err := get(a, "badsite.example"); err != nil {
		t.Fatal(err)
	}
	_, clientErr, serverErr := shake(t, a, &tls.Config{ServerName: "listed.example", InsecureSkipVerify: true})
	if !errors.Is(serverErr, ErrLimited) || clientErr == nil || !strings.Contains(clientErr.Error(), "internal error") {
		t.Errorf("Client %v, server %v", clientErr, serverErr)
	}
}
