package status

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

var update = flag.Bool("update", false, "rewrite the golden file")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// specimen is a Report with something in every field.
func specimen() Report {
	hour := func(n int, counts ...Count) Hour { return Hour{noon.Add(time.Duration(n-3) * time.Hour), counts} }
	key := Key{"nudify", "filtered", "nxdomain"}
	return Report{
		Version: "nonudify devel, CoreDNS 1.15.0", Started: noon.Add(-3 * time.Hour),
		Servers: []Server{
			{
				Names: []string{".:53", "tls://.:853"}, Ready: true, Action: "nxdomain", Reason: "filtered", Lists: []string{"builtin", "nudify", "allow"},
				Organization: "Example School", Contacts: []string{"mailto:it@school.example?subject=x", "tel:+12025550143"}, Help: "https://help.school.example/", Bypass: []string{"canary", "doh"},
			},
			{
				Names: []string{".:53 (view guests)"}, Zones: []string{"example."}, Action: "shadow", Reason: "blocked", Lists: []string{"court"},
				Clients: []string{"192.0.2.0/24"}, Except: []string{"/etc/nonudify/staff.clients"}, Loggers: []string{"log"},
			},
		},
		Lists: []List{
			{Name: "builtin", Sources: []Source{{Kind: "builtin"}}, Here: true, Format: "domains", Serial: 2026112201, Entries: 100, Issued: noon.Add(-12 * time.Hour), Age: 43200, Success: noon.Add(-3 * time.Hour), Tried: noon.Add(-3 * time.Hour)},
			{
				Name: "nudify", Sources: []Source{{"https", "https://lists.example/nudify.txt"}, {"https", "https://mirror.example/nudify.txt"}}, Here: true, ID: "nudify.lists.example", Format: "domains",
				Serial: 2026112001, Entries: 5000, Refused: 3, Issued: noon.Add(-60 * time.Hour), Age: 216000, Expires: noon.Add(-time.Hour), Signed: true, MustBe: true, KeyID: "0123456789ABCDEF", Remote: true,
				Tried: noon.Add(-time.Minute), Success: noon.Add(-48 * time.Hour), Next: noon.Add(time.Minute), Cause: "status", Error: "https://lists.example/nudify.txt: 503 Service Unavailable",
				Unsaved: true, Unread: true, Filter: Filter{1000, 10, 2},
			},
			{Name: "court", Sources: []Source{{"axfr", "axfr://192.0.2.53/court.rpz"}}, Remote: true, Tried: noon, Cause: "network", Error: "no route to host"},
			{Name: "allow", Sources: []Source{{"file", "/etc/nonudify/allow.txt"}}, Here: true, Format: "domains", Entries: 2, Issued: noon.Add(-240 * time.Hour), Age: 864000},
		},
		Verdicts: Verdicts{Total: []Count{{key, 7}, {Key{"allow", "filtered", "pass"}, 1}}, Hours: []Hour{hour(0), hour(1, Count{key, 5}), hour(2, Count{key, 2}, Count{Key{"allow", "filtered", "pass"}, 1})}},
		HelpPage: HelpPage{Addresses: []string{"192.0.2.1:80"}, Requests: 12},
		Fronts:   []Front{{Server: "dns://:53", Open: true, Steered: true, Answered: 5, Passed: 100, Dropped: 1}, {Server: "dns://[::1]:53"}, {Server: "dns://192.0.2.1:53", Open: true}},
		Zones:    []Zone{{Origin: "nudify.rpz.", Serial: 7, Records: 10_200, LeftOut: 1, Unsaved: true}, {Origin: "court.rpz."}},
		Prefixes: []PrefixFile{{File: "/etc/nonudify/staff.clients", Prefixes: 3, Error: "line 2: no prefix"}},
		CertEnds: noon.Add(72 * time.Hour),
	}
}

