package source

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// lanClient returns a client that may fetch from the names and the address that
// the server has a good certificate for.
func lanClient(s *sourcetest.Server) ClientConfig {
	return ClientConfig{
		Hosts: []string{"lists.example", "127.0.0.1"}, Bootstrap: []netip.AddrPort{s.Resolver()},
		Proxy: noProxy, RootCAs: s.Pool(),
	}
}

// fetchAll opens a list and reads it.
func fetchAll(t *testing.T, h HTTP, have Version) (string, Body, error) {
	t.Helper()
	body, err := h.Open(t.Context(), have)
	if err != nil {
		if body.ReadCloser != nil {
			t.Errorf("A body beside the error %v", err)
		}
		return "", body, err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	return string(text), body, err
}

// wantError fails unless an error is one of the given and has the given words,
// and shows no credential of the tests.
func wantError(t *testing.T, err, is error, words string) {
	t.Helper()
	if err == nil || is != nil && !errors.Is(err, is) || !strings.Contains(err.Error(), words) {
		t.Errorf("Error %v, want %v with %q", err, is, words)
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("The error shows a credential: %v", err)
	}
}

func TestHTTP(t *testing.T) {
	s := sourcetest.New(t)
	modified := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	s.Set("/l.txt", sourcetest.Reply{Body: []byte("badsite.example\n"), Modified: modified})
	client := NewClient(lanClient(s))
	for _, tt := range []struct {
		url, protocol string
		header        http.Header
	}{
		{s.URL("/l.txt"), "HTTP/2.0", http.Header{"Accept-Encoding": {"zstd, gzip"}, "User-Agent": {"nonudify"}}},
		{s.Plain("/l.txt"), "HTTP/1.1", http.Header{"Accept-Encoding": {"zstd, gzip"}, "User-Agent": {"nonudify"}, "Connection": {"close"}}},
	} {
		text, body, err := fetchAll(t, HTTP{URL: tt.url, Client: client}, "")
		if text != "badsite.example\n" || err != nil || !body.Modified.Equal(modified) || body.Version == "" {
			t.Errorf("%s: %q, %+v, %v", tt.url, text, body, err)
		}
		if r := s.Last("/l.txt"); r.Proto != tt.protocol || fmt.Sprint(r.Header) != fmt.Sprint(tt.header) {
			t.Errorf("%s: asked by %s %v", tt.url, r.Proto, r.Header)
		}
		s.WaitClosed() // nothing is kept open for the next round
	}
}

// TestHTTPPassword: the user name and password of the URL go to the server and
// into no error.
func TestHTTPPassword(t *testing.T) {
	s := sourcetest.New(t)
	s.Set("/l.txt", sourcetest.Redirect("/elsewhere"))
	u := strings.Replace(s.Plain("/l.txt?token=secret"), "127.0.0.1", "user:secret@127.0.0.1", 1)
	_, _, err := fetchAll(t, HTTP{URL: u, Client: NewClient(lanClient(s))}, "")
	wantError(t, err, ErrStatus, "HTTP status is not 200: 404")
	if user, password, _ := s.Last("/l.txt").BasicAuth(); user != "user" || password != "secret" {
		t.Errorf("Authorized as %q, %q", user, password)
	}
	if h := s.Last("/elsewhere").Header; h.Get("Authorization") != "" || h.Get("Referer") != "" {
		t.Errorf("Carried over: %v", h)
	}
}

// TestHTTPNoURL: without a client, too, and nothing of the URL is shown.
func TestHTTPNoURL(t *testing.T) {
	for _, u := range []string{"", "lists.example/l.txt", "ftp://user:secret@lists.example/", "https://", "https://user:secret@:443/",
		"https://lists.example:secret/", "https://%zzsecret/", "https://a b:secret@c/", "file:///etc/passwd"} {
		_, _, err := fetchAll(t, HTTP{URL: u}, "")
		wantError(t, err, nil, "neither https nor http, or that cannot be read")
	}
}

// TestHTTPNotModified has the server say that a version is the latest.
func TestHTTPNotModified(t *testing.T) {
	s := sourcetest.New(t)
	modified := time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name        string
		reply       sourcetest.Reply
		etag, since bool // are sent the next time
	}{
		{"both", sourcetest.Reply{ETag: `"1"`, Modified: modified}, true, true},
		{"tag", sourcetest.Reply{ETag: `"1"`}, true, false},
		{"weak tag", sourcetest.Reply{ETag: `W/"1"`}, true, false},
		{"time", sourcetest.Reply{Modified: modified}, false, true},
		{"longest tag", sourcetest.Reply{ETag: `"` + strings.Repeat("x", 250) + `"`, Modified: modified}, true, true},
		{"neither", sourcetest.Reply{}, false, false},
		{"tag too long", sourcetest.Reply{ETag: `"` + strings.Repeat("x", 251) + `"`}, false, false},
		{"tag without quotes", sourcetest.Reply{ETag: `1`}, false, false},
		{"time of the future", sourcetest.Reply{Modified: time.Now().Add(25 * time.Hour)}, false, false},
		{"time of a build tool", sourcetest.Reply{Modified: time.Unix(1, 0)}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Set("/l.txt", tt.reply)
			h := HTTP{URL: s.Plain("/l.txt"), Client: NewClient(lanClient(s))}
			_, body, err := fetchAll(t, h, "")
			if err != nil || body.Modified.IsZero() == tt.since || body.Version == "" {
				t.Errorf("Modified %v, version %q, %v", body.Modified, body.Version, err)
			}
			_, again, err := fetchAll(t, h, body.Version)
			header := s.Last("/l.txt").Header
			if (header.Get("If-None-Match") != "") != tt.etag || (header.Get("If-Modified-Since") != "") != tt.since {
				t.Errorf("Asked with %v", header)
			}
			if tt.etag || tt.since {
				if err != ErrNotModified {
					t.Errorf("The second time: %v", err)
				}
			} else if err != nil || again.Version == body.Version {
				t.Errorf("The second time: version %q after %q, %v", again.Version, body.Version, err)
			}
			s.WaitClosed()
		})
	}
}

