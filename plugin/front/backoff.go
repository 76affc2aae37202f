package front

import (
	"context"
	"time"
)

// backoff waits for something that nobody tells of: at first for a short time, then
// for longer ones.
type backoff time.Duration

func newBackoff() backoff { return backoff(100 * time.Microsecond) }

// next waits, and reports whether ctx still lives.
func (b *backoff) next(ctx context.Context) bool {
	t := time.NewTimer(time.Duration(*b))
	defer t.Stop()
	*b = min(2**b, backoff(20*time.Millisecond))
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
