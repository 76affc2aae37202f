package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nonudify/nonudify/plugin/status"
)

// stagedReport is what the server of the scripts says of itself.
func stagedReport(stale bool) status.Report {
	issued := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	key := status.Key{List: "nudify", Reason: "filtered", Action: "nxdomain"}
	r := status.Report{
		Version: "nonudify devel\x1b[31m", Started: issued,
		Servers: []status.Server{{Names: []string{".:53", "tls://.:853"}, Ready: true, Action: "nxdomain", Reason: "filtered", Lists: []string{"nudify"}}},
		Lists: []status.List{
			{Name: "nudify", Here: true, Entries: 5000, Serial: 2026112001, Issued: issued, Signed: true, KeyID: "0123456789ABCDEF", Remote: true, Success: issued.Add(time.Hour)},
			{Name: "allow", Here: true, Entries: 2, Issued: issued, Success: issued},
		},
		Verdicts: status.Verdicts{Total: []status.Count{{Key: key, Count: 7}}, Hours: []status.Hour{{Start: issued}, {Start: issued, Counts: []status.Count{{Key: key, Count: 2}}}}},
	}
	if stale {
		r.Lists[0].Cause, r.Lists[0].Error = "status", "503 Service\nUnavailable"
		r.Lists = append(r.Lists, status.List{Name: "new", Remote: true})
	}
	return r
}

// serveStatus is a command of scripts: "status fine|stale|newer|page FILE.sock [USERS]"
// serves a status page at the socket, and at the address that it sets $STATUS to.
func serveStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status fine|stale|newer|page FILE.sock [USERS]")
	}
	c := status.Config{
		Report: func() status.Report { return stagedReport(args[0] == "stale") },
		Now:    func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) },
	}
	if len(args) > 2 {
		var err error
		c.Password, err = status.ReadPassword(ts.MkAbs(args[2]))
		ts.Check(err)
	}
	var h http.Handler = status.NewHandler(c)
	if text := map[string]string{"newer": `{"schema": 2}`, "page": "<html>"}[args[0]]; text != "" {
		h = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) })
	}
	l, err := net.Listen("unix", ts.MkAbs(args[1]))
	ts.Check(err)
	behind := httptest.NewUnstartedServer(h)
	behind.Listener.Close()
	behind.Listener = l
	behind.Start()
	ts.Defer(behind.Close)
	s := httptest.NewServer(h)
	ts.Defer(s.Close)
	ts.Setenv("STATUS", strings.TrimPrefix(s.URL, "http://"))
}

// TestStatusPlaces: where to ask is what the Corefile says, on this machine.
func TestStatusPlaces(t *testing.T) {
	for property, want := range map[string]string{
		"127.0.0.1:8053": "http://127.0.0.1:8053",
		"[::1]:8053":     "http://[::1]:8053",
		"0.0.0.0:8053 password /etc/nonudify/users": "http://127.0.0.1:8053",
		"[::]:8053 password /etc/nonudify/users":    "http://[::1]:8053",
		"unix:/run/nonudify/status.sock":            "unix:/run/nonudify/status.sock",
	} {
		corefile := filepath.Join(t.TempDir(), "Corefile")
		text := "a.example:53 {\n nonudify\n}\n.:53 {\n nonudify {\n status " + property + "\n }\n}\n"
		if err := os.WriteFile(corefile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := placeIn(&env{stderr: os.Stderr}, corefile, true)
		if err != nil || p.shown != want {
			t.Errorf("status %s: %s, %v, want %s", property, p.shown, err, want)
		}
	}
}

// TestStatusLimits: a server that sends without end, or never, is given up.
func TestStatusLimits(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status.json" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		chunk := make([]byte, 1<<20)
		for range maxReport>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	for at, want := range map[string]string{s.URL: "the report is larger than 16.0 MiB", s.URL + "/x": "302 Found"} {
		code, stdout, stderr := tool(t, nil, "status", "-at", at)
		if code != wrong || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: code %d, %q %.200q, want %q", at, code, stdout, stderr, want)
		}
	}
}
