package main

import (
	"fmt"
	"testing"

	"aead.dev/minisign"
)

// TestStolenKey: whoever has a key can have a forged edition taken, and with a serial far
// ahead keep honest ones out. Once the key is taken out of the Corefile, nothing that it
// has signed counts any more: neither the edition in use, nor its serial. It is what
// docs/security.md tells subscribers to do.
func TestStolenKey(t *testing.T) {
	t.Parallel()
	up, p, dir := newUpstream(t), newPublisher(t), t.TempDir()
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	stolen := p.public
	p.public = public
	without := p.list("refresh 1s", p.plain()) + "\n state " + dir
	with := p.list(fmt.Sprintf("key %s refresh 1s", stolen), p.plain()) + "\n state " + dir
	const forged = 2_000_000_000
	p.publish(edition(forged)) // the thief still signs with it
	s := serve(t, up, with)
	s.until("edition2000000000.example", denies)
	if err := s.reload(block(up, without)); err == nil {
		t.Error("A reload that could have only what the stolen key has signed")
	}
	s.want("edition2000000000.example", denies) // so whoever has nothing else takes the list out
	p.private = private
	p.publish(edition(2))
	untilFailing(t, p.name, "serial")
	if err := s.reload(block(up, without)); err != nil {
		t.Fatal(err)
	}
	s.want("edition2.example", denies, "edition2000000000.example", passes)
	untilMetric(t, p.name, "serial", 2)
}
