package sinkhole

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nonudify/nonudify/plugin/policy"
)

// fakePage is a page that shows what it was asked for.
type fakePage struct {
	asked atomic.Pointer[Wish] // the last
	size  int                  // of the page, filled up; 0: as it comes
}

const fakePolicy = "default-src 'none'; style-src 'sha256-x'; frame-ancestors 'none'"

func (p *fakePage) Render(w Wish) ([]byte, string) {
	p.asked.Store(&w)
	language := "en"
	if strings.HasPrefix(w.Accepted, "de") || w.Language == "de" {
		language = "de"
	}
	country := w.Country
	if len(country) != 2 { // not one that a page could know
		country = ""
	}
	html := fmt.Sprintf("<!doctype html><html lang=%q><title>Help</title>%v own=%v country=%s", language, w.Reason, w.Own, country)
	return []byte(html + strings.Repeat(".", max(0, p.size-len(html)))), language
}

func (*fakePage) ContentSecurityPolicy() string { return fakePolicy }

func (*fakePage) Problem(w Wish) (title, detail, language string) {
	return "This page is blocked", "Blocked: " + w.Reason.String() + ` "<`, "en"
}

// browser is what browsers accept for a page.
const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

// askHandler sends a request with fields of its header in turn name and value.
func askHandler(t *testing.T, h http.Handler, method, target string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func parseURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// forbidden are fields that would stick to an origin that belongs to somebody
// else, that lead away from it, or that name the server.
var forbidden = []string{
	"Set-Cookie", "Strict-Transport-Security", "Alt-Svc", "Report-To", "Nel", "Reporting-Endpoints", "Public-Key-Pins",
	"Public-Key-Pins-Report-Only", "Service-Worker-Allowed", "Location", "Refresh", "Etag", "Last-Modified", "Expires", "Age", "Server", "X-Powered-By",
	"Clear-Site-Data", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Accept-Ch", "Critical-Ch", "Origin-Agent-Cluster",
	"Expect-Ct", "Content-Disposition", "Www-Authenticate", "Proxy-Authenticate", "Retry-After", "Upgrade",
}

// common are the fields of every reply.
var common = http.Header{
	"Cache-Control":              {"no-store"},
	"Content-Security-Policy":    {fakePolicy},
	"Referrer-Policy":            {"no-referrer"},
	"X-Content-Type-Options":     {"nosniff"},
	"Permissions-Policy":         {"camera=(), microphone=(), geolocation=()"},
	"Cross-Origin-Opener-Policy": {"same-origin"},
	"Vary":                       {"Accept, Accept-Language, Sec-Fetch-Dest"},
}

// checkHeader checks that a reply has exactly the common fields and some more.
func checkHeader(t *testing.T, got http.Header, more ...string) {
	t.Helper()
	want := maps.Clone(common)
	for i := 0; i < len(more); i += 2 {
		want[more[i]] = []string{more[i+1]}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("%s: %q, want %q", name, got[name], want[name])
		}
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("%s: %q is sent", name, got[name])
		}
	}
	for _, name := range forbidden {
		if got[name] != nil {
			t.Errorf("%s: %q is forbidden", name, got[name])
		}
	}
}

func TestHandlerPage(t *testing.T) {
	h := NewHandler(HandlerConfig{Page: new(fakePage)})
	for _, dest := range []string{"", "document", "iframe"} {
		got := askHandler(t, h, "GET", "http://blocked.example/a/b?c=d", "Accept", browser, "Accept-Language", "de-AT,de;q=0.9", "Sec-Fetch-Dest", dest)
		const want = `<!doctype html><html lang="de"><title>Help</title>filtered own=false country=`
		if got.Code != http.StatusForbidden || got.Body.String() != want {
			t.Errorf("%s: status %d, page %s", dest, got.Code, got.Body)
		}
		checkHeader(t, got.Result().Header, "Content-Type", "text/html; charset=utf-8", "Content-Language", "de", "Content-Length", fmt.Sprint(len(want)), "X-Robots-Tag", "noindex, nofollow")
	}
}

// TestHandlerStatus: the status depends on nothing but the reason.
func TestHandlerStatus(t *testing.T) {
	for _, tt := range []struct {
		reason policy.Reason
		want   int
	}{{policy.Filtered, 403}, {policy.Blocked, 403}, {policy.Censored, 451}} {
		h := NewHandler(HandlerConfig{Page: new(fakePage), Reason: func(string) policy.Reason { return tt.reason }})
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "get"} {
			for _, path := range []string{"/", "/robots.txt", "/favicon.ico", "/.well-known/security.txt", "/x.js", "//", "/%00", "/?lang=de"} {
				for _, accept := range []string{browser, "*/*", "application/json", ""} {
					if got := askHandler(t, h, method, "http://blocked.example"+path, "Accept", accept); got.Code != tt.want {
						t.Errorf("%v: %s %s: status %d, want %d", tt.reason, method, path, got.Code, tt.want)
					}
				}
			}
		}
	}
}

