package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"
)

// Flood sends queries at a rate, in turn and again and again, and takes no answers: whoever
// sends a server more than it can answer does not wait for it. It uses Addr, Queries,
// Number, Time and Rate of the Config, and Sockets. It returns how many it has sent, fewer
// than the rate wants where this machine cannot send more, and how long that took. It ends
// early when the context is done, and with an error when nobody listens at the address.
func Flood(ctx context.Context, c Config) (sent int, took time.Duration, err error) {
	if err := c.defaults(); err != nil {
		return 0, 0, err
	}
	if c.Rate == 0 || c.Time == 0 {
		return 0, 0, errors.New("a flood needs a rate and a time")
	}
	var sockets []*socket
	defer func() {
		for _, s := range sockets {
			s.close()
		}
	}()
	for range c.Sockets {
		s, err := open(c.Addr, together, true)
		if err != nil {
			return 0, 0, fmt.Errorf("flooding: %w", err)
		}
		sockets = append(sockets, s)
		s.deafen()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	exactWaits()
	began := time.Now()
	for ctx.Err() == nil {
		if took = time.Since(began); took >= c.Time {
			break
		}
		n := min(int(took.Seconds()*c.Rate)-sent, together)
		if n <= 0 {
			if err := wait(nil, 100*time.Microsecond); err != nil {
				return sent, took, err
			}
			continue
		}
		n, err := c.burst(sockets[sent/together%len(sockets)], sent, n)
		if sent += n; err != nil {
			return sent, took, err
		}
	}
	return sent, took, ctx.Err()
}

// burst sends the n queries after the first ones, and returns how many of them went.
func (c *Config) burst(s *socket, sent, n int) (int, error) {
	for i := range n {
		q := c.Queries[(c.First+sent+i)%len(c.Queries)]
		s.length(i, q.put(s.buffer(i), uint16(rand.Uint32()), c.Number+uint32(sent+i)))
	}
	n, err := s.send(0, n)
	if refused(err) {
		err = fmt.Errorf("nobody listens on %s any more: %w", c.Addr, err)
	}
	return n, err
}
