package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/sys/unix"
)

// TestBrowserOverHTTPS has Chromium ask us over HTTPS and nobody else, as the
// policy of a school has it: it does not find a listed name, and loads another one.
// A policy is part of the system, so that is in a network and with mounts apart.
func TestBrowserOverHTTPS(t *testing.T) {
	if os.Getenv(apart) == "" {
		policies(t)
		t.Parallel()
		rerunApart(t)
		return
	}
	settle(t)
	if err := unix.Mount("tmpfs", policies(t), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	serveSite(t)
	e := newEveryTransport(t, "443")
	for method, parameter := range map[string]string{"GET": "{?dns}", "POST": ""} {
		t.Run(method, func(t *testing.T) {
			e.setPolicy(t, "https://127.0.0.1/dns-query"+parameter)
			b := newBrowser(t, "http://www.free.example", true)
			b.open(t, "/")
			if got := eval[string](t, b, `document.body.innerText`); got != "here is www.free.example" {
				t.Errorf("A name that is not listed shows %q", got)
			}
			for _, host := range []string{"blocked.example", "www.blocked.example"} {
				b.findsNothing(t, "http://"+host+"/")
				b.findsNothing(t, "https://"+host+"/")
			}
		})
	}
}

// policies returns the folder that the browser takes its policies from.
func policies(t *testing.T) string {
	t.Helper()
	dirs := map[string]string{"chromium": "/etc/chromium", "chromium-browser": "/etc/chromium", "google-chrome": "/etc/opt/chrome"}
	dir := dirs[filepath.Base(chromium(t))]
	if _, err := os.Stat(dir); err != nil {
		lacking(t, dir)
	}
	return dir
}

// setPolicy has browsers that start from now on ask us alone, and trust our
// authority.
func (e *everyTransport) setPolicy(t *testing.T, template string) {
	t.Helper()
	policy, err := json.Marshal(map[string]any{
		"DnsOverHttpsMode":      "secure",
		"DnsOverHttpsTemplates": template,
		"CACertificates":        []string{base64.StdEncoding.EncodeToString(e.root.cert.Raw)},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(policies(t), "policies", "managed")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "resolver.json"), policy, 0o644); err != nil {
		t.Fatal(err)
	}
}

// serveSite serves a site at 127.0.0.1, port 80.
func serveSite(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	site := &http.Server{Handler: http.HandlerFunc(showHost)}
	go site.Serve(l)
	t.Cleanup(func() { site.Close() })
}

// findsNothing goes to an address whose host the browser does not find.
func (b *browser) findsNothing(t *testing.T, url string) {
	t.Helper()
	b.mayGo(url)
	defer b.mayGo("")
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Navigate(url))
	failed := new(chromedp.LoadError)
	if !errors.As(err, &failed) || failed.ErrorText != "net::ERR_NAME_NOT_RESOLVED" {
		t.Errorf("%s: %v", url, err)
		return
	}
	t.Logf("%s: %s", url, failed.ErrorText)
}
