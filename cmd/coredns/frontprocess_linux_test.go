package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// newShared starts a resolver with a front at a port that another may have, too.
func newShared(t *testing.T, port string) *linked {
	t.Helper()
	l := &linked{metrics: freeAddress(t)}
	corefile := fmt.Sprintf(".:%s {\n bind 127.0.0.1\n prometheus %s\n nonudify {\n block blocked.example\n front on\n }\n}\nready.test:{$PORT} {\n bind 127.0.0.1\n whoami\n}\n", port, l.metrics)
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, []byte(corefile), 0o644); err != nil {
		t.Fatal(err)
	}
	l.process = run(t, file)
	l.steered(t)
	return l
}

// steered waits until the front says that it gets all.
func (l *linked) steered(t *testing.T) {
	t.Helper()
	err := poll(func() error {
		if l.metric(t, "coredns_nonudify_front_steered") != 1 {
			return errors.New("the front does not get all")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFrontHandOver: when a process leaves a port to the next, the front of that one
// gets all queries before long, and its gauge is right. Everybody is answered.
func TestFrontHandOver(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"ended": syscall.SIGTERM, "killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := freePort(t)
			first, second := newShared(t, port), newShared(t, port)
			const some = 40
			askSome := func() (read int) {
				before := second.metric(t, "coredns_nonudify_front_queries_total")
				for range some {
					m := new(dns.Msg).SetQuestion("www.blocked.example.", dns.TypeA)
					c := dns.Client{Timeout: 10 * time.Second}
					if reply, _, err := c.Exchange(m, net.JoinHostPort("127.0.0.1", port)); err != nil || reply.Rcode != dns.RcodeNameError {
						t.Fatalf("%v %v", reply, err)
					}
				}
				return int(second.metric(t, "coredns_nonudify_front_queries_total") - before)
			}
			askSome()
			first.cmd.Process.Signal(signal)
			first.cmd.Wait()
			if code := first.cmd.ProcessState.ExitCode(); signal == syscall.SIGTERM && code != 0 {
				t.Errorf("It ends with %d", code)
			}
			err := poll(func() error {
				if read := askSome(); read != some {
					return fmt.Errorf("the front has read %d of %d", read, some)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			second.steered(t)
			if again := strings.Contains(second.out.String(), "is opened anew"); signal == syscall.SIGTERM && !again {
				t.Errorf("The log does not say that the front was opened anew:\n%s", second.out)
			}
		})
	}
}

// holding is an upstream that answers when it is told to.
type holding struct {
	held    atomic.Int64
	release chan struct{}
}

func (h *holding) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	if strings.HasPrefix(r.Question[0].Name, "held") {
		h.held.Add(1)
		<-h.release
	}
	plainly(w, r)
}

// plainly answers as a server with the filter would: names below blocked.example are
// denied.
func plainly(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	if strings.Contains(r.Question[0].Name, "blocked.example") {
		m.Rcode = dns.RcodeNameError
	}
	w.WriteMsg(m)
}

// TestFrontSignals: a server that is told to end answers what it has read before,
// while health waits also what comes then, and ends in time and well. Who is not
// answered any more is told so, or has only lost what nobody had read.
func TestFrontSignals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		signal   syscall.Signal
		lameduck string
		dead     bool // the upstream answers no more
	}{
		{syscall.SIGTERM, "", false},
		{syscall.SIGINT, "", false},
		{syscall.SIGTERM, "1s", false},
		{syscall.SIGINT, "1s", false},
		{syscall.SIGTERM, "", true},
	} {
		t.Run(fmt.Sprint(tt.signal, tt.lameduck, tt.dead), func(t *testing.T) {
			t.Parallel()
			up := &holding{release: make(chan struct{})}
			l := newEnding(t, up, tt.lameduck)
			patience := 20 * time.Second
			if tt.dead {
				patience = time.Second // there will be no answer
			}
			waiting := l.hold(t, up, patience)
			crowd := newLeaving(t, net.JoinHostPort("127.0.0.1", l.port), serveBoth(t, dns.HandlerFunc(plainly)))
			crowd.await(t, 200)
			l.cmd.Process.Signal(tt.signal)
			began := time.Now()
			if tt.lameduck != "" {
				crowd.await(t, 200)
			}
			l.closing(t)
			if !tt.dead {
				close(up.release)
			}
			l.cmd.Wait()
			took := time.Since(began)
			if tt.dead {
				close(up.release)
			}
			crowd.clients.Wait()
			answered := waiting()
			t.Logf("%d of %d that waited are answered; it ends after %v with %v; of the others, %d were answered, %d refused, %d lost",
				answered, heldQueries, took, l.cmd.ProcessState, crowd.answered.Load(), crowd.refused.Load(), crowd.lost.Load())
			if code := l.cmd.ProcessState.ExitCode(); code != 0 || took > 20*time.Second {
				t.Errorf("It ends after %v with %d:\n%s", took, code, l.out)
			}
			if !tt.dead && answered != heldQueries {
				t.Errorf("%d of the %d queries are answered that it had read", answered, heldQueries)
			}
		})
	}
}

// heldQueries are under way when a server is told to end.
const heldQueries = 100 // more than there are workers

// newEnding starts a resolver with a front that is about to end.
func newEnding(t *testing.T, up *holding, lameduck string) *linked {
	t.Helper()
	l, health := &linked{metrics: freeAddress(t)}, ""
	if lameduck != "" {
		health = "health " + freeAddress(t) + " {\n lameduck " + lameduck + "\n }"
	}
	corefile := fmt.Sprintf(".:{$PORT} {\n bind 127.0.0.1\n prometheus %s\n %s\n nonudify {\n block blocked.example\n front on\n }\n forward . %s\n}\n", l.metrics, health, serveBoth(t, up))
	file := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(file, []byte(corefile), 0o644); err != nil {
		t.Fatal(err)
	}
	l.process = run(t, file)
	l.steered(t)
	return l
}

// hold has queries wait for the upstream, and returns what waits for their answers
// and says how many have come.
func (l *linked) hold(t *testing.T, up *holding, patience time.Duration) func() int {
	t.Helper()
	var answered atomic.Int64
	var waiting sync.WaitGroup
	for range heldQueries {
		waiting.Go(func() {
			c := dns.Client{Timeout: patience}
			if reply, _, err := c.Exchange(new(dns.Msg).SetQuestion("held.test.", dns.TypeA), net.JoinHostPort("127.0.0.1", l.port)); err == nil && reply.Rcode == dns.RcodeSuccess {
				answered.Add(1)
			}
		})
	}
	err := poll(func() error {
		if n := up.held.Load(); n < heldQueries {
			return fmt.Errorf("%d of %d wait", n, heldQueries)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() int {
		waiting.Wait()
		return int(answered.Load())
	}
}

// closing waits until the server shows no front any more: it is about to close.
func (l *linked) closing(t *testing.T) {
	t.Helper()
	err := poll(func() error {
		if n, err := metricAt(l.metrics, "coredns_nonudify_front_steered"); err == nil && n > 0 {
			return errors.New("there still is a front")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// leaving is clients of a server that is about to end, who know another one. Each
// asks one query after the other until the first does not answer any more.
type leaving struct {
	t                       *testing.T
	first, second           string
	clients                 sync.WaitGroup
	answered, refused, lost atomic.Int64
}

const leavingClients = 6

func newLeaving(t *testing.T, first, second string) *leaving {
	l := &leaving{t: t, first: first, second: second}
	for n := range leavingClients {
		l.clients.Go(func() { l.client(n) })
	}
	return l
}

func (l *leaving) client(n int) {
	conn, err := dns.Dial("udp", l.first)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer conn.Close()
	for at := 0; ; at++ {
		name := fmt.Sprintf("n%d.c%d.%s.", at, n, []string{"blocked.example", "good.test"}[at%2])
		c := dns.Client{Timeout: 3 * time.Second}
		reply, _, err := c.ExchangeWithConn(new(dns.Msg).SetQuestion(name, dns.TypeA), conn)
		if err == nil {
			l.answered.Add(1)
			l.check(name, reply)
			continue
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			l.refused.Add(1)
		} else {
			l.lost.Add(1)
		}
		if reply, _, err = c.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), l.second); err != nil {
			l.t.Error(err)
			return
		}
		l.check(name, reply)
		return
	}
}

func (l *leaving) check(name string, reply *dns.Msg) {
	if denied := reply.Rcode == dns.RcodeNameError; denied != strings.Contains(name, "blocked") || !denied && reply.Rcode != dns.RcodeSuccess {
		l.t.Errorf("%v is the answer to %s", reply, name)
	}
}

// await waits until so many more are answered.
func (l *leaving) await(t *testing.T, more int64) {
	t.Helper()
	want := l.answered.Load() + more
	err := poll(func() error {
		if n := l.answered.Load(); n < want {
			return fmt.Errorf("%d answers, want %d", n, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
