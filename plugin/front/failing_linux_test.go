package front

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// failing tells a process of TestFailing which calls fail there, and how.
const failing = "FRONT_TEST_FAILING"

// failures are calls that a kernel may let fail for a while, or for good: no memory
// (ENOBUFS), a firewall (EPERM), no route, a link that stands still (EAGAIN).
var failures = map[string]struct {
	calls [2]uint32
	errno unix.Errno
	lost  uint64 // replies that must have been counted as not sent
}{
	"sending ENOBUFS":     {[2]uint32{unix.SYS_SENDMMSG, unix.SYS_SENDMSG}, unix.ENOBUFS, failingNow + failingLater + failingOdd},
	"sending EPERM":       {[2]uint32{unix.SYS_SENDMMSG, unix.SYS_SENDMSG}, unix.EPERM, failingNow + failingLater + failingOdd},
	"sending ENETUNREACH": {[2]uint32{unix.SYS_SENDMMSG, unix.SYS_SENDMSG}, unix.ENETUNREACH, failingNow + failingLater + failingOdd},
	"sending EAGAIN":      {[2]uint32{unix.SYS_SENDMMSG, unix.SYS_SENDMSG}, unix.EAGAIN, 0},
	"receiving EPERM":     {[2]uint32{unix.SYS_RECVMMSG, unix.SYS_RECVMMSG}, unix.EPERM, 0},
}

// What is asked of each road.
const (
	failingNow   = 100
	failingLater = 100
	failingOdd   = 20
)

// TestFailing: whatever calls fail, and for however long, every reply that is lost
// is counted, the front does not run in circles, and it can be closed.
func TestFailing(t *testing.T) {
	if what := os.Getenv(failing); what != "" {
		fail(t, what)
		return
	}
	t.Parallel()
	for what := range failures {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFailing$", "-test.v", "-test.timeout=60s")
			c.Env = append(os.Environ(), failing+"="+what)
			out, err := c.CombinedOutput()
			switch {
			case err != nil:
				t.Errorf("%v\n%s", err, out)
			case strings.Contains(string(out), "SKIP"):
				t.Skipf("%s", out)
			default:
				t.Logf("%s", out)
			}
		})
	}
}

// fail has calls fail once a front is open.
func fail(t *testing.T, what string) {
	failure := failures[what]
	peer := bind(t, "127.0.0.1:0")
	defer peer.Close()
	counters := new(Counters)
	f, err := Open(Config{Address: peer.LocalAddr().String(), Peers: 1, Counters: counters}, &Service{Answerer: prefix("now"), Handler: told("front")})
	if err != nil || !f.Steered() {
		t.Fatalf("%v, or the kernel does not steer", err)
	}
	c := dial(t, peer.LocalAddr().String())
	if got := ask(t, c, query(1, "now.example")); got[1] != 1 {
		t.Fatalf("%x", got)
	}
	refuse(t, []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: failure.calls[0], Jt: 1},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: failure.calls[1], Jf: 1},
	}, failure.errno)
	for range failingLater {
		c.Write(query(2, "later.example"))
	}
	for range failingOdd {
		c.Write(append(query(3, "odd.example"), 0))
	}
	for range failingNow {
		c.Write(query(4, "now.example"))
	}
	until(t, func() bool { return counters.Unsent.Load() >= failure.lost })
	used := busy(t, 300*time.Millisecond)
	if used > 50*time.Millisecond {
		t.Errorf("In 300 ms it takes %v of the processor", used)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	f.Close(ctx)
	if took := time.Since(began); ctx.Err() != nil {
		t.Errorf("It was closed after %v", took)
	}
	if n := counters.Unsent.Load(); n > failingNow+failingLater+failingOdd || n != failure.lost && failure.lost > 0 {
		t.Errorf("%d replies were not sent", n)
	}
	t.Logf("%s: %d not sent, %v of the processor, closed after %v", what, counters.Unsent.Load(), used, time.Since(began))
}

// busy returns how much processor time this process takes in some time.
func busy(t *testing.T, d time.Duration) time.Duration {
	t.Helper()
	before := usage(t)
	<-time.After(d)
	return usage(t) - before
}

func usage(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
