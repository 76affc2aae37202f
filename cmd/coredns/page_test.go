package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coredns/caddy"
)

// visitor is a browser that finds every host at one address.
func visitor(t *testing.T, address string, trusted *x509.CertPool) *http.Client {
	t.Helper()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		TLSClientConfig:   &tls.Config{RootCAs: trusted},
		DisableKeepAlives: true,
	}
	return &http.Client{Transport: transport, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// visit asks for a page as a browser does, and returns the status and the page.
func visit(c *http.Client, url string) (int, string, error) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	r.Header.Set("Accept-Language", "en-GB")
	response, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// TestPage leads a blocked name to the page, which tells who blocks and keeps the
// name to itself.
func TestPage(t *testing.T) {
	up, page := newUpstream(t), freeAddress(t)
	byLaw := filepath.Join(t.TempDir(), "court.txt")
	if err := os.WriteFile(byLaw, []byte("law.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := serve(t, up, "list builtin\nlist "+byLaw+" reason censored\nblock bad.example\nreason blocked\norganization \"Example School\"\ncontact mailto:it@school.example\n"+
		"action sinkhole 127.0.0.1\ncountry GB\npage "+page)
	if got := answer(s.ask("bad.example")); !strings.Contains(got, "a=127.0.0.1") {
		t.Errorf("a blocked name leads to %s", got)
	}
	browser := visitor(t, page, nil)
	for host, want := range map[string]int{"bad.example": 403, "www." + unsaid + ".bad.example": 403, "law.example": 451, "free.example": 403, "127.0.0.1": 403} {
		status, html, err := visit(browser, "http://"+host+"/secret?x=secret")
		if err != nil || status != want {
			t.Errorf("%s: status %d, %v, want %d", host, status, err, want)
		}
		for _, part := range []string{"Example School", "it@school.example", "https://www.childline.org.uk/", "It is not your fault"} {
			if !strings.Contains(html, part) {
				t.Errorf("%s: the page lacks %q", host, part)
			}
		}
		if strings.Contains(html, "secret") || strings.Contains(html, unsaid) {
			t.Errorf("%s: the page tells what was asked for", host)
		}
	}
}

// TestPageReloads asks for the page all the while a server is reloaded, with
// Corefiles that work and with some that do not.
func TestPageReloads(t *testing.T) {
	up, page := newUpstream(t), freeAddress(t)
	of := func(name string) string { return block(up, "list builtin\norganization \""+name+"\"\npage "+page) }
	bad := strings.Replace(of("Nobody"), "list builtin", "list /absent.txt", 1)
	s := serve(t, up, "list builtin\norganization \"First\"\npage "+page)
	end := hammer(t, page)
	for round := range 20 {
		name := fmt.Sprintf("Round %d", round)
		if err := s.reload(of(name)); err != nil {
			t.Fatal(err)
		}
		if err := s.reload(bad); err == nil {
			t.Fatal("a list that is absent was taken")
		}
		_, html, err := visit(visitor(t, page, nil), "http://bad.example/")
		if err != nil || !strings.Contains(html, name) {
			t.Errorf("after %s: %v, the page is another", name, err)
		}
	}
	if n := end(); n == 0 {
		t.Error("nobody asked")
	}
	if err := s.reload(block(up, "list builtin\npage off")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := visit(visitor(t, page, nil), "http://bad.example/"); err == nil {
		t.Error("the page is still there after a reload without it")
	}
}

// hammer asks for the page until the returned function is called, which returns
// how often. Each request must be answered.
func hammer(t *testing.T, page string) (end func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 4 {
		browser := visitor(t, page, nil)
		wait.Go(func() {
			for ctx.Err() == nil {
				status, html, err := visit(browser, "http://bad.example/")
				mu.Lock()
				n++
				mu.Unlock()
				if err != nil || status != 403 || !strings.Contains(html, "</html>") {
					t.Errorf("during reloads: status %d, %v", status, err)
					return
				}
			}
		})
	}
	return func() int { cancel(); wait.Wait(); return n }
}

// TestPageShared: directives whose pages say the same share an address; others
// do not, and the server says so instead of showing one to the clients of the
// other.
func TestPageShared(t *testing.T) {
	up := newUpstream(t)
	two := func(first, second string) string {
		page := freeAddress(t)
		return block(up, "page "+page+"\n"+first) + strings.Replace(block(up, "page "+page+"\n"+second), ".:0", "school.example:0", 1)
	}
	i := start(t, two("organization A", "organization A\nblock other.example"))
	stop(i)
	dir := t.TempDir()
	certA, keyA, _ := managed(t, dir)
	certB, keyB := filepath.Join(dir, "other.pem"), filepath.Join(dir, "other.key")
	for from, to := range map[string]string{certA: certB, keyA: keyB} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, pair := range [][2]string{
		{"organization A", "organization B"},
		{"contact tel:+15550100", ""},
		{"country DE", "country AT"},
		{"authority " + certA + " " + keyA, "authority " + certB + " " + keyB},
	} {
		corefile := two(pair[0], pair[1])
		if strings.HasPrefix(pair[0], "authority") {
			corefile = strings.ReplaceAll(corefile, "page ", "page https://")
		}
		_, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
		if err == nil || !strings.Contains(err.Error(), "another page is served there") {
			t.Errorf("%v: two pages at one address: %v", pair, err)
		}
	}
}

// TestPageSharedByGuests: those who manage their devices get the page at https,
// guests share the one at http with them.
func TestPageSharedByGuests(t *testing.T) {
	up, page, secure := newUpstream(t), freeAddress(t), freeAddress(t)
	cert, key, _ := managed(t, t.TempDir())
	guests := "organization A\npage " + page
	stop(start(t, block(up, guests+" https://"+secure+"\nauthority "+cert+" "+key)+strings.Replace(block(up, guests), ".:0", "school.example:0", 1)))
}

// TestPageLinksStay: no list can take from people what the page leads them to.
func TestPageLinksStay(t *testing.T) {
	up, own := newUpstream(t), filepath.Join(t.TempDir(), "own.txt")
	if err := os.WriteFile(own, []byte("DE | child | Our counsellor | | https://counsellor.school.example/\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const names = "block school.example isp.example"
	corefile := block(up, names+"\nhelplines "+own) + strings.Replace(block(up, "help https://help.isp.example/"), ".:0", "other.example:0", 1)
	s := &serving{t, start(t, corefile)}
	defer func() { stop(s.Instance) }()
	for name, want := range map[string]string{"counsellor.school.example": passes, "help.isp.example": passes, "www.isp.example": denies, "www.school.example": denies} {
		if got := answer(s.ask(name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestPageReminds tells of a number of the operator that is no longer shown.
func TestPageReminds(t *testing.T) {
	own := filepath.Join(t.TempDir(), "reminded.txt")
	if err := os.WriteFile(own, []byte("DE | child | Our counsellor | 030 123456 | | | 2020-11-01\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	serve(t, newUpstream(t), "page "+freeAddress(t)+"\nhelplines "+own)
	if got := logged.with("reminded.txt:1", "no longer shown since 2021-05-01"); len(got) != 1 {
		t.Errorf("the log says %q", got)
	}
}

// TestPageHelplinesMissing says where a file is named that is not there.
func TestPageHelplinesMissing(t *testing.T) {
	corefile := block(newUpstream(t), "country DE\nhelplines "+filepath.Join(t.TempDir(), "none.txt"))
	line := 1 + strings.Count(corefile[:strings.Index(corefile, "helplines")], "\n")
	_, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
	if want := fmt.Sprintf("Corefile:%d: helplines: ", line); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "none.txt") {
		t.Errorf("%v, want one with %q", err, want)
	}
}

// TestPageTaken says which address cannot be had.
func TestPageTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = caddy.Start(caddy.CaddyfileInput{Contents: []byte(block(newUpstream(t), "page "+l.Addr().String())), Filepath: "Corefile", ServerTypeName: "dns"})
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("an address in use: %v", err)
	}
}

// ca is a certificate authority of a test.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue has an authority sign a certificate, the first its own, and writes it and
// its key to files.
func (a *ca) issue(t *testing.T, dir, name string, template x509.Certificate) (certFile, keyFile string, issued *ca) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour)
	template.BasicConstraintsValid = true
	parent, signer := &template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", private)
	return certFile, keyFile, &ca{cert, key}
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// managed makes a root and the intermediate that docs/managed-ca.md describes.
func managed(t *testing.T, dir string) (certFile, keyFile string, trusted *x509.CertPool) {
	t.Helper()
	_, _, root := (*ca)(nil).issue(t, dir, "root", x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	certFile, keyFile, _ = root.issue(t, dir, "page", x509.Certificate{
		IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true,
		ExcludedDNSDomains:          []string{"school.example", "bank.example"},
		PermittedEmailAddresses:     []string{".invalid"},
		ExcludedIPRanges:            []*net.IPNet{{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, {IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}},
	})
	trusted = x509.NewCertPool()
	trusted.AddCert(root.cert)
	return certFile, keyFile, trusted
}

// TestPageManaged: a device that trusts the school's authority sees the page at
// https, for names that are blocked now, and for no other.
func TestPageManaged(t *testing.T) {
	up, page := newUpstream(t), freeAddress(t)
	cert, key, trusted := managed(t, t.TempDir())
	body := "list builtin\nblock bad.example\nallow fine.bad.example\nreason blocked\norganization \"Example School\"\npage https://" + page + "\nauthority " + cert + " " + key
	s := serve(t, up, body)
	browser := visitor(t, page, trusted)
	if status, html, err := visit(browser, "https://www.bad.example/"); err != nil || status != 403 || !strings.Contains(html, "Example School") {
		t.Errorf("a blocked name: status %d, %v", status, err)
	}
	for _, host := range []string{"free.example", "fine.bad.example", "bank.example", "127.0.0.1"} {
		if status, _, err := visit(browser, "https://"+host+"/"); err == nil {
			t.Errorf("%s: status %d, want no handshake", host, status)
		}
	}
	var untrusted *tls.CertificateVerificationError
	if _, _, err := visit(visitor(t, page, x509.NewCertPool()), "https://bad.example/"); !errors.As(err, &untrusted) {
		t.Errorf("a device of a guest: %v", err)
	}
	if err := s.reload(block(up, strings.Replace(body, "block bad.example", "", 1))); err != nil {
		t.Fatal(err)
	}
	if status, _, err := visit(browser, "https://www.bad.example/"); err == nil {
		t.Errorf("a name that is no longer blocked: status %d, want no handshake", status)
	}
}

// TestPageManagedRefuses starts nothing with an authority that could vouch for
// everything.
func TestPageManagedRefuses(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := (*ca)(nil).issue(t, dir, "all", x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	body := "page https://" + freeAddress(t) + "\nauthority " + cert + " " + key
	_, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(block(newUpstream(t), body)), Filepath: "Corefile", ServerTypeName: "dns"})
	if err == nil || !strings.Contains(err.Error(), "all.pem") {
		t.Errorf("an unconstrained authority: %v", err)
	}
}

// TestPageOwn: at the operator's own address the page is a page like any other,
// with the certificate of the tls plugin, and no other name gets a handshake.
func TestPageOwn(t *testing.T) {
	dir, page := t.TempDir(), freeAddress(t)
	cert, key, own := (*ca)(nil).issue(t, dir, "help", x509.Certificate{DNSNames: []string{"help.isp.example"}})
	trusted := x509.NewCertPool()
	trusted.AddCert(own.cert)
	i := start(t, "tls://.:0 {\n bind 127.0.0.1\n tls "+cert+" "+key+"\n nonudify {\n block bad.example\n page https://"+page+"\n help https://help.isp.example/\n }\n}\n"+
		".:0 {\n bind 127.0.0.1\n nonudify\n}\n")
	defer stop(i)
	browser := visitor(t, page, trusted)
	status, html, err := visit(browser, "https://help.isp.example/")
	if err != nil || status != 200 || !strings.Contains(html, "Help and support") {
		t.Errorf("the operator's own address: status %d, %v", status, err)
	}
	if status, _, err := visit(browser, "https://bad.example/"); err == nil {
		t.Errorf("a blocked name: status %d, want no handshake", status)
	}
}

// TestPageWithoutCertificate says what is missing.
func TestPageWithoutCertificate(t *testing.T) {
	body := "page https://" + freeAddress(t) + "\nhelp https://help.isp.example/"
	_, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(block(newUpstream(t), body)), Filepath: "Corefile", ServerTypeName: "dns"})
	if err == nil || !strings.Contains(err.Error(), "add the tls plugin") {
		t.Errorf("no certificate: %v", err)
	}
}

// TestPageMetrics counts visits, and tells when an authority ends for as long as
// there is one.
func TestPageMetrics(t *testing.T) {
	up, page := newUpstream(t), freeAddress(t)
	cert, key, trusted := managed(t, t.TempDir())
	s := serve(t, up, "block bad.example\npage https://"+page+"\nauthority "+cert+" "+key)
	before := series(t)["coredns_nonudify_page_requests_total"]
	if _, _, err := visit(visitor(t, page, trusted), "https://bad.example/"); err != nil {
		t.Fatal(err)
	}
	after := series(t)
	if after["coredns_nonudify_page_requests_total"] <= before {
		t.Error("a visit is not counted")
	}
	const name = "coredns_nonudify_authority_expiry_timestamp_seconds"
	if end := time.Unix(int64(after[name]), 0); end.Before(time.Now().AddDate(0, 0, 29)) || end.After(time.Now().AddDate(0, 0, 31)) {
		t.Errorf("the authority ends on %v", end)
	}
	if err := s.reload(block(up, "block bad.example")); err != nil {
		t.Fatal(err)
	}
	if end, known := series(t)[name]; known {
		t.Errorf("without an authority one ends at %v", end)
	}
}
