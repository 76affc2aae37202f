//go:build unix

package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestDrain: a server that is told to end says first that it is not ready, so that
// the route to it is withdrawn, and goes on to answer and to filter all that time
// for those who still come. That is what docs/isp.md and deploy/kubernetes build on.
func TestDrain(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	dir := t.TempDir()
	ready := freeAddress(t)
	corefile := fmt.Sprintf(`.:{$PORT} {
    bind 127.0.0.1
    ready %s
    health %s {
        lameduck 60s
    }
    nonudify {
        list %s/list.txt
        block blocked.example
    }
    cache
    forward . %s
}`, ready, freeAddress(t), dir, up.addr)
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