// TestHandlerEmpty: nothing to read for those who do not read pages.
func TestHandlerEmpty(t *testing.T) {
	h := NewHandler(HandlerConfig{Page: new(fakePage)})
	for _, tt := range []struct {
		method, path string
		fields       []string
	}{
		{"GET", "/", nil},
		{"GET", "/", []string{"Accept", "*/*"}},
		{"GET", "/", []string{"Accept", "text/*"}},
		{"GET", "/", []string{"Accept", "image/avif,image/webp,*/*;q=0.8"}},
		{"GET", "/", []string{"Accept", "text/html;q=0"}},
		{"GET", "/", []string{"Accept", "text/html;q=x"}},
		{"GET", "/", []string{"Accept", "text/htmlx, xtext/html"}},
		{"GET", "/", []string{"Accept", browser, "Sec-Fetch-Dest", "script"}},
		{"GET", "/", []string{"Accept", browser, "Sec-Fetch-Dest", "empty"}},
		{"GET", "/", []string{"Accept", browser, "Sec-Fetch-Dest", "image"}},
		{"GET", "/", []string{"Accept", browser, "Sec-Fetch-Dest", "worker"}},
		{"GET", "/robots.txt", []string{"Accept", browser}},
		{"GET", "/favicon.ico", []string{"Accept", browser}},
		{"GET", "/favicon.ico", []string{"Accept", "application/json"}},
		{"POST", "/", []string{"Accept", browser}},
		{"POST", "/", []string{"Accept", "application/json"}},
		{"OPTIONS", "/", []string{"Accept", browser, "Origin", "https://other.example", "Access-Control-Request-Method", "PUT"}},
	} {
		got := askHandler(t, h, tt.method, "http://blocked.example"+tt.path, tt.fields...)
		if got.Body.Len() > 0 || got.Code != http.StatusForbidden {
			t.Errorf("%s %s %q: status %d, body %q", tt.method, tt.path, tt.fields, got.Code, got.Body)
		}
		checkHeader(t, got.Result().Header, "Content-Length", "0", "X-Robots-Tag", "noindex, nofollow")
	}
}

// TestHandlerHead: the same header as GET, and no body.
func TestHandlerHead(t *testing.T) {
	h := NewHandler(HandlerConfig{Page: new(fakePage), Help: parseURL(t, "https://help.example/")})
	for _, target := range []string{"http://blocked.example/", "http://help.example/", "http://help.example/robots.txt", "http://help.example/x", "http://blocked.example/x"} {
		for _, accept := range []string{browser, "application/json", "*/*"} {
			get, head := askHandler(t, h, "GET", target, "Accept", accept), askHandler(t, h, "HEAD", target, "Accept", accept)
			if head.Body.Len() > 0 || head.Code != get.Code || !maps.EqualFunc(head.Result().Header, get.Result().Header, slices.Equal) {
				t.Errorf("%s for %s: HEAD gets %d %v with %d bytes, GET %d %v", target, accept, head.Code, head.Result().Header, head.Body.Len(), get.Code, get.Result().Header)
			}
		}
	}
}

func TestHandlerProblem(t *testing.T) {
	h := NewHandler(HandlerConfig{Page: new(fakePage), Reason: func(string) policy.Reason { return policy.Censored }})
	for _, tt := range []struct {
		accept string
		want   bool
	}{
		{"application/problem+json", true},
		{"application/json", true},
		{"application/json, text/plain, */*", true},
		{"Application/JSON ; Q=0.5, text/html;q=0.4", true},
		{"text/plain, application/json;q=0.1", true},
		{"application/json, text/html", false},
		{"application/json;q=0.3, text/html;q=0.4", false},
		{"application/json;q=2, text/html", false},
		{"application/json;q=NaN", false},
		{"application/json;q=0", false},
	} {
		got := askHandler(t, h, "GET", "http://blocked.example/secret?q=secret", "Accept", tt.accept)
		if isProblem := got.Result().Header.Get("Content-Type") == "application/problem+json"; isProblem != tt.want {
			t.Errorf("%s: a problem is %v, want %v", tt.accept, isProblem, tt.want)
			continue
		} else if !isProblem {
			continue
		}
		var members map[string]any
		if err := json.Unmarshal(got.Body.Bytes(), &members); err != nil {
			t.Fatalf("%v: %s", err, got.Body)
		}
		want := map[string]any{"type": "about:blank", "title": "This page is blocked", "status": 451.0, "detail": `Blocked: censored "<`}
		if !maps.Equal(members, want) || got.Code != 451 {
			t.Errorf("Status %d, members %v", got.Code, members)
		}
		checkHeader(t, got.Result().Header, "Content-Type", "application/problem+json", "Content-Language", "en", "Content-Length", fmt.Sprint(got.Body.Len()), "X-Robots-Tag", "noindex, nofollow")
	}
}

