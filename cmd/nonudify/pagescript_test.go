package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

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
	s, address, err := startPage(ts.MkAbs("."), args...)
	if s != nil {
		ts.Value(pageKey{}).(*pageOf).served = s
		ts.Defer(func() { s.end(os.Kill) })
	}
	ts.Check(err)
	ts.Setenv("PAGE", address)
}

// startPage starts a program that serves the page, in a directory and with these
// flags, and returns its address once it says so. A program that has said something
// else and ended is returned with an error.
func startPage(dir string, flags ...string) (s *served, address string, err error) {
	s = &served{read: make(chan struct{})}
	s.cmd = exec.Command("nonudify", append([]string{"page", "-listen", "127.0.0.1:0"}, flags...)...)
	s.cmd.Dir = dir
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, "", err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, "", err
	}
	r := bufio.NewReader(stderr)
	address, err = readAddress(r)
	go func() {
		defer close(s.read)
		_, _ = s.rest.ReadFrom(r) // until the program has ended
	}()
	return s, address, err
}

// readAddress reads up to the line that says where the page is.
func readAddress(r *bufio.Reader) (string, error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("no address: %w, last line %q", err, line)
		}
		if address := pageAddress.FindStringSubmatch(line); address != nil {
			return address[1], nil
		}
	}
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
	if s == nil {
		ts.Fatalf("there is no page to end")
	}
	if err := s.end(signals[args[0]]); err != nil || s.rest.Len() > 0 {
		ts.Fatalf("after SIG%s: %v, %q", args[0], err, s.rest.String())
	}
}

// TestPageEndsAtOnce holds that a script whose page does not start fails, and does
// not wait for ever.
func TestPageEndsAtOnce(t *testing.T) {
	s, _, err := startPage(t.TempDir(), "-reason", "whim")
	if err == nil || s == nil {
		t.Fatalf("%v, %v", s, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.end(os.Kill) }()
	select {
	case err := <-ended:
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
			t.Errorf("%v, want the exit code of wrong use", err)
		}
	case <-time.After(time.Minute):
		t.Error("the end of a program that has ended is waited for")
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
