package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"
)

// footprint is what a process holds that a reload could leak.
type footprint struct {
	goroutines, files int
	heap              uint64
}

// measure returns the footprint once it has settled: what is being torn down
// is given its time, what leaks stays.
func measure() footprint {
	var f footprint
	collect()
	for range 100 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		open, _ := os.ReadDir("/proc/self/fd")
		now := footprint{runtime.NumGoroutine(), len(open), m.HeapAlloc}
		if now.goroutines == f.goroutines && now.files == f.files {
			return now
		}
		f = now
		<-time.After(20 * time.Millisecond)
	}
	return f
}

// collect frees what is not used any more, and what that alone has held: handlers
// hang on a cleanup of their instance, which runs after a collection.
func collect() {
	for range 2 {
		done := make(chan struct{})
		runtime.AddCleanup(new([64]byte), func(done chan struct{}) { close(done) }, done)
		runtime.GC()
		<-done
	}
}

// TestReloads restarts a server 50 times, half of the times with a Corefile
// that fails in one way or another, and holds what it has at the end against
// what it had after the first rounds. It answers all the while.
func TestReloads(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list.txt")
	var names strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&names, "site%d.example\n", i)
	}
	if err := os.WriteFile(list, []byte(names.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	good := ".:0 {\n bind 127.0.0.1\n nonudify {\n list " + list + "\n }\n}\n" +
		"example.org:0 {\n bind 127.0.0.1\n nonudify {\n list " + list + "\n action nodata\n }\n}\n"
	bad := []string{
		strings.Replace(good, "action nodata", "list "+dir+"/absent.txt", 1), // fails when it starts
		strings.Replace(good, "action nodata", "nonsense", 1),                // fails when it is parsed
		good + "example.net:0 {\n bind 127.0.0.1\n forward . not-an-address\n}\n",
		good + "example.net:0 {\n bind 192.0.2.1\n nonudify {\n list " + list + "\n }\n}\n", // fails when it listens
	}
	i := start(t, good)
	defer func() { stop(i) }()
	var before footprint
	for round := range 50 {
		corefile, want := good, true
		if round%2 == 1 {
			corefile, want = bad[round/2%len(bad)], false
		}
		next, err := i.Restart(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
		if (err == nil) != want {
			t.Fatalf("Round %d: %v\n%s", round, err, corefile)
		}
		i = next
		up(t, i)
		blocked(t, i, "www.site199999.example.")
		if round == 9 {
			before = measure()
		}
	}
	after := measure()
	t.Logf("After 10 rounds %+v, after 50 %+v", before, after)
	if after.goroutines > before.goroutines+2 || after.files > before.files+2 {
		t.Errorf("Reloads leak: %+v, then %+v", before, after)
	}
	if grown := int64(after.heap) - int64(before.heap); grown > 2<<20 { // two copies of the list are more
		t.Errorf("Reloads leak %d bytes", grown)
	}
}

func blocked(t *testing.T, i *caddy.Instance, name string) {
	t.Helper()
	udp, _ := addrs(i)
	c := dns.Client{Timeout: 5 * time.Second, Dialer: &net.Dialer{Timeout: 5 * time.Second}}
	reply, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), udp)
	if err != nil || reply.Rcode != dns.RcodeNameError {
		t.Fatalf("%s: %v %v", name, reply, err)
	}
}

// TestFailedFirstReload: a server without the plugin is reloaded into one with
// it, which fails. Nobody tells the plugin, and still nothing may stay behind
// for longer than until it is started the next time.
func TestFailedFirstReload(t *testing.T) {
	const plain, with = ".:0 {\n bind 127.0.0.1\n whoami\n}\n", ".:0 {\n bind 127.0.0.1\n nonudify\n}\n"
	const failing = with + "example.net:0 {\n bind 192.0.2.1\n}\n"
	restart := func(i *caddy.Instance, corefile string, want bool) *caddy.Instance {
		next, err := i.Restart(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
		if (err == nil) != want {
			t.Fatalf("%v\n%s", err, corefile)
		}
		up(t, next)
		return next
	}
	i := start(t, plain)
	defer func() { stop(i) }()
	i = restart(i, with, true)
	i = restart(i, plain, true)
	before := measure()
	for range 10 {
		i = restart(i, failing, false)
	}
	i = restart(i, with, true)
	i = restart(i, plain, true)
	if after := measure(); after.goroutines > before.goroutines || after.files > before.files {
		t.Errorf("Failed reloads leak: %+v, then %+v", before, after)
	}
}