// TestHTTPOtherMirror: what one mirror says of its list is not told to another.
func TestHTTPOtherMirror(t *testing.T) {
	s := sourcetest.New(t)
	client := NewClient(lanClient(s))
	s.Set("/a", sourcetest.Reply{ETag: `"1"`, Body: []byte("old")})
	s.Set("/b", sourcetest.Reply{ETag: `"1"`, Body: []byte("new")})
	_, body, err := fetchAll(t, HTTP{URL: s.Plain("/a"), Client: client}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, have := range []Version{body.Version, "compiled in", "http", "http 1 2 3 4"} {
		if text, _, err := fetchAll(t, HTTP{URL: s.Plain("/b"), Client: client}, have); text != "new" || err != nil {
			t.Errorf("With %q: %q, %v", have, text, err)
		}
	}
}

func TestHTTPStatus(t *testing.T) {
	s := sourcetest.New(t)
	h := HTTP{URL: s.URL("/l.txt"), Client: NewClient(lanClient(s))}
	for _, status := range []int{201, 202, 203, 204, 206, 300, 302, 304, 401, 403, 404, 410, 429, 500, 503} {
		s.Set("/l.txt", sourcetest.Reply{Status: status})
		_, _, err := fetchAll(t, h, "")
		wantError(t, err, ErrStatus, fmt.Sprintf("/l.txt: HTTP status is not 200: %d", status))
	}
	s.Set("/l.txt", sourcetest.Reply{Status: 304})
	_, _, err := fetchAll(t, h, "")
	wantError(t, err, ErrStatus, "304 to a request without a copy")
	s.WaitClosed()
}

func TestHTTPContent(t *testing.T) {
	s := sourcetest.New(t)
	h := HTTP{URL: s.Plain("/l.txt"), Client: NewClient(lanClient(s))}
	serve := func(contentType ...string) error {
		s.Set("/l.txt", sourcetest.Reply{Body: []byte("badsite.example\n"), Header: http.Header{"Content-Type": contentType}})
		_, _, err := fetchAll(t, h, "")
		return err
	}
	if err := serve(); err != nil {
		t.Errorf("None: %v", err)
	}
	for _, good := range []string{"", "text/plain", "TEXT/PLAIN; charset=utf-8", "application/octet-stream", "text/csv", "text/dns",
		"application/gzip", "application/x-gzip", "application/zstd", "binary/octet-stream", "text", "text/plain; charset"} {
		if err := serve(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"text/html", "Text/HTML; charset=utf-8", "text/html; charset", "application/xhtml+xml", "application/json",
		"application/problem+json", "application/xml", "text/xml", "application/rss+xml", "image/png", "audio/ogg", "video/mp4", "font/woff2",
		"multipart/form-data; boundary=x"} {
		t.Run(bad, func(t *testing.T) {
			kind, _, _ := strings.Cut(strings.ToLower(bad), ";")
			wantError(t, serve(bad), ErrContent, fmt.Sprintf("of the wrong type: %q", kind))
		})
	}
}

// TestHTTPSize: a list may be as large as the limit and not a byte larger, with
// and without a Content-Length.
func TestHTTPSize(t *testing.T) {
	s := sourcetest.New(t)
	h := HTTP{URL: s.URL("/l.txt"), Client: NewClient(lanClient(s)), MaxBytes: 1000}
	text := strings.Repeat("x", 1001)
	s.Set("/l.txt", sourcetest.Text(text[:1000]))
	if got, _, err := fetchAll(t, h, ""); got != text[:1000] || err != nil {
		t.Errorf("At the limit: %d bytes, %v", len(got), err)
	}
	s.Set("/l.txt", sourcetest.Text(text))
	_, err := h.Open(t.Context(), "")
	wantError(t, err, ErrTooLarge, "1001 bytes, more than 1000")
	s.Set("/l.txt", sourcetest.Reply{Body: []byte("badsite.example\n"), Fault: sourcetest.Endless})
	got, _, err := fetchAll(t, h, "")
	wantError(t, err, ErrTooLarge, "/l.txt: is too large: more than 1000 bytes")
	if len(got) != 1000 {
		t.Errorf("%d bytes were handed out", len(got))
	}
	s.WaitClosed()
}

// TestHTTPFaults has connections fail, and the next round succeed.
func TestHTTPFaults(t *testing.T) {
	s := sourcetest.New(t)
	text := strings.Repeat("badsite.example\n", 100)
	c := lanClient(s)
	c.IdleTimeout, c.HeaderTimeout = 50*time.Millisecond, 50*time.Millisecond
	patient, hasty := NewClient(lanClient(s)), NewClient(c)
	c = lanClient(s)
	c.TotalTimeout = 50 * time.Millisecond
	brief := NewClient(c)
	for _, tt := range []struct {
		name   string
		client *Client
		reply  sourcetest.Reply
		is     error
		words  string
	}{
		{"reset", patient, sourcetest.Reply{Fault: sourcetest.Reset}, nil, "/l.txt: "},
		{"short", patient, sourcetest.Reply{Fault: sourcetest.Short}, nil, "/l.txt: "},
		{"stall", hasty, sourcetest.Reply{Fault: sourcetest.Stall}, ErrTimeout, "/l.txt: took too long: more than 50ms without a byte"},
		{"silent", hasty, sourcetest.Reply{Fault: sourcetest.Silent}, ErrTimeout, "/l.txt: took too long: "},
		{"drip", brief, sourcetest.Reply{Fault: sourcetest.Drip}, ErrTimeout, "/l.txt: took too long: more than 50ms in all"},
		{"header", patient, sourcetest.Reply{Header: http.Header{"X": slices.Repeat([]string{strings.Repeat("x", 1000)}, 80)}}, nil, "/l.txt: "},
		{"one header", patient, sourcetest.Reply{Header: http.Header{"X": {strings.Repeat("x", 80_000)}}}, nil, "/l.txt: "},
	} {
		for _, u := range []string{s.URL("/l.txt"), s.Plain("/l.txt")} {
			t.Run(tt.name+" "+u[:5], func(t *testing.T) {
				tt.reply.Body = []byte(text)
				s.Set("/l.txt", tt.reply)
				got, _, err := fetchAll(t, HTTP{URL: u, Client: tt.client}, "")
				wantError(t, err, tt.is, tt.words)
				if got == text {
					t.Error("The whole list arrived")
				}
				s.Set("/l.txt", sourcetest.Text(text))
				if got, _, err := fetchAll(t, HTTP{URL: u, Client: patient}, ""); got != text || err != nil {
					t.Errorf("The next time: %d bytes, %v", len(got), err)
				}
				s.WaitClosed()
			})
		}
	}
}

// TestHTTPShort: a body that ends before its Content-Length is not whole.
func TestHTTPShort(t *testing.T) {
	s := sourcetest.New(t)
	s.Set("/l.txt", sourcetest.Reply{Body: []byte("badsite.example\n"), Fault: sourcetest.Short})
	_, _, err := fetchAll(t, HTTP{URL: s.Plain("/l.txt"), Client: NewClient(lanClient(s))}, "")
	wantError(t, err, io.ErrUnexpectedEOF, "/l.txt: unexpected EOF")
}

func TestHTTPRefused(t *testing.T) {
	s := sourcetest.New(t)
	_, _, err := fetchAll(t, HTTP{URL: sourcetest.Refused(t), Client: NewClient(lanClient(s))}, "")
	wantError(t, err, syscall.ECONNREFUSED, "refused")
}

// TestHTTPCertificates: what is wrong with a certificate can be told from the
// error.
func TestHTTPCertificates(t *testing.T) {
	s := sourcetest.New(t)
	s.Set("/l.txt", sourcetest.Text("badsite.example\n"))
	c := lanClient(s)
	c.Hosts = []string{"expired.example", "early.example", "wrong.example", "unknown.example"}
	for _, host := range c.Hosts {
		_, _, err := fetchAll(t, HTTP{URL: s.At(host, "/l.txt"), Client: NewClient(c)}, "")
		wantError(t, err, nil, host)
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
			t.Errorf("%s: %v is no *tls.CertificateVerificationError", host, err)
		}
		var ok bool
		switch host {
		case "wrong.example":
			_, ok = errors.AsType[x509.HostnameError](err)
		case "unknown.example":
			_, ok = errors.AsType[x509.UnknownAuthorityError](err)
		default:
			var invalid x509.CertificateInvalidError
			invalid, ok = errors.AsType[x509.CertificateInvalidError](err)
			ok = ok && invalid.Reason == x509.Expired
		}
		if !ok || s.Count("/l.txt") != 0 {
			t.Errorf("%s: %v; %d requests", host, err, s.Count("/l.txt"))
		}
	}
}

// TestHTTPCloseEarly: whoever has read enough closes the connection.
func TestHTTPCloseEarly(t *testing.T) {
	s := sourcetest.New(t)
	s.Set("/l.txt", sourcetest.Reply{Body: []byte("badsite.example\n"), Fault: sourcetest.Endless})
	for _, u := range []string{s.URL("/l.txt"), s.Plain("/l.txt")} {
		body, err := HTTP{URL: u, Client: NewClient(lanClient(s))}.Open(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := body.Read(make([]byte, 10)); err != nil {
			t.Error(err)
		}
		body.Close()
		s.WaitClosed()
		if n, err := body.Read(make([]byte, 1<<20)); err == nil && n == 1<<20 {
			t.Error("A closed body goes on")
		}
	}
}

func TestSmall(t *testing.T) {
	s := sourcetest.New(t)
	client := NewClient(lanClient(s))
	get := func(limit int64, r sourcetest.Reply) ([]byte, error) {
		s.Set("/l.txt.minisig", r)
		defer s.WaitClosed()
		return client.ReadFile(t.Context(), s.URL("/l.txt.minisig"), limit)
	}
	signature := []byte("untrusted comment: …\n")
	limit := int64(len(signature))
	for _, contentType := range []string{"", "text/plain", "application/json", "application/pgp-signature"} {
		got, err := get(limit, sourcetest.Reply{Body: signature, Header: http.Header{"Content-Type": {contentType}}})
		if !bytes.Equal(got, signature) || err != nil {
			t.Errorf("%s: %q, %v", contentType, got, err)
		}
	}
	_, err := get(limit-1, sourcetest.Reply{Body: signature})
	wantError(t, err, ErrTooLarge, "l.txt.minisig: is too large")
	_, err = get(limit, sourcetest.Reply{Body: signature, Fault: sourcetest.Endless})
	wantError(t, err, ErrTooLarge, "l.txt.minisig: is too large")
	_, err = get(limit, sourcetest.Reply{Body: signature, Header: http.Header{"Content-Type": {"text/html"}}})
	wantError(t, err, ErrContent, "text/html")
	_, err = get(limit, sourcetest.Reply{Status: 404})
	wantError(t, err, ErrStatus, "404")
	_, err = get(limit, sourcetest.Redirect("http://lists.example/"))
	wantError(t, err, ErrRedirect, "to http://lists.example/")
}
