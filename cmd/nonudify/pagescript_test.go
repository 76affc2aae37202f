package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// pageKey is where a script keeps the page that it serves.
type pageKey struct{}

// served is a program that serves the page.
type served struct {
	cmd  *exec.Cmd
	rest bytes.Buffer // what it writes to the standard error after its address
	read chan struct{}
}

var pageAddress = regexp.MustCompile(`^nonudify: help page at http://(127\.0\.0\.1:[0-9]+)/\n$`)

// servePage is a command of scripts that serves the page with these flags. It sets
// $PAGE to the address.
func servePage(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: page [FLAGS]")
	}
	s := &served{read: make(chan struct{})}
	s.cmd = exec.Command("nonudify", append([]string{"page", "-listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Dir = ts.MkAbs(".")
	stderr, err := s.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	ts.Value(pageKey{}).(*pageOf).served = s
	ts.Defer(func() { s.end(os.Kill) })
	r := bufio.NewReader(stderr)
	var address []string
	for address == nil {
		line, err := r.ReadString('\n')
		if err != nil {
			ts.Fatalf("no address: %v, last line %q", err, line)
		}
		address = pageAddress.FindStringSubmatch(line)
	}
	ts.Setenv("PAGE", address[1])
	go func() {
		defer close(s.read)
		_, _ = s.rest.ReadFrom(r) // until the program has ended
	}()
}

// pageOf is the page of a script.
type pageOf struct{ *served }

// end sends a signal and returns what comes of it. A program that has ended stays
// as it is.
func (s *served) end(signal os.Signal) error {
	if s.cmd.ProcessState != nil {
		return nil
	}
	_ = s.cmd.Process.Signal(signal) // it may have ended meanwhile
	<-s.read
	return s.cmd.Wait()
}

// endPage is a command of scripts that ends the page with a signal. Its exit code must
// be 0, and it must have written nothing more.
func endPage(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: endpage INT|TERM")
	}
	s := ts.Value(pageKey{}).(*pageOf).served
	if err := s.end(signals[args[0]]); err != nil || s.rest.Len() > 0 {
		ts.Fatalf("after SIG%s: %v, %q", args[0], err, s.rest.String())
	}
}

// get is a command of scripts that asks the page for a host with a browser's header,
// and writes status, header and body to the standard output.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: get HOST [NAME:VALUE]...")
	}
	q, err := http.NewRequest(http.MethodGet, "http://"+ts.Getenv("PAGE")+"/", nil)
	ts.Check(err)
	q.Host = args[0]
	q.Header.Set("Accept", "text/html,*/*;q=0.8")
	for _, field := range args[1:] {
		name, value, _ := strings.Cut(field, ":")
		q.Header.Set(name, value)
	}
	r, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
	ts.Check(err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	ts.Check(err)
	_, err = io.WriteString(ts.Stdout(), r.Status+"\n")
	ts.Check(err)
	ts.Check(r.Header.Write(ts.Stdout()))
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}
