//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// webServer is a web server for which the page has settings.
type webServer struct {
	settings string
	program  string
	modules  string // a directory that must be there, too
	config   string // that includes the settings; {dir} is that of the test, {addr} the address
	args     []string
}

var webServers = []webServer{
	{
		settings: "nginx.conf", program: "nginx",
		config: "daemon off; master_process off; pid {dir}/pid; error_log {dir}/errors;\nevents {}\nhttp {\n" +
			"client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3; uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;\n" +
			"access_log {dir}/access;\ninclude {dir}/settings;\n}\n",
		args: []string{"-e", "{dir}/errors", "-c", "{dir}/config"},
	},
	{
		settings: "apache.conf", program: "apache2", modules: "/usr/lib/apache2/modules",
		config: "ServerRoot {dir}\nDefaultRuntimeDir {dir}\nPidFile {dir}/pid\nListen {addr}\nListen {secure}\nServerName other.invalid\nErrorLog {dir}/errors\n" +
			"LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n" +
			"LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n" +
			"LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so\n" +
			"LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so\n" +
			"LoadModule setenvif_module /usr/lib/apache2/modules/mod_setenvif.so\n" +
			"LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so\n" +
			"LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\n" +
			"User www-data\nGroup www-data\nLogFormat %h all\nCustomLog {dir}/access all\nInclude {dir}/settings\n",
		args: []string{"-D", "FOREGROUND", "-f", "{dir}/config"},
	},
	{
		settings: "Caddyfile", program: "caddy",
		config: "{\n\tadmin off\n\tauto_https off\n}\nimport {dir}/settings\n",
		args:   []string{"run", "--adapter", "caddyfile", "--config", "{dir}/config"},
	},
}

// start serves the page with the settings that were written for the server, and
// returns its address at http. At https it is secure.
func (s webServer) start(t *testing.T, www, secure string) (addr string) {
	t.Helper()
	_, missing := exec.LookPath(s.program)
	if _, err := os.Stat(s.modules); missing == nil && s.modules != "" {
		missing = err
	}
	if missing != nil {
		t.Skipf("its settings are not tried: %v", missing)
	}
	addr = freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	_, securePort, _ := net.SplitHostPort(secure)
	settings, err := os.ReadFile(filepath.Join(www, s.settings))
	if err != nil {
		t.Fatal(err)
	}
	dir := publicDir(t)
	fill := strings.NewReplacer("{dir}", dir, "{addr}", addr, "{secure}", secure)
	for name, text := range map[string]string{
		"settings": strings.NewReplacer("127.0.0.1:80", addr, "http:// {", "http://:"+port+" {",
			"http://help.isp.example {", "http://help.isp.example:"+port+" {",
			"https://help.isp.example:"+securePort+" {", "https://help.isp.example:"+securePort+" {\n\tbind 127.0.0.1",
			"    listen "+securePort+" ssl;\n", "", "    listen [::]:"+securePort+" ssl;\n", "", // loopback is enough
		).Replace(string(settings)),
		"config": fill.Replace(s.config),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var args []string
	for _, a := range s.args {
		args = append(args, fill.Replace(a))
	}
	s.run(t, addr, dir, args)
	return addr
}

// run runs the server until the end of the test, and returns when it can be reached.
func (s webServer) run(t *testing.T, addr, dir string, args []string) {
	t.Helper()
	cmd := exec.Command(s.program, args...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended by itself
		<-ended
	})
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	late := time.After(30 * time.Second)
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s: %v: %s", s.program, err, out.String())
		case <-late:
			t.Fatalf("%s takes no connection", s.program)
		case <-again.C:
		}
	}
}

// freeAddr returns an address that nothing listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// writeCertificate writes the certificate of the operator's own address and its key
// into these files.
func writeCertificate(t *testing.T, certificate, private string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"help.isp.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, private: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// publicDir is a directory that the user of a web server can read.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nonudify")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestPageServers serves the files with each web server that is installed, by the
// settings that were written for it.
func TestPageServers(t *testing.T) {
	secure := freeAddr(t)
	_, port, _ := net.SplitHostPort(secure)
	help := "https://help.isp.example:" + port + "/"
	certificate := filepath.Join(publicDir(t), "page.pem")
	writeCertificate(t, certificate, certificate+".key")
	for reason, status := range map[string]int{"blocked": 403, "censored": 451} {
		conf := write(t, "Corefile", fmt.Sprintf(".:53 {\n nonudify {\n action sinkhole 127.0.0.1\n reason %s\n language fr\n help %s\n }\n}\n", reason, help))
		www := publicDir(t)
		if code, _, stderr := tool(t, nil, "page", "-conf", conf, "-o", www, "-certificate", certificate, "-key", certificate+".key"); code != fine {
			t.Fatal(stderr)
		}
		for _, s := range webServers {
			t.Run(s.program+" "+reason, func(t *testing.T) {
				addr := s.start(t, www, secure)
				askWebServer(t, addr, status, help)
				askRedirect(t, addr, help)
				askSecure(t, secure)
			})
		}
	}
}

