package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/load"
)

// Process is a server that runs.
type Process struct {
	cmd   *exec.Cmd
	began time.Time
	out   *tail
	ended chan struct{} // closed when it has
	err   error         // why, once ended is closed
}

// Start starts a command with one core to itself. The caller stops it; the system does
// when the caller is gone.
func Start(cmd *exec.Cmd, core int) (*Process, error) {
	p := &Process{cmd: cmd, out: &tail{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	cmd.WaitDelay = time.Second
	attach(cmd)
	p.began = time.Now()
	if err := onCore(core, cmd.Start); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// ErrEnded says that a server has ended though nobody has told it to.
var ErrEnded = errors.New("it has ended by itself")

// Alive returns ErrEnded with what the server has said if it has ended.
func (p *Process) Alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%w (%v): %s", ErrEnded, p.err, p.out)
	default:
		return nil
	}
}

// between is how long to wait before the next question to a server that is starting.
const between = 2 * time.Millisecond

// Await returns how long after its start the server first gave the right answer to a
// query.
func (p *Process) Await(ctx context.Context, addr netip.AddrPort, q load.Query, most time.Duration) (time.Duration, error) {
	var last error
	for time.Since(p.began) < most {
		last = load.Ask(ctx, "udp", addr, q, 500*time.Millisecond)
		if last == nil {
			return time.Since(p.began), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-p.ended:
			return 0, p.Alive()
		case <-time.After(between):
		}
	}
	return 0, fmt.Errorf("not ready after %v: %w; it says: %s", most, last, p.out)
}

// Age returns how long ago the server was started.
func (p *Process) Age() time.Duration { return time.Since(p.began) }

// Signal tells the server something.
func (p *Process) Signal(s Signal) error { return p.cmd.Process.Signal(s) }

// Stop ends the server and waits until it is gone.
func (p *Process) Stop() {
	p.cmd.Process.Kill() // it has nothing that would be lost
	<-p.ended
}

// tail keeps the beginning and, less, the end of what a program prints.
type tail struct {
	mu         sync.Mutex
	head, last []byte
}

const kept = 4 << 10 // bytes of either

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(b), kept-len(t.head))
	t.head = append(t.head, b[:n]...)
	t.last = append(t.last, b[n:]...)
	if len(t.last) > kept {
		t.last = append(t.last[:0], t.last[len(t.last)-kept:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.head) + string(t.last))
	if text == "" {
		return "nothing"
	}
	return text
}
