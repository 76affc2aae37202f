//go:build unix

package primary

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/set"
)

// inFile returns a content with its rules in a file that is mapped, and what cuts that off
// in its middle.
func inFile(t *testing.T, rules string) (c Content, cut func()) {
	t.Helper()
	c = content(t, rules)
	var b bytes.Buffer
	if err := listSet(t, rules).Compile(&b, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "list.compiled")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	memory, err := syscall.Mmap(int(f.Fd()), 0, b.Len(), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(memory) })
	s, _, err := set.Open(memory, set.OpenConfig{Mapped: path})
	if err != nil {
		t.Fatal(err)
	}
	c.Rules = policy.New(policy.Config{Lists: []policy.List{{Name: "l", Set: s}}}).Flat("")
	half := b.Len() / 2 / os.Getpagesize() * os.Getpagesize() // the rest of a page could be read, as zeros
	return c, func() {
		if err := os.Truncate(path, int64(half)); err != nil {
			t.Fatal(err)
		}
	}
}

// numbered returns rules for so many names.
func numbered(n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "block subtree a-long-label-%d.example,", i*7919)
	}
	return b.String()
}

// names is a number of them that takes several pages.
const names = 8_000

// TestDamagedContent: of a list that cannot be read to its end no edition is made, be
// it the first one or a later one.
func TestDamagedContent(t *testing.T) {
	for _, first := range []bool{true, false} {
		var seen events
		p := &published{t: t, pool: Pool{Report: seen.report}}
		p.Share = p.pool.Acquire(Config{Origin: origin}, nil)
		t.Cleanup(func() { p.pool.Release(p.Share) })
		serial := uint32(0)
		if !first {
			serial = p.say(content(t, "block exact a.example"))
		}
		c, cut := inFile(t, numbered(names))
		cut()
		if got := p.say(c); got != serial {
			t.Errorf("Serial %d, with half of the names, after %d", got, serial)
		}
		if n := seen.count(func(e Event) bool { return errors.Is(e.Err, ErrUnread) }); n != 1 {
			t.Errorf("It was told %d times", n)
		}
		mended := content(t, numbered(names))
		p.say(mended)
		f := &follower{t: t}
		if f.refresh(p.Share); !maps.Equal(f.records, model(mended)) {
			t.Errorf("Afterwards it has %d records", len(f.records))
		}
	}
}

// TestDamagedEdition: of an edition that cannot be read any more nobody gets a part for
// the whole, and what is made of it is not said to be what has changed.
func TestDamagedEdition(t *testing.T) {
	p := newPublished(t, t.TempDir())
	zero := p.say(content(t, ""))
	c, cut := inFile(t, numbered(names))
	first := p.say(c)
	f := &follower{t: t}
	f.refresh(p.Share)
	ch, err := p.Transfer(0)
	if err != nil {
		t.Fatal(err)
	}
	<-ch // it is under way
	cut()
	var last dns.RR
	for rrs := range ch {
		last = rrs[len(rrs)-1]
	}
	if _, whole := soaSerial(last); whole {
		t.Error("A transfer that was cut off looks complete")
	}
	if got := p.Status().Transfers; got[Full] != 1 || got[Aborted] != 1 {
		t.Errorf("Counted %v", got)
	}
	if _, err := p.Transfer(0); !errors.Is(err, ErrUnread) {
		t.Errorf("The next one: %v", err)
	}
	if rrs := fetch(t, p.Share, zero); len(rrs) < names {
		t.Errorf("What has changed, which is in memory, has %d records", len(rrs))
	}
	ask := func(name string, qtype uint16) *dns.Msg { return p.Reply(new(dns.Msg).SetQuestion(name, qtype)) }
	if m := ask("a-long-label-0.example."+origin, dns.TypeCNAME); m != nil {
		t.Errorf("Asked for a name:\n%v", m)
	}
	if m := ask(origin, dns.TypeSOA); m == nil || len(m.Answer) != 1 {
		t.Errorf("Asked for the serial:\n%v", m)
	}
	if got := p.say(content(t, numbered(names))); got != first {
		t.Errorf("The same names, read once more, have serial %d, not %d", got, first)
	}
	if f.refresh(p.Share); f.full != 1 || f.partly != 0 {
		t.Errorf("A secondary got them again: %d, %d", f.full, f.partly)
	}
	if len(fetch(t, p.Share, 0)) < names {
		t.Error("There is no transfer afterwards")
	}
}

// TestDamagedBefore: the names that were in a list that cannot be read are not left with
// a secondary when the next edition is without them.
func TestDamagedBefore(t *testing.T) {
	p := newPublished(t, "")
	c, cut := inFile(t, numbered(names))
	p.say(c)
	f := &follower{t: t}
	f.refresh(p.Share)
	cut()
	next := content(t, numbered(names-10))
	p.say(next)
	if f.refresh(p.Share); !maps.Equal(f.records, model(next)) {
		t.Errorf("The secondary has %d records, %d full and %d incremental transfers", len(f.records), f.full, f.partly)
	}
	if f.full != 2 {
		t.Error("What has changed was made of half of the names")
	}
}
