package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/source"
	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// TestReloadAddsList: a reload that adds a list waits for it. One that cannot be
// had refuses the reload, and the old server goes on; one that can be had is
// there from the first query on.
func TestReloadAddsList(t *testing.T) {
	t.Parallel()
	up, p := newUpstream(t), newPublisher(t)
	s := serve(t, up, "block own.example")
	p.publish(edition(1))
	for name, strike := range map[string]func(){
		"refused":  func() { p.lead("127.0.0.2") },
		"status":   func() { p.reply(sourcetest.Reply{Status: 404}) },
		"unsigned": func() { p.signature(sourcetest.Text("")) },
		"page":     func() { p.reply(typed("text/html", page)) },
	} {
		strike()
		began := time.Now()
		err := s.reload(block(up, p.list("refresh 1s", p.plain())))
		if err == nil || strings.Contains(err.Error(), unsaid) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: refused after %v", name, took)
		}
		s.want("own.example", denies, "always.example", passes)
		p.heal(1)
	}
	if err := s.reload(block(up, p.list("refresh 1s", p.plain())+"\n block own.example")); err != nil {
		t.Fatal(err)
	}
	s.want("always.example", denies, "own.example", denies, "other.example", passes)
}

// TestReloadOpen: who lets queries pass until the lists are there does not wait
// for one that a reload adds.
func TestReloadOpen(t *testing.T) {
	t.Parallel()
	up, p := newUpstream(t), newPublisher(t)
	s := serve(t, up, "block own.example")
	p.lead("127.0.0.2")
	if err := s.reload(block(up, p.list("refresh 1s", p.plain())+"\n start open\n block own.example")); err != nil {
		t.Fatal(err)
	}
	s.want("own.example", denies, "always.example", passes)
	p.heal(1)
	s.until("always.example", denies, "own.example", denies)
}

// TestReloadKeepsList: a reload that keeps a list neither fetches it nor builds
// it again, and two server blocks that name it share it.
func TestReloadKeepsList(t *testing.T) {
	t.Parallel()
	up, p := newUpstream(t), newPublisher(t)
	p.publish(edition(1))
	list := p.list("refresh 1h", p.plain())
	both := func(action string) string {
		other := strings.Replace(block(up, list+"\n action "+action), ".:0", "example.org:0", 1)
		return block(up, list+"\n action "+action) + other
	}
	s := &serving{t, start(t, both("nxdomain"))}
	defer func() { stop(s.Instance) }()
	s.until("always.example", denies)
	untilRounds(t, p.name, "new", 1)
	built := series(t)[listSeries(p.name, "load_seconds")]
	for range 3 {
		for action, want := range map[string]string{"nodata": "NOERROR ede=17", "nxdomain": denies} {
			if err := s.reload(both(action)); err != nil {
				t.Fatal(err)
			}
			s.want("always.example", want, "other.example", passes)
		}
	}
	if n := p.Count(p.path()); n != 1 {
		t.Errorf("The list was fetched %d times", n)
	}
	if n := p.Count(p.path() + ".minisig"); n != 1 {
		t.Errorf("The signature was fetched %d times", n)
	}
	untilMetric(t, p.name, "load_seconds", built)
	if lines := logged.with("[INFO]", p.name, "22 rules"); len(lines) != 1 {
		t.Errorf("The log says %d times that the list was loaded", len(lines))
	}
}

// TestReloadFollowsLock: a reload that changes an option of a list makes it
// another feed, which takes over the copy on disk and its lock from the one
// before.
func TestReloadFollowsLock(t *testing.T) {
	t.Parallel()
	up, p, dir := newUpstream(t), newPublisher(t), t.TempDir()
	p.publish(edition(1))
	corefile := func(shrink int) string {
		return block(up, p.list(fmt.Sprint("refresh 1s shrink ", shrink), p.plain())+"\n state "+dir)
	}
	s := &serving{t, start(t, corefile(20))}
	s.until("always.example", denies)
	copied := &source.Copy{Dir: dir, Source: p.PlainAt("lists.example", p.path()) + "?token=" + unsaid}
	locked := func() error {
		err := copied.Lock()
		if err == nil {
			copied.Unlock()
			return fmt.Errorf("nobody has the lock of the copy")
		}
		if !errors.Is(err, source.ErrLocked) {
			return err
		}
		return nil
	}
	until(t, locked)
	if err := s.reload(corefile(50)); err != nil {
		t.Fatal(err)
	}
	s.want("always.example", denies)
	untilRounds(t, p.name, "unchanged", 2)
	untilMetric(t, p.name, "not_saved", 0)
	until(t, locked)
	p.publish(edition(2))
	s.until("edition2.example", denies)
	untilMetric(t, p.name, "not_saved", 0)
	if lines := logged.with("[WARNING]", p.name); len(lines) > 0 {
		t.Errorf("The log warns: %q", lines)
	}
	saved, err := copied.Load()
	if err != nil {
		t.Fatal(err)
	}
	if saved.Close(); saved.Serial != 2 {
		t.Errorf("The copy has serial %d", saved.Serial)
	}
	stop(s.Instance)
	if err := copied.Lock(); err != nil {
		t.Errorf("After the last server: %v", err)
	}
	copied.Unlock()
}

