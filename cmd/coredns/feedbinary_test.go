//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// launch starts the binary with a Corefile and does not wait for it.
func launch(t *testing.T, corefile, port string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(path, "-conf", corefile), port: port, out: &syncBuffer{}}
	p.cmd.Env = append(os.Environ(), "PORT="+port)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// end sends a signal to the resolver and waits until it is gone.
func (p *process) end(sig syscall.Signal) {
	p.cmd.Process.Signal(sig)
	p.cmd.Wait()
}

// first returns the first answer that the resolver gives to anybody.
func (p *process) first(t *testing.T, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		c := dns.Client{Timeout: 10 * time.Second}
		m := new(dns.Msg).SetQuestion(unsaid+"."+name+".", dns.TypeA).SetEdns0(1232, false)
		if reply, _, err := c.ExchangeContext(ctx, m, net.JoinHostPort("127.0.0.1", p.port)); err == nil {
			return answer(reply)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("The resolver does not answer:\n%s", p.out)
		case <-again.C:
		}
	}
}

// TestKilled: a resolver that has fetched its list over HTTPS is killed while the
// list's server is down, and blocks from the first query after it was started
// again.
func TestKilled(t *testing.T) {
	t.Parallel()
	up, list, port := newUpstream(t), newPublisher(t), freePort(t)
	corefile := filepath.Join(t.TempDir(), "Corefile")
	text := strings.Replace(block(up, list.list("refresh 1s", list.tls())+"\n state "+t.TempDir()), ".:0", ".:{$PORT}", 1)
	if err := os.WriteFile(corefile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list.publish(edition(1))
	p := launch(t, corefile, port)
	defer func() { p.end(syscall.SIGTERM) }()
	until(t, func() error {
		if got := p.first(t, "always.example"); got != denies {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		list.lead("127.0.0.2")
		p.end(sig)
		if strings.Contains(p.out.String(), unsaid) {
			t.Errorf("A secret is in the log:\n%s", p.out)
		}
		p = launch(t, corefile, port)
		if got := p.first(t, "always.example"); got != denies {
			t.Errorf("The first answer is %s\n%s", got, p.out)
		}
		if got := p.first(t, "other.example"); got != passes {
			t.Errorf("Another name: %s", got)
		}
	}
	list.heal(2)
	until(t, func() error {
		if got := p.first(t, "edition2.example"); got != denies {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
}
