//go:build unix

package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// everyTransport is our resolver on every transport that the clients here have.
type everyTransport struct {
	*process
	tls, https, quic string // ports
	caFile           string // of root, for --cacert
	root             *ca    // that its certificate is from
}

// newEveryTransport leads names that are not listed to 127.0.0.1; httpsPort may be
// "" for a free one.
func newEveryTransport(t *testing.T, httpsPort string) *everyTransport {
	t.Helper()
	dir := t.TempDir()
	e := &everyTransport{tls: freePort(t), https: httpsPort, quic: freePort(t)}
	if e.https == "" {
		e.https = freePort(t)
	}
	e.caFile, _, e.root = (*ca)(nil).issue(t, dir, "authority", x509.Certificate{IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	cert, key, _ := e.root.issue(t, dir, "resolver", x509.Certificate{
		DNSNames: []string{"dns.isp.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	corefile := filepath.Join(dir, "Corefile")
	text := fmt.Sprintf(`(rest) {
    bind 127.0.0.1
    nonudify {
        block blocked.example
        reason blocked
        contact mailto:dns@isp.example
    }
    template IN A free.example {
        answer "{{ .Name }} 60 IN A 127.0.0.1"
    }
    template IN ANY free.example
}
.:{$PORT} {
    import rest
}
tls://.:%s https://.:%s quic://.:%s {
    tls %s %s
    import rest
}
`, e.tls, e.https, e.quic, cert, key)
	if err := os.WriteFile(corefile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	e.process = run(t, corefile)
	return e
}

// clientQuestion is how a client asks, and what it must print for a listed name
// and for one that is not.
type clientQuestion struct {
	name   string // begins with the program
	args   string // NAME stands for the name that is asked for
	denied []string
	passed string
}

func (q clientQuestion) program() string {
	program, _, _ := strings.Cut(q.name, " ")
	return program
}

// questions returns what dig, kdig and delv are asked to do.
func (e *everyTransport) questions() []clientQuestion {
	const (
		nxdomain = `status: NXDOMAIN`
		soa      = `(?m)^blocked\.example\.\s+60\s+IN\s+SOA\s+blocked\.invalid\. dns\.isp\.example\.`
		blocked  = `EDE: 15 \(Blocked\): .This site is blocked`
		none     = `(?m)ADDITIONAL: 0$`
		address  = `(?m)^www\.free\.example\.\s+60\s+IN\s+A\s+127\.0\.0\.1`
	)
	dig := "@127.0.0.1 -p " + e.port
	secure := "+tls-ca=" + e.caFile + " +tls-hostname=dns.isp.example"
	return []clientQuestion{
		{"dig", dig + " NAME A", []string{nxdomain, soa, blocked}, address},
		{"dig +tcp", dig + " +tcp NAME A", []string{nxdomain, soa, blocked, `\(TCP\)`}, address},
		{"dig +dnssec", dig + " +dnssec NAME A", []string{nxdomain, soa, blocked, `flags: do;`}, address},
		{"dig +cdflag", dig + " +cdflag NAME A", []string{nxdomain, soa, blocked, `flags: qr rd ra cd;`}, address},
		{"dig +dnssec +cdflag", dig + " +dnssec +cdflag NAME A", []string{nxdomain, soa, blocked, `flags: qr rd ra cd;`, `flags: do;`}, address},
		{"dig +noedns", dig + " +noedns NAME A", []string{nxdomain, soa, none}, address},
		{"dig +ednsopt=26", dig + " +ednsopt=26 NAME A", []string{nxdomain, soa, `EDE: 15 \(Blocked\): \(\{"c":\["mailto:dns@isp\.example"\],"s":5,`}, address},
		{"dig +ednsopt=15:0000", dig + " +ednsopt=15:0000 NAME A", []string{nxdomain, soa, `EDE: 15 \(Blocked\): \(\{"c":\["mailto:dns@isp\.example"\],"s":5,`}, address},
		{"dig +bufsize=512", dig + " +bufsize=512 NAME A", []string{nxdomain, soa, blocked, `udp: 512`}, address},
		{"dig -t TYPE65", dig + " NAME -t TYPE65", []string{nxdomain, soa, blocked, `IN\s+HTTPS`}, `status: NOERROR`},
		{"delv -i", dig + " -i NAME A", []string{`ncache nxdomain`, `(?m)^; blocked\.example\. SOA blocked\.invalid\.`}, address},
		{"kdig", dig + " +edns NAME A", []string{nxdomain, soa, blocked}, address},
		{"kdig +tls", "@127.0.0.1 -p " + e.tls + " " + secure + " +edns NAME A", []string{nxdomain, soa, blocked, `TLS session`}, address},
		{"kdig +https", "@127.0.0.1 -p " + e.https + " +https=/dns-query " + secure + " +edns NAME A", []string{nxdomain, soa, blocked, `HTTP/2-POST.*status: 200`}, address},
		{"kdig +https-get", "@127.0.0.1 -p " + e.https + " +https=/dns-query +https-get " + secure + " +edns NAME A", []string{nxdomain, soa, blocked, `HTTP/2-GET.*status: 200`}, address},
		{"kdig +quic", "@127.0.0.1 -p " + e.quic + " +quic +edns NAME A", []string{nxdomain, soa, blocked, `QUIC session`}, address},
	}
}

// TestStubs asks with the clients that people debug with, over each transport and
// with each flag that could make a difference.
func TestStubs(t *testing.T) {
	t.Parallel()
	e := newEveryTransport(t, "")
	results := &table{}
	defer results.log(t)
	for _, q := range e.questions() {
		t.Run(q.name, func(t *testing.T) {
			if strings.Contains(q.args, "+quic") && !strings.Contains(client(t, "kdig", "-h"), "quic") {
				t.Skip("This kdig was built without QUIC")
			}
			denied, passed := stub(t, q, "www.blocked.example"), stub(t, q, "www.free.example")
			for _, want := range q.denied {
				if !regexp.MustCompile(want).MatchString(denied) {
					t.Errorf("%s is not in\n%s", want, denied)
				}
			}
			if !regexp.MustCompile(q.passed).MatchString(passed) {
				t.Errorf("%s is not in\n%s", q.passed, passed)
			}
			results.add("listed", q.name, inShort(denied))
			results.add("not listed", q.name, inShort(passed))
		})
	}
}

// inShort is what matters of what a client prints.
func inShort(out string) string {
	return strings.Join(regexp.MustCompile(`status: [A-Z]+|ncache \w+|EDE: \d+|\{"c"|\sA\s+[\d.]+`).FindAllString(out, -1), " ")
}

// stub runs a client. delv calls a denial a failure, so only what it prints counts.
func stub(t *testing.T, q clientQuestion, name string) string {
	t.Helper()
	args := strings.Fields(strings.Replace(q.args, "NAME", name, 1))
	if q.program() != "delv" {
		return client(t, q.program(), args...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, installed(t, q.program()), args...).CombinedOutput()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return string(out)
}

// showHost is a web site that shows by which host it was asked for.
func showHost(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "here is ", r.Host) }

// TestCurl: with DNS over HTTPS a listed name leads nowhere, another one to its
// server.
func TestCurl(t *testing.T) {
	t.Parallel()
	program := installed(t, "curl")
	e := newEveryTransport(t, "")
	site := httptest.NewServer(http.HandlerFunc(showHost))
	t.Cleanup(site.Close)
	_, port, _ := net.SplitHostPort(site.Listener.Addr().String())
	for _, tt := range []struct {
		host, want string
		code       int
	}{
		{"www.free.example:" + port, "here is www.free.example:" + port, 0},
		{"blocked.example:" + port, "", 6}, // could not resolve host
		{"www.blocked.example:" + port, "", 6},
	} {
		c := exec.CommandContext(t.Context(), program, "--silent", "--max-time", "60", "--noproxy", "*",
			"--cacert", e.caFile, "--doh-url", "https://127.0.0.1:"+e.https+"/dns-query", "http://"+tt.host+"/")
		out, err := c.Output()
		if c.ProcessState == nil {
			t.Fatal(err)
		}
		if got := c.ProcessState.ExitCode(); got != tt.code || string(out) != tt.want {
			t.Errorf("%s: ended with %d and %q, want %d and %q", tt.host, got, out, tt.code, tt.want)
		}
	}
}
