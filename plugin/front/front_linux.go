package front

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Front is the front of a server. It is safe for concurrent use.
type Front struct {
	config  Config
	service atomic.Pointer[Service]
	sockets []*socket
	steered bool
	room    int

	tallying sync.Mutex // guards what is tallied of the sockets

	queue    chan *job
	spilled  atomic.Int64 // goroutines beside the workers
	starting atomic.Int64 // those of them that have not begun
	running  sync.WaitGroup
}

// Open opens the sockets of a front, and has the service answer at them. The server
// must have bound its own already: where the kernel puts a socket among those at an
// address depends on when it came.
func Open(c Config, s *Service) (*Front, error) {
	f := &Front{config: c, queue: make(chan *job, queue)}
	n := c.Sockets
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	s.odd = newOddServer(s, c.Counters)
	f.service.Store(s)
	for range n {
		k, err := f.listen()
		if err != nil {
			for _, k := range f.sockets {
				k.close()
			}
			s.odd.close(context.Background())
			return nil, err
		}
		f.sockets = append(f.sockets, k)
	}
	for range workers {
		f.running.Go(f.work)
	}
	for _, k := range f.sockets {
		go k.run()
	}
	f.steered = !c.Unsteered && f.steer(c.Peers, n) == nil
	return f, nil
}

// listen opens a socket as the server has opened its own.
func (f *Front) listen() (*socket, error) {
	control := func(_, _ string, c syscall.RawConn) error {
		var err error
		if cause := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); cause != nil {
			return cause
		}
		return err
	}
	pc, err := (&net.ListenConfig{Control: control}).ListenPacket(context.Background(), "udp", f.config.Address)
	if err != nil {
		return nil, err
	}
	k, err := newSocket(f, pc.(*net.UDPConn))
	if err != nil {
		return nil, fmt.Errorf("at %s: %w", f.config.Address, err)
	}
	return k, nil
}

// Current returns the service that answers.
func (f *Front) Current() *Service { return f.service.Load() }

// Room returns how many bytes the kernel keeps for each socket: at most so many as it
// was asked for.
func (f *Front) Room() int { return f.room }

// Tally adds to Counters.Overflowed what the kernel has dropped since it was called
// last. Close calls it, too.
func (f *Front) Tally() {
	f.tallying.Lock()
	defer f.tallying.Unlock()
	for _, k := range f.sockets {
		total := k.overflowed()
		f.config.Counters.Overflowed.Add(uint64(total - k.tallied)) // it may have begun anew at 2^32
		k.tallied = total
	}
}

// Steered reports whether the kernel hands every datagram to the front, and not
// only a share.
func (f *Front) Steered() bool { return f.steered }

// Swap has another service answer from now on, and returns the one before, which is
// to be drained. No query is lost, or answered by both.
func (f *Front) Swap(s *Service) *Service {
	s.odd = newOddServer(s, f.config.Counters)
	return f.service.Swap(s)
}

// enter returns the service that answers a query, which must leave it.
func (f *Front) enter() *Service {
	for {
		s := f.service.Load()
		s.enter()
		if f.service.Load() == s {
			return s
		}
		s.leave()
	}
}

// settle is how long a datagram may be on its way from the choice of a socket to
// that socket, many times over.
const settle = 20 * time.Millisecond

// Close gives the address back to the server: from now on, the kernel hands it all
// that arrives. It returns when all is answered that had come before, or when ctx
// is done. The service is drained.
func (f *Front) Close(ctx context.Context) {
	if f.retreat() == nil {
		wait := backoff(settle)
		wait.next(ctx)
	}
	for _, k := range f.sockets {
		k.stop()
	}
	close(f.queue)
	served := make(chan struct{})
	go func() {
		f.running.Wait()
		close(served)
	}()
	await(ctx, served)
	f.service.Load().Drain(ctx) // what it was handed last goes back over the sockets, too
	f.Tally()
	for _, k := range f.sockets {
		k.close()
	}
}

func await(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-ctx.Done():
	}
}