// TestHandlerLink: who blocks by law is named (RFC 7725 §4), and only then.
func TestHandlerLink(t *testing.T) {
	for _, tt := range []struct{ help, contact, want string }{
		{"https://help.example/why", "mailto:a@b.example", `<https://help.example/why>; rel="blocked-by"`},
		{"", "mailto:a@b.example?subject=a%20b", `<mailto:a@b.example?subject=a%20b>; rel="blocked-by"`},
		{"", "mailto:a@b.example>,\" é\r\n", `<mailto:a@b.example%3E,%22%20%C3%A9%0D%0A>; rel="blocked-by"`},
		{"https://user:secret@help.example/%3E;%22?a=>", "", `<https://help.example/%3E;%22?a=%3E>; rel="blocked-by"`},
		{"", "", ""},
	} {
		for _, reason := range []policy.Reason{policy.Filtered, policy.Blocked, policy.Censored} {
			c := HandlerConfig{Page: new(fakePage), Contact: tt.contact, Reason: func(string) policy.Reason { return reason }}
			if tt.help != "" {
				c.Help = parseURL(t, tt.help)
			}
			h := NewHandler(c)
			for _, accept := range []string{browser, "application/json", "*/*"} {
				want := tt.want
				if reason != policy.Censored {
					want = ""
				}
				if got := askHandler(t, h, "GET", "http://blocked.example/", "Accept", accept).Result().Header.Get("Link"); got != want {
					t.Errorf("%+v, %v: Link: %s, want %s", tt, reason, got, want)
				}
			}
		}
	}
}