// judged is what the specimen says of names.
func judged(name dnsname.Name) []Judgement {
	switch name {
	case "www.badsite.example":
		return []Judgement{
			{Server: ".:53", Verdict: Blocked, List: "nudify", Rule: "badsite.example", Reason: "filtered", Action: "nxdomain"},
			{Server: ".:53 (view guests)", Verdict: Blocked, List: "nudify", Rule: "badsite.example", Reason: "blocked", Action: "shadow"},
		}
	case "fine.example":
		return []Judgement{{Server: ".:53", Verdict: Passed, Why: "allow", List: "allow", Rule: "fine.example", Reason: "filtered"}, {Server: "x", Verdict: NotKnown}}
	case "nowhere.example":
		return nil
	}
	return []Judgement{{Server: ".:53", Verdict: NotListed}}
}

func newTestHandler(c Config) *Handler {
	c.Report, c.Check = specimen, judged
	c.Now = func() time.Time { return noon }
	return NewHandler(c)
}

// ask sends a request that was received at 127.0.0.1:8053; a header is NAME: VALUE.
func ask(h http.Handler, method, url string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8053}))
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const home = "http://127.0.0.1:8053"

// TestJSON holds the form of the report, which must stay as it is.
func TestJSON(t *testing.T) {
	const golden = "../../testdata/golden/status.json"
	w := ask(newTestHandler(Config{}), http.MethodGet, home+"/status.json")
	if *update {
		if err := os.WriteFile(golden, w.Body.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Body.Bytes(); w.Code != 200 || !bytes.Equal(got, want) || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("Status %d, %s", w.Code, got)
	}
}

// TestDocumented finds every field of the report in the manual, and every warning.
func TestDocumented(t *testing.T) {
	manual, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	r := specimen()
	r.Password = &PasswordUses{}
	words := slices.Clone(worst)
	for _, m := range regexp.MustCompile(`"(\w+)":`).FindAllSubmatch(marshal(r), -1) {
		words = append(words, string(m[1]))
	}
	for _, m := range regexp.MustCompile(`"(\w+)":`).FindAllSubmatch(marshal(checked{Verdicts: judged("fine.example")}), -1) {
		words = append(words, string(m[1]))
	}
	for _, word := range words {
		if !strings.Contains(string(manual), "`"+word+"`") {
			t.Errorf("docs/status.md does not have %s", word)
		}
	}
	if len(words) < 80 {
		t.Errorf("Only %d words", len(words))
	}
}

// TestPage looks for what a person must find.
func TestPage(t *testing.T) {
	page := ask(newTestHandler(Config{}), http.MethodGet, home+"/").Body.String()
	for _, part := range []string{
		"things need you", "List nudify: its publisher wanted it to be used no longer than 2026-11-22 11:00 UTC",
		"nonudify devel, CoreDNS 1.15.0. Running for 3 hours. As of 2026-11-22 12:00 UTC.",
		"2026112001, of 2026-11-20 00:00 UTC, 2 days old", "Signed with key 0123456789ABCDEF", "Part of this program.", "It is a file of your own.", "Not here yet",
		"5000, and 3 that are not used", "There is no query log", "Who asks for what, by log", "nudify: nxdomain (filtered)", "8 in all, 5 at most", `<rect x="460" y="0" width="8" height="100"/>`,
		"192.0.2.1:80, and was asked for 12 times", `<a href="mailto:it@school.example?subject=x">it@school.example</a>`, "&#43;12025550143", "serial 7, 10200 records", "Only 192.0.2.0/24. Not for /etc/nonudify/staff.clients.",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("The page lacks %q", part)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "All is well") {
		t.Error("The page has what it must not")
	}
	if t.Failed() {
		t.Log(page)
	}
}

// TestCheck asks for names as people write them.
func TestCheck(t *testing.T) {
	h := newTestHandler(Config{})
	for query, want := range map[string]string{
		"www.badsite.example":                   "www.badsite.example is blocked</h3>\n<p>On list nudify, as badsite.example. You, or who uses this network, asked for it. The answer is that there is no such name.</p>\n<p class=\"small\">At .:53.",
		"WWW.BadSite.Example.":                  "www.badsite.example is listed, and not blocked: this server only counts",
		"https://u@www.badsite.example:443/x?y": "www.badsite.example is blocked",
		"www.badsite.example/x":                 "www.badsite.example is blocked",
		"fine.example":                          "fine.example is let through</h3>\n<p>On list allow, as fine.example. You allow it.",
		"FINE.example":                          "fine.example is not known yet",
		"other.example":                         "other.example is not on any list",
		"b%C3%BCcher.example":                   "xn--bcher-kva.example is not on any list",
		"nowhere.example":                       "No server block here is asked for nowhere.example",
		"":                                      errName.Error(),
		"a b":                                   errName.Error(),
		"%3Cscript%3E":                          errName.Error(),
		"192.0.2.1":                             errName.Error(),
		strings.Repeat("x", maxName+1):          errName.Error(),
		"www.badsite.example&" + strings.Repeat("x", maxQuery): errName.Error(),
	} {
		w := ask(h, http.MethodGet, home+"/check?name="+strings.ReplaceAll(query, " ", "+"))
		body := w.Body.String()
		if !strings.Contains(body, want) || strings.Contains(body, "<script") || (w.Code == 200) == (want == errName.Error()) {
			t.Errorf("%.60q: status %d, without %q\n%s", query, w.Code, want, body)
		}
	}
	w := ask(h, http.MethodGet, home+"/check?name=www.badsite.example", "Accept: application/json")
	var got checked
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Schema != Schema || len(got.Verdicts) != 2 || got.Verdicts[0] != judged("www.badsite.example")[0] {
		t.Errorf("%v %s", err, w.Body)
	}
	if w := ask(h, http.MethodGet, home+"/check?name=.", "Accept: application/json"); w.Code != 400 {
		t.Errorf("A program asks for no name: status %d", w.Code)
	}
	h.config.Check = nil
	if w := ask(h, http.MethodGet, home+"/check?name=a.example"); w.Code != 404 {
		t.Errorf("Where no name can be checked: status %d", w.Code)
	}
}

// TestAdmit: who asks by a name of somebody else, or from the page of another site,
// gets nothing.
func TestAdmit(t *testing.T) {
	h := newTestHandler(Config{Names: []string{"status.example", "2001:DB8::1"}})
	for _, tt := range []struct {
		url     string
		headers string
		want    int
	}{
		{home + "/", "", 200},
		{"http://localhost:9000/", "", 200}, // a port that was forwarded
		{"http://LOCALHOST./", "", 200},
		{"http://[::1]:8053/", "", 200},
		{"http://127.0.0.2/", "", 200},
		{"http://status.example/", "", 200},
		{"http://[2001:db8:0::1]:8053/", "", 200},
		{"http://192.0.2.1:8053/", "", 403}, // not where this request came to
		{"http://rebound.example:8053/", "", 403},
		{"http://127.0.0.1.rebound.example/", "", 403},
		{"http://localhost.rebound.example/", "", 403},
		{"http://" + strings.Repeat("x", 300) + "/", "", 403},
		{home + "/status.json", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image", 403},
		{home + "/check?name=a.example", "Sec-Fetch-Site: same-site\nSec-Fetch-Mode: cors\nSec-Fetch-Dest: empty", 403},
		{home + "/", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe", 403},
		{home + "/", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document", 200}, // a link
		{home + "/", "Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document", 200},
		{home + "/", "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document", 200},
		{home + "/", "Origin: http://evil.example", 403}, // of a browser that does not send the others
		{home + "/", "Origin: null", 403},
		{home + "/", "Origin: http://127.0.0.1:8053", 200},
		{home + "/nothing", "", 404},
		{home + "/robots.txt", "", 200},
	} {
		var headers []string
		if tt.headers != "" {
			headers = strings.Split(tt.headers, "\n")
		}
		w := ask(h, http.MethodGet, tt.url, headers...)
		if w.Code != tt.want {
			t.Errorf("%.60s %q: status %d, want %d", tt.url, tt.headers, w.Code, tt.want)
		}
		if w.Code == 403 && strings.Contains(w.Body.String(), "nudify") {
			t.Errorf("%s %q: what is refused tells of lists", tt.url, tt.headers)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Set-Cookie": "", "Access-Control-Allow-Origin": ""} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", tt.url, name, got, want)
			}
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: the policy is %q", tt.url, csp)
		}
	}
}

// TestMethods: nothing can be changed.
func TestMethods(t *testing.T) {
	h := newTestHandler(Config{})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
		if w := ask(h, method, home+"/"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d", method, w.Code)
		}
	}
	if w := ask(h, "HEAD", home+"/"); w.Code != 200 || w.Body.Len() > 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: status %d, %d bytes", w.Code, w.Body.Len())
	}
}

