package server

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/load"
)

func onLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("Only Linux is measured on: ", load.ErrUnsupported)
	}
}

// TestCommand: nothing that is to be filled in stays as it is, and no word that is none
// of ours is changed.
func TestCommand(t *testing.T) {
	s := Settings{
		Addr: netip.MustParseAddrPort("127.0.0.1:5301"), Upstream: netip.MustParseAddrPort("127.0.0.1:5302"),
		List: "/lists/list", Extra: "extra line", Directive: "directive line",
	}
	open := regexp.MustCompile(`\{[A-Z]+\}`)
	seen := map[string]bool{}
	for _, c := range Candidates {
		s.Dir = t.TempDir()
		cmd, err := c.Command("/bin/program", s)
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		all.WriteString(strings.Join(cmd.Args, " "))
		files, err := os.ReadDir(s.Dir)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(s.Dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(string(text))
		}
		if left := open.FindString(all.String()); left != "" {
			t.Errorf("%s: %s is left", c.Name, left)
		}
		for _, want := range []string{"5301", "5302", s.Dir} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s: there is no %s", c.Name, want)
			}
		}
		if strings.Contains(all.String(), s.List) != c.Filters() {
			t.Errorf("%s: filters: %v", c.Name, c.Filters())
		}
		if seen[c.Name] {
			t.Errorf("%s comes twice", c.Name)
		}
		seen[c.Name] = true
	}
}

func TestFind(t *testing.T) {
	if path, err := (Candidate{Program: "sh"}).Find(""); err != nil || !strings.HasSuffix(path, "sh") {
		t.Error(path, err)
	}
	if _, err := (Candidate{Program: "no-such-server"}).Find(""); err == nil || !strings.Contains(err.Error(), "no-such-server is not installed") {
		t.Error(err)
	}
	if _, err := (Candidate{Name: "ours"}).Find(t.TempDir() + "/absent"); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Error(err)
	}
}

// TestVersion: programs say it in many ways.
func TestVersion(t *testing.T) {
	for said, want := range map[string]string{
		"Dnsmasq version 2.90  Copyright":                "Dnsmasq version 2.90",
		"Nov 22 13:22:58 PowerDNS Recursor 4.8.8 (C)":    "PowerDNS Recursor 4.8.8",
		"BIND 9.18.49-1~deb12u3-Debian (Extended)":       "BIND 9.18.49-1~deb12u3-Debian",
		"Version 1.17.1\nConfigure line: --build=x86_64": "1.17.1",
		"nothing": "?",
	} {
		script := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(script, []byte("#!/bin/sh\ncat <<'END'\n"+said+"\nEND\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if got := (Candidate{}).Version(t.Context(), script); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
}

// TestProcess: a server has its core, uses time and memory, and is gone when stopped.
func TestProcess(t *testing.T) {
	onLinux(t)
	cores, err := Cores()
	if err != nil {
		t.Fatal(err)
	}
	core := cores[len(cores)-1]
	p, err := Start(exec.Command("sh", "-c", "grep Cpus_allowed_list /proc/self/status; while :; do :; done"), core)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for used := time.Duration(0); used < 20*time.Millisecond; {
		if used, err = p.CPU(); err != nil || time.Now().After(deadline) {
			t.Fatalf("It has used %v: %v", used, err)
		}
	}
	if n, err := p.RSS(); err != nil || n < 100<<10 || n > 100<<20 {
		t.Errorf("%d bytes are resident: %v", n, err)
	}
	if err := p.Alive(); err != nil {
		t.Error(err)
	}
	p.Stop()
	if allowed := strings.Fields(p.out.String()); len(allowed) != 2 || allowed[1] != strconv.Itoa(core) {
		t.Errorf("It ran on %v, want %d", allowed, core)
	}
	if err := p.Alive(); !errors.Is(err, ErrEnded) {
		t.Errorf("It is stopped, and %v", err)
	}
	if _, err := p.RSS(); err == nil {
		t.Error("It is stopped, and has memory")
	}
}

// TestAwait: a server that ends, or is not ready in time, says why.
func TestAwait(t *testing.T) {
	onLinux(t)
	cores, err := Cores()
	if err != nil {
		t.Fatal(err)
	}
	q, err := load.NewQuery("a.example", true)
	if err != nil {
		t.Fatal(err)
	}
	nobody := netip.MustParseAddrPort("127.0.0.1:9")
	for script, want := range map[string]string{"echo the reason; exit 3": "the reason", "echo still busy; sleep 60": "still busy"} {
		p, err := Start(exec.Command("sh", "-c", script), cores[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Await(t.Context(), nobody, q, time.Second); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
		p.Stop()
	}
	p, err := Start(exec.Command("sleep", "60"), cores[0])
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Await(ctx, nobody, q, time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestTail: what a server prints takes no more than its share.
func TestTail(t *testing.T) {
	var b tail
	if b.String() != "nothing" {
		t.Error(b.String())
	}
	b.Write([]byte("the beginning\n"))
	for range 10_000 {
		b.Write([]byte("again and again\n"))
	}
	b.Write([]byte("the end\n"))
	if len(b.head) > kept || len(b.last) > kept || !strings.HasPrefix(b.String(), "the beginning") || !strings.HasSuffix(b.String(), "the end") {
		t.Errorf("%d and %d bytes: %s", len(b.head), len(b.last), b.String())
	}
}