// askWebServer holds that a server answers as the program would.
func askWebServer(t *testing.T, addr string, status int, help string) {
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, test := range []struct {
		method, path, accept, languages, dest string
		want                                  string // the language of the page; "" for an empty body
	}{
		{"GET", "/", browser, "", "", "fr"},
		{"GET", "/", browser, "tlh", "document", "fr"},
		{"GET", "/a/b?c=d", browser, "de-AT,de;q=0.9,en;q=0.8", "document", "de"},
		{"GET", "/", browser, "tlh, EN-gb;q=0.7,de", "iframe", "en"},
		{"GET", "/", browser, "zh-hk,en", "", "zh-Hant"},
		{"GET", "/", browser, "pt-br,pt", "", "pt-BR"},
		{"GET", "/", browser, "nn", "", "nb"},
		{"GET", "/a/ar.html?b", browser, "de", "", "ar"},
		{"GET", "/ar.htm", browser, "de", "", "de"},
		{"GET", "/nothing", browser, "de", "", "de"},
		{"GET", "/index.html", browser, "de", "", "fr"},
		{"HEAD", "/", browser, "de", "", "de"},
		{"POST", "/", browser, "de", "", ""},
		{"OPTIONS", "/", browser, "de", "", ""},
		{"GET", "/de.html", browser, "de", "image", ""},
		{"GET", "/app.js", "*/*", "de", "", ""},
		{"GET", "/robots.txt", "text/plain", "", "", ""},
	} {
		q, err := http.NewRequest(test.method, "http://"+addr+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Host = "blocked.example"
		for name, value := range map[string]string{"Accept": test.accept, "Accept-Language": test.languages, "Sec-Fetch-Dest": test.dest,
			"If-None-Match": "*", "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT", "Range": "bytes=0-9"} {
			if value != "" {
				q.Header.Set(name, value)
			}
		}
		r, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		page := test.want != "" && test.method != http.MethodHead
		if r.StatusCode != status || page != strings.Contains(string(body), `<html lang="`+test.want+`"`) || !page && len(body) > 0 {
			t.Errorf("%+v: status %d, %d bytes", test, r.StatusCode, len(body))
		}
		if test.want != "" && r.Header.Get("Content-Language") != test.want {
			t.Errorf("%+v: Content-Language %s", test, r.Header["Content-Language"])
		}
		checkHeader(t, r.Header, status, help)
	}
}

// askRedirect holds that the operator's own address leads to the page by http, and
// that no browser remembers it.
func askRedirect(t *testing.T, addr, help string) {
	t.Helper()
	for _, path := range []string{"/", "/a/b?c=d"} {
		q, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Host = "help.isp.example"
		r, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusFound || r.Header.Get("Location") != help || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s at http: status %d, %v", path, r.StatusCode, r.Header)
		}
	}
}

// askSecure holds that the page is at https for the operator's own name, and that no
// other gets a certificate.
func askSecure(t *testing.T, addr string) {
	t.Helper()
	for _, name := range []string{"help.isp.example", "blocked.example", ""} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			seen := 0
			c := &tls.Config{ServerName: name, InsecureSkipVerify: true, MaxVersion: version,
				VerifyConnection: func(s tls.ConnectionState) error { seen = len(s.PeerCertificates); return nil }}
			q, err := http.NewRequest(http.MethodGet, "https://"+addr+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			q.Host = name
			r, err := (&http.Transport{DisableKeepAlives: true, TLSClientConfig: c}).RoundTrip(q)
			if err == nil {
				r.Body.Close()
			}
			if own := name == "help.isp.example"; own != (seen > 0) || own != (err == nil) || own && r.StatusCode != http.StatusOK {
				t.Errorf("%q at https, version %x: %d certificates, %v, %v", name, version, seen, r, err)
			}
		}
	}
}

// checkHeader holds that a reply has the header fields of the page once, and none
// that outlives it.
func checkHeader(t *testing.T, header http.Header, status int, help string) {
	t.Helper()
	for name, want := range map[string]string{
		"Cache-Control":              "no-store",
		"Referrer-Policy":            "no-referrer",
		"X-Content-Type-Options":     "nosniff",
		"Permissions-Policy":         "camera=(), microphone=(), geolocation=()",
		"Cross-Origin-Opener-Policy": "same-origin",
		"X-Robots-Tag":               "noindex, nofollow",
		"Vary":                       "Accept,Accept-Language,Sec-Fetch-Dest",
		"Link":                       map[int]string{451: "<" + help + `>; rel="blocked-by"`}[status],
	} {
		got := header[name]
		if name == "Vary" { // Apache writes it without spaces
			got = []string{strings.ReplaceAll(strings.Join(got, ","), " ", "")}
		}
		if want == "" && got != nil || want != "" && (len(got) != 1 || got[0] != want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if !strings.HasPrefix(header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") {
		t.Errorf("Content-Security-Policy: %q", header["Content-Security-Policy"])
	}
	for _, name := range []string{"Set-Cookie", "Strict-Transport-Security", "Alt-Svc", "Report-To", "Nel", "Etag", "Last-Modified", "Location", "Content-Range"} {
		if header[name] != nil {
			t.Errorf("%s: %q", name, header[name])
		}
	}
}