// TestEmptyPage: a server that has just begun, with nothing that is wrong.
func TestEmptyPage(t *testing.T) {
	h := NewHandler(Config{Report: func() Report { return Report{Started: time.Now()} }})
	page := ask(h, http.MethodGet, home+"/").Body.String()
	for _, part := range []string{"All is well", "Running for less than a minute", "Nobody has asked for a listed name", "This server shows none", "not told whom to ask"} {
		if !strings.Contains(page, part) {
			t.Errorf("The page lacks %q\n%s", part, page)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than a minute", 59 * time.Second: "less than a minute", time.Minute: "1 minute", 119 * time.Minute: "1 hour",
		48 * time.Hour: "2 days", 400 * 24 * time.Hour: "400 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	words := make([]string, maxJoined+2)
	if got := join(words); !strings.HasSuffix(got, " and 2 more") {
		t.Error(got)
	}
}

// TestWarnings holds what is said of one thing that is wrong, and that nothing is
// said otherwise.
func TestWarnings(t *testing.T) {
	list := func(change func(*List)) Report {
		l := List{Name: "a", Here: true, Remote: true, Success: noon.Add(-time.Hour), Expires: noon.Add(time.Hour)}
		change(&l)
		return Report{Now: noon, Lists: []List{l}}
	}
	for _, tt := range []struct {
		name   string
		report Report
		want   string // the codes
	}{
		{"nothing", list(func(*List) {}), ""},
		{"asked for seldom", list(func(l *List) { l.Success = noon.Add(-99 * time.Hour) }), ""},
		{"a file that is old", list(func(l *List) { l.Remote, l.Success, l.Expires = false, noon.Add(-99*time.Hour), time.Time{} }), ""},
		{"on its way", list(func(l *List) { l.Here = false }), Missing},
		{"not to be had", list(func(l *List) { l.Here, l.Error = false, "x" }), Missing},
		{"failing", list(func(l *List) { l.Error = "x" }), Failing},
		{"failing for a day", list(func(l *List) { l.Success, l.Error = noon.Add(-24*time.Hour-1), "x" }), Stale},
		{"shrunk", list(func(l *List) { l.Cause, l.Error = "shrunk", "x" }), Held},
		{"expires now", list(func(l *List) { l.Expires = noon }), Expired},
		{"disk", list(func(l *List) { l.Unsaved, l.Unread = true, true }), "unread unsaved"},
		{"waits", Report{Servers: []Server{{Names: []string{".:53"}}}}, Waiting},
		{"ready", Report{Servers: []Server{{Names: []string{".:53"}, Ready: true}}}, ""},
		{"zone", Report{Zones: []Zone{{Unsaved: true}, {}}}, Unsaved},
		{"prefixes", Report{Prefixes: []PrefixFile{{Error: "x"}, {}}}, Prefixes},
		{"certificate", Report{Now: noon, CertEnds: noon.AddDate(0, 0, 29)}, CertEnds},
		{"certificate that lives", Report{Now: noon, CertEnds: noon.AddDate(0, 0, 31)}, ""},
		{"fronts", Report{Fronts: []Front{{}, {Open: true}, {Open: true, Steered: true}}}, "front front"},
		{"all", specimen(), ""},
	} {
		if tt.name == "all" {
			tt.report.Now = noon
			tt.want = "waiting missing expired stale unread unsaved unsaved prefixes certificate front front"
		}
		var codes []string
		for _, w := range tt.report.warnings() {
			codes = append(codes, w.Code)
			if w.Text == "" || strings.Contains(w.Text, "%!") || !strings.HasSuffix(w.Text, ".") {
				t.Errorf("%s: %q", tt.name, w.Text)
			}
		}
		if got := strings.Join(codes, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := string(marshal(Report{Warnings: new(Report).warnings()})); !strings.Contains(got, `"warnings": []`) {
		t.Error("A program finds no warnings where there are none")
	}
}
