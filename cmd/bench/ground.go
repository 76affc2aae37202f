package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/corpus"
	"github.com/nonudify/nonudify/cmd/bench/internal/load"
	"github.com/nonudify/nonudify/cmd/bench/internal/report"
	"github.com/nonudify/nonudify/cmd/bench/internal/server"
)

// serverAddr is where a server listens.
type serverAddr = netip.AddrPort

// loopback is the address of everything.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// ground is what all that is measured stands on: a directory, an upstream, cores.
type ground struct {
	dir      string
	upstream *load.Responder
	on       *cores
	asked    uint32 // queries so far, so that none is for a name of an earlier one
}

func newGround(c *cores, e env) (*ground, error) {
	if err := c.choose(e); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "nonudify-bench")
	if err != nil {
		return nil, err
	}
	g := &ground{dir: dir, on: c}
	if err := os.Chmod(dir, 0o755); err != nil { // some servers give up their rights before they read
		g.clear()
		return nil, err
	}
	if g.upstream, err = load.Listen(netip.AddrPortFrom(loopback, 0)); err != nil {
		g.clear()
		return nil, err
	}
	return g, nil
}

// clear leaves nothing behind.
func (g *ground) clear() error {
	var err error
	if g.upstream != nil {
		err = g.upstream.Close()
	}
	return errors.Join(err, os.RemoveAll(g.dir))
}

// launch starts a candidate with a list, in a directory of its own.
func (g *ground) launch(c found, names *corpus.List, extra string) (*server.Process, server.Settings, error) {
	s := server.Settings{Upstream: g.upstream.Addr, Extra: extra}
	var err error
	if c.Filters() {
		if s.List, err = names.Path(c.Format); err != nil {
			return nil, s, err
		}
	}
	if s.Dir, err = os.MkdirTemp(g.dir, c.Name); err != nil {
		return nil, s, err
	}
	if s.Addr, err = freePort(); err != nil {
		return nil, s, err
	}
	cmd, err := c.Command(c.program, s)
	if err != nil {
		return nil, s, err
	}
	p, err := server.Start(cmd, g.on.server)
	if err != nil {
		return nil, s, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	return p, s, nil
}

// responder starts this program as a server that does nothing but answer.
func (g *ground) responder(ctx context.Context, q *questions) (*server.Process, serverAddr, error) {
	addr, err := freePort()
	if err != nil {
		return nil, addr, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, addr, err
	}
	cmd := exec.Command(self, responderVerb, addr.String())
	stdin, err := cmd.StdinPipe() // which ends with this process, and with it the responder
	if err != nil {
		return nil, addr, err
	}
	p, err := server.Start(cmd, g.on.server)
	if err != nil {
		stdin.Close()
		return nil, addr, err
	}
	if _, err := p.Await(ctx, addr, q.popular[0], 10*time.Second); err != nil {
		p.Stop()
		return nil, addr, err
	}
	return p, addr, nil
}

// freePort returns an address whose port is free for UDP and TCP.
func freePort() (serverAddr, error) {
	for range 100 {
		l, err := net.Listen("tcp", netip.AddrPortFrom(loopback, 0).String())
		if err != nil {
			return serverAddr{}, err
		}
		addr := l.Addr().String()
		u, err := net.ListenPacket("udp", addr)
		l.Close()
		if err == nil {
			u.Close()
			return netip.ParseAddrPort(addr)
		}
	}
	return serverAddr{}, errors.New("no port is free for both UDP and TCP")
}

// machine says what this one is.
func machine() report.Machine {
	m := report.Machine{Processor: runtime.GOARCH, Cores: runtime.NumCPU(), System: runtime.GOOS}
	if v := field("/proc/cpuinfo", "model name"); v != "" {
		m.Processor = v
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System = "Linux " + strings.TrimSpace(string(text))
	}
	var kilobytes int64
	fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kilobytes)
	m.Memory = kilobytes << 10
	return m
}

// field returns the first value of a name in a file of lines like "name: value".
func field(path, name string) string {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