// TestReloadRefusedKeepsLock: the server that goes on after a reload was refused
// has its copy and lock as before.
func TestReloadRefusedKeepsLock(t *testing.T) {
	t.Parallel()
	up, p, dir := newUpstream(t), newPublisher(t), t.TempDir()
	p.publish(edition(1))
	good := block(up, p.list("refresh 1s", p.plain())+"\n state "+dir)
	s := serve(t, up, p.list("refresh 1s", p.plain())+"\n state "+dir)
	s.until("always.example", denies)
	bad := strings.Replace(good, "refresh 1s", "refresh 1s shrink 50", 1) + "example.net:0 {\n bind 192.0.2.1\n}\n"
	if err := s.reload(bad); err == nil {
		t.Fatal("An address that is not ours was taken")
	}
	s.want("always.example", denies)
	p.publish(edition(2))
	s.until("edition2.example", denies)
	untilMetric(t, p.name, "not_saved", 0)
	untilFailing(t, p.name, "none")
}

// TestApprove: an edition that was held back is taken once somebody approves it,
// soon and without a restart.
func TestApprove(t *testing.T) {
	t.Parallel()
	up, p, dir := newUpstream(t), newPublisher(t), t.TempDir()
	p.publish(edition(1))
	s := serve(t, up, p.list("refresh 1s", p.plain())+"\n state "+dir)
	s.until("always.example", denies)
	p.publish(editionOf("feed", 2, 5))
	untilFailing(t, p.name, "shrunk")
	s.want("edition1.example", denies, "edition2.example", passes)
	held, err := source.HeldIn(dir)
	if err != nil || len(held) != 1 {
		t.Fatalf("Held: %v, %v", held, err)
	}
	h, err := held[0].Held()
	if err != nil || h.Before != 22 || h.Entries != 7 || strings.Contains(fmt.Sprint(h), unsaid) {
		t.Fatalf("Held: %+v, %v", h, err)
	}
	if err := held[0].Approve(h.Sum); err != nil {
		t.Fatal(err)
	}
	s.until("edition2.example", denies, "edition1.example", passes)
	untilFailing(t, p.name, "none")
	if held, err := source.HeldIn(dir); err != nil || len(held) > 0 {
		t.Errorf("Still held: %v, %v", held, err)
	}
	p.publish(editionOf("feed", 3, 1))
	untilFailing(t, p.name, "shrunk")
	s.want("edition2.example", denies)
}

// TestReloadPatience: a list that comes too slowly refuses the reload after a
// while, with an error that says which one it is. Meanwhile and afterwards the
// old server answers.
func TestReloadPatience(t *testing.T) {
	t.Parallel()
	up, p := newUpstream(t), newPublisher(t)
	s := serve(t, up, "block own.example")
	old := *s
	p.reply(sourcetest.Reply{Body: []byte(edition(1)), Fault: sourcetest.Drip})
	refused := make(chan error, 1)
	go func() { refused <- s.reload(block(up, p.list("refresh 1s", p.plain()))) }()
	until(t, func() error {
		if p.Count(p.path()) == 0 {
			return errors.New("nobody asks for the list")
		}
		return nil
	})
	old.want("own.example", denies, "always.example", passes)
	select {
	case err := <-refused:
		if err == nil || !strings.Contains(err.Error(), p.name) {
			t.Errorf("The reload ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("The reload goes on for ever")
	}
	p.WaitClosed()
	s.want("own.example", denies, "always.example", passes)
}

// TestStopWhileFetching: who stops the server does not wait for the list.
func TestStopWhileFetching(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	together(t, map[string]sourcetest.Fault{"silent": sourcetest.Silent, "stalled": sourcetest.Stall, "drip": sourcetest.Drip},
		func(t *testing.T, f sourcetest.Fault) {
			p := newPublisher(t)
			p.reply(sourcetest.Reply{Body: []byte(edition(1)), Fault: f})
			s := &serving{t, start(t, block(up, p.list("", p.plain())))}
			until(t, func() error {
				if p.Count(p.path()) == 0 {
					return errors.New("nobody asks for the list")
				}
				return nil
			})
			s.want("always.example", waiting)
			began := time.Now()
			stop(s.Instance)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("Stopped after %v", took)
			}
			p.WaitClosed()
		})
}

// TestRoundUnderWay: neither a start nor a reload waits for a round that another
// server block, or the server before, has under way.
func TestRoundUnderWay(t *testing.T) {
	t.Parallel()
	up, p := newUpstream(t), newPublisher(t)
	p.reply(sourcetest.Reply{Fault: sourcetest.Silent})
	list := p.list("refresh 1s", p.plain()) + "\n start open"
	var blocks strings.Builder
	for _, zone := range []string{".", "one.test", "two.test", "three.test"} {
		blocks.WriteString(strings.Replace(block(up, list), ".:0", zone+":0", 1))
	}
	quickly := func(what string, f func()) {
		began := time.Now()
		if f(); time.Since(began) > 10*time.Second {
			t.Errorf("%s took %v", what, time.Since(began))
		}
	}
	asked := func(least int) {
		until(t, func() error {
			if n := p.Count(p.path()); n < least {
				return fmt.Errorf("the list was asked for %d times", n)
			}
			return nil
		})
	}
	s := &serving{t: t}
	quickly("The start", func() { s.Instance = start(t, blocks.String()) })
	defer func() { stop(s.Instance) }()
	asked(1)
	quickly("The reload", func() {
		if err := s.reload(blocks.String()); err != nil {
			t.Error(err)
		}
	})
	s.want("always.example", passes)
}