func TestHandlerOwn(t *testing.T) {
	h := NewHandler(HandlerConfig{Page: new(fakePage), Help: parseURL(t, "https://Help.Example:8443/nudify-help/"), Reason: func(string) policy.Reason { return policy.Censored }})
	for _, tt := range []struct {
		method, host, path, accept string
		status                     int
		body, contentType, allow   string
	}{
		{"GET", "help.example", "/", browser, 200, "own=true", "text/html; charset=utf-8", ""},
		{"GET", "HELP.example.:80", "/", "*/*", 200, "own=true", "text/html; charset=utf-8", ""},
		{"GET", "help.example:8443", "/nudify-help", "", 200, "own=true", "text/html; charset=utf-8", ""},
		{"GET", "help.example", "/nudify-help/?country=AT", "application/json", 200, "country=AT", "text/html; charset=utf-8", ""},
		{"GET", "help.example", "/old", browser, 404, "own=true", "text/html; charset=utf-8", ""},
		{"GET", "help.example", "/favicon.ico", browser, 404, "", "", ""},
		{"GET", "help.example", "/x.js", "*/*", 404, "", "", ""},
		{"GET", "help.example", "/robots.txt", "*/*", 200, "Allow: /\n", "text/plain; charset=utf-8", ""},
		{"HEAD", "help.example", "/", browser, 200, "", "text/html; charset=utf-8", ""},
		{"POST", "help.example", "/", browser, 405, "", "", "GET, HEAD"},
		{"OPTIONS", "help.example", "/", browser, 405, "", "", "GET, HEAD"},
		{"DELETE", "help.example", "/robots.txt", "", 405, "", "", "GET, HEAD"},
		{"GET", "blocked.example", "/nudify-help", browser, 451, "own=false", "text/html; charset=utf-8", ""},
		{"GET", "help.example.blocked.example", "/", browser, 451, "own=false", "text/html; charset=utf-8", ""},
		{"GET", "nothelp.example", "/", browser, 451, "own=false", "text/html; charset=utf-8", ""},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		r.Host = tt.host
		r.Header.Set("Accept", tt.accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || tt.body == "" && w.Body.Len() > 0 {
			t.Errorf("%s %s%s: status %d, body %q", tt.method, tt.host, tt.path, w.Code, w.Body)
		}
		if strings.HasPrefix(strings.ToLower(tt.host), "help.example") && tt.status != 451 {
			more := []string{"Content-Length", w.Result().Header.Get("Content-Length")}
			if tt.contentType != "" {
				more = append(more, "Content-Type", tt.contentType)
			}
			if strings.HasPrefix(tt.contentType, "text/html") {
				more = append(more, "Content-Language", "en")
			}
			if tt.allow != "" {
				more = append(more, "Allow", tt.allow)
			}
			checkHeader(t, w.Result().Header, more...) // and so neither X-Robots-Tag nor Link
		}
	}
}

// TestHandlerAllOwn: where every host is the operator's own, none is blocked.
func TestHandlerAllOwn(t *testing.T) {
	for _, c := range []HandlerConfig{{}, {Help: parseURL(t, "https://help.example/why")}} {
		c.Page, c.Own, c.Reason = new(fakePage), true, func(string) policy.Reason { return policy.Censored }
		h := NewHandler(c)
		for path, want := range map[string]int{"/": 200, "/robots.txt": 200, "/why": 404, "/x": 404} {
			if path == "/why" && c.Help != nil {
				want = 200
			}
			got := askHandler(t, h, "GET", "http://blocked.example"+path, "Accept", browser)
			if got.Code != want || path != "/robots.txt" && !strings.Contains(got.Body.String(), "own=true") {
				t.Errorf("%v, %s: status %d, body %q", c.Help, path, got.Code, got.Body)
			}
		}
	}
}

// TestHandlerWithoutOwn: without an address of his own the operator's page is
// nowhere, whatever host is sent.
func TestHandlerWithoutOwn(t *testing.T) {
	h := NewHandler(HandlerConfig{Page: new(fakePage)})
	for _, host := range []string{"", ".", ":", ":80", "[]", "[", "]:", strings.Repeat("x", 5000), "<script>"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 403 {
			t.Errorf("Host %.20q: status %d", host, w.Code)
		}
	}
}

func TestHostOf(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"a.example":              "a.example",
		"A.Example.":             "a.example",
		"a.example:80":           "a.example",
		"a.example.:8080":        "a.example",
		"192.0.2.1:80":           "192.0.2.1",
		"[2001:DB8::0:1]:80":     "2001:db8::1",
		"[2001:db8::1]":          "2001:db8::1",
		"[fe80::1%eth0]:80":      "fe80::1%eth0",
		":80":                    "",
		strings.Repeat("a", 260): strings.Repeat("a", 260),
		strings.Repeat("a", 261): "",
		"a.example:80:90":        "a.example:80",
		"<script>\x00.EXAMPLE:":  "<script>\x00.example",
	} {
		if got := hostOf(in); got != want {
			t.Errorf("hostOf(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestHandlerReason: the host is judged without its port, and nothing of it
// gets to the page.
func TestHandlerReason(t *testing.T) {
	var asked string
	fake := new(fakePage)
	h := NewHandler(HandlerConfig{Page: fake, Reason: func(host string) policy.Reason {
		asked = host
		if host == "law.example" {
			return policy.Censored
		}
		return policy.Blocked
	}})
	got := askHandler(t, h, "GET", "http://LAW.example.:8080/path", "Accept", browser, "Accept-Language", "fr", "Cookie", "a=b", "Referer", "http://other.example/", "User-Agent", "x")
	if got.Code != 451 || asked != "law.example" || !strings.Contains(got.Body.String(), "censored") {
		t.Errorf("Status %d, asked for %q, page %s", got.Code, asked, got.Body)
	}
	if w := *fake.asked.Load(); w != (Wish{Accepted: "fr", Reason: policy.Censored}) {
		t.Errorf("The page gets %+v", w)
	}
	if got := askHandler(t, h, "GET", "http://other.example/", "Accept", browser); got.Code != 403 || asked != "other.example" {
		t.Errorf("Status %d, asked for %q", got.Code, asked)
	}
}

// TestHandlerBounds: what is longer than any browser sends is as if it were not
// there.
func TestHandlerBounds(t *testing.T) {
	h := NewHandler(HandlerConfig{Page: new(fakePage)})
	pad := func(s string, n int) string { return s + strings.Repeat("x", n-len(s)) }
	for _, tt := range []struct {
		query, languages, want string
	}{
		{"lang=de", "", "de"},
		{pad("lang=de&x=", maxQuery), "", "de"},
		{pad("lang=de&x=", maxQuery+1), "", "en"},
		{"%zz&lang=de", "", "de"},
		{"lang=en&lang=de", "", "en"},
		{"", pad("de,", maxLanguages), "de"},
		{"", pad("de,", maxLanguages+1), "en"},
	} {
		got := askHandler(t, h, "GET", "http://blocked.example/?"+tt.query, "Accept", browser, "Accept-Language", tt.languages)
		if language := got.Result().Header.Get("Content-Language"); language != tt.want {
			t.Errorf("Query %.20s, languages %.20s: %s, want %s", tt.query, tt.languages, language, tt.want)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	h := NewHandler(HandlerConfig{Page: &fakePage{size: 30_000}})
	r := httptest.NewRequest("GET", "http://blocked.example/", nil)
	r.Header.Set("Accept", browser)
	r.Header.Set("Accept-Language", "de-AT,de;q=0.9,en;q=0.8")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			b.Fatal(w.Code)
		}
	}
}
