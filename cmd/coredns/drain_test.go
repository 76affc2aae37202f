//go:build unix

package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestDrain: a server that is told to end says first that it is not ready, so that
// the route to it is withdrawn, and goes on to answer and to filter all that time
// for those who still come. That is what docs/isp.md and deploy/kubernetes build on.
// After a reload that has failed, CoreDNS's ready does not close its listener: there
// only what it is told continuously says that the server ends.
func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		name, monitor string
		wrong         bool // a Corefile that is wrong has been loaded before
	}{
		{"at once", "", false},
		{"continuously", " {\n        monitor continuously\n    }", false},
		{"after a wrong Corefile", " {\n        monitor continuously\n    }", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			drain(t, tt.monitor, tt.wrong)
		})
	}
}

func drain(t *testing.T, monitor string, wrong bool) {
	t.Helper()
	up := newUpstream(t)
	dir := t.TempDir()
	ready := freeAddress(t)
	corefile := fmt.Sprintf(`.:{$PORT} {
    bind 127.0.0.1
    ready %s%s
    health %s {
        lameduck 60s
    }
    nonudify {
        list %s/list.txt
        block blocked.example
    }
    cache
    forward . %s
}`, ready, monitor, freeAddress(t), dir, up.addr)
	for name, text := range map[string]string{"Corefile": corefile, "list.txt": "badsite.example\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := run(t, filepath.Join(dir, "Corefile"))
	t.Cleanup(func() { p.cmd.Process.Kill() }) // nobody waits for the end of the minute
	if status := readiness(t, ready); status != http.StatusOK {
		t.Fatalf("Ready is %d before the end", status)
	}
	if wrong {
		failReload(t, p, filepath.Join(dir, "Corefile"))
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	err := poll(func() error {
		response, err := http.Get("http://" + ready + "/ready")
		if err != nil {
			return nil // nobody listens there any more
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil
		}
		return errors.New("still ready")
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		for name, want := range map[string]int{"www.badsite.example.": dns.RcodeNameError, network + ".example.": dns.RcodeSuccess} {
			c := dns.Client{Net: network, Timeout: 10 * time.Second}
			reply, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), net.JoinHostPort("127.0.0.1", p.port))
			if err != nil || reply.Rcode != want {
				t.Errorf("%s over %s, while the server ends: %v %v", name, network, reply, err)
			}
		}
	}
}

// failReload has a resolver read its Corefile once it has been made wrong.
func failReload(t *testing.T, p *process, corefile string) {
	t.Helper()
	text, err := os.ReadFile(corefile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(corefile, []byte(swapped(t, string(text), "nonudify {", "nonudify {\n        reason none")), 0o644); err != nil {
		t.Fatal(err)
	}
	p.cmd.Process.Signal(syscall.SIGUSR1)
	err = poll(func() error {
		if !strings.Contains(p.out.String(), "[ERROR] SIGUSR1") {
			return errors.New("no word of the reload")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
