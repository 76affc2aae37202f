package nonudify

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"
)

// TestReplacedSetIsFreed: once another edition is in force, nothing holds on to
// the one before: not the handler, the feed or the metrics.
func TestReplacedSetIsFreed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.txt")
	publish := func(name string, age time.Duration) {
		if err := os.WriteFile(file, []byte(name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	publish("first.example", 2*time.Hour)
	n := handler(t, "list "+file)
	r := n.sources.lists[0]
	list, set, policy := weak.Make(r.Value()), weak.Make(r.Value().Set), weak.Make(n.policy.Load())
	if reply, _ := ask(t, n, question("first.example.")); reply.Rcode != dns.RcodeNameError {
		t.Fatalf("The first edition is not in force: %v", reply)
	}
	publish("second.example", time.Hour)
	if change, err := r.Refresh(context.Background()); err != nil || !change.New {
		t.Fatalf("Refresh: %+v, %v", change, err)
	}
	if reply, _ := ask(t, n, question("second.example.")); reply.Rcode != dns.RcodeNameError {
		t.Fatalf("The second edition is not in force: %v", reply)
	}
	for range 10 { // what a stack still held is gone with the next collection
		runtime.GC()
		if list.Value() == nil && set.Value() == nil && policy.Value() == nil {
			return
		}
	}
	t.Errorf("Still held: list %v, set %v, policy %v", list.Value() != nil, set.Value() != nil, policy.Value() != nil)
}

func question(name string) *dns.Msg { return test.Case{Qname: name, Qtype: dns.TypeA}.Msg() }
