//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is what a service manager hears of a resolver.
type manager struct {
	*net.UnixConn
	path string
}

func newManager(t *testing.T) manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return manager{conn, path}
}

// hears returns what is told next, "" if that is nothing for so long.
func (m manager) hears(t *testing.T, within time.Duration) string {
	t.Helper()
	if err := m.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 256)
	n, _, err := m.ReadFrom(buf)
	if err != nil && !os.IsTimeout(err) {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// started is a resolver that a service manager starts.
func (m manager) started(t *testing.T, port string, env ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(path, "-conf", example(t)), port: port, out: &syncBuffer{}}
	p.cmd.Env = append(os.Environ(), append(env, "PORT="+port, "NOTIFY_SOCKET="+m.path)...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestService has a service manager hear of a resolver when it serves, as long as it
// runs, also after a reload, and when it ends.
func TestService(t *testing.T) {
	m := newManager(t)
	p := m.started(t, freePort(t), "WATCHDOG_USEC=200000")
	defer p.cmd.Process.Kill()
	if got := m.hears(t, 30*time.Second); got != "READY=1" {
		t.Fatalf("first %q\n%s", got, p.out)
	}
	if answer := client(t, "dig", "@127.0.0.1", "-p", p.port, "+tries=1", "www.blocked.example"); !strings.Contains(answer, "NXDOMAIN") {
		t.Errorf("ready, but the answer is\n%s", answer)
	}
	for _, before := range []string{"the reload", "the end"} {
		for range 3 {
			if got := m.hears(t, 30*time.Second); got != "WATCHDOG=1" {
				t.Fatalf("before %s %q\n%s", before, got, p.out)
			}
		}
		if before == "the reload" {
			p.cmd.Process.Signal(syscall.SIGUSR1)
			if err := poll(func() error { return p.has("Reloading complete") }); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	last := ""
	for got := m.hears(t, 30*time.Second); got != ""; got = m.hears(t, time.Second) {
		last = got
	}
	if err := p.cmd.Wait(); err != nil || last != "STOPPING=1" {
		t.Errorf("last %q, %v\n%s", last, err, p.out)
	}
}

func (p *process) has(text string) error {
	if !strings.Contains(p.out.String(), text) {
		return fmt.Errorf("no %q in what the resolver printed:\n%s", text, p.out)
	}
	return nil
}

// TestServiceTaken has a service manager hear nothing of a resolver that cannot serve.
func TestServiceTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	m := newManager(t)
	p := m.started(t, port)
	if err := p.cmd.Wait(); err == nil {
		t.Error("It ran on a port that was taken")
	}
	if got := m.hears(t, 10*time.Millisecond); got != "" {
		t.Errorf("%q", got)
	}
}

// TestServiceOf reads watchdogs that are meant for this process, or for none.
func TestServiceOf(t *testing.T) {
	pid := fmt.Sprint(os.Getpid())
	for _, test := range []struct {
		usec, pid string
		within    time.Duration
	}{
		{"", "", 0},
		{"30000000", "", 30 * time.Second},
		{"30000000", pid, 30 * time.Second},
		{"30000000", "1" + pid, 0},
		{"soon", "", 0},
		{"-1", "", 0},
		{"99999999999999999999", "", 0},
	} {
		env := map[string]string{"NOTIFY_SOCKET": "@here", "WATCHDOG_USEC": test.usec, "WATCHDOG_PID": test.pid}
		if s := serviceOf(func(name string) string { return env[name] }); s.within != test.within || s.socket != "@here" {
			t.Errorf("%q for %q: %v at %s", test.usec, test.pid, s.within, s.socket)
		}
	}
}
