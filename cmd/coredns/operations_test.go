//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// The tests in this file hold docs/operations.md against the program.

// TestQueriesLogNothing: however much is asked, the log stays as it was.
func TestQueriesLogNothing(t *testing.T) {
	t.Parallel()
	p := run(t, corefileOf(t, ".:{$PORT} {\n bind 127.0.0.1\n nonudify {\n  block blocked.example\n  bypass canary\n }\n forward . "+newUpstream(t).addr+"\n}\n"))
	until(t, func() error { // the lines with the version are the last of the start
		if !regexp.MustCompile(`, go1\.\d+`).MatchString(p.out.String()) {
			return fmt.Errorf("not started yet: %s", p.out)
		}
		return nil
	})
	before := p.out.String()
	names := []string{"www.blocked.example.", "good.example.", "use-application-dns.net."}
	for _, network := range []string{"udp", "tcp"} {
		conn, err := dns.DialTimeout(network, net.JoinHostPort("127.0.0.1", p.port), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		for i := range 1000 {
			if err := conn.WriteMsg(new(dns.Msg).SetQuestion(names[i%len(names)], dns.TypeA)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ReadMsg(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if after := p.out.String(); after != before {
		t.Errorf("The log was\n%s\nand is now\n%s", before, after)
	}
}

// corefileOf writes a Corefile into a directory of its own.
func corefileOf(t *testing.T, corefile string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(name, []byte(corefile), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestLogJSON: with -log-format json each line is an object, from the first to the last,
// also that of a start that fails.
func TestLogJSON(t *testing.T) {
	t.Parallel()
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	corefile := corefileOf(t, ".:0 {\n bind 127.0.0.1\n nonudify {\n  block "+filepath.Join(t.TempDir(), "block.txt")+"\n }\n}\n")
	list := regexp.MustCompile(`/\S+block\.txt`).FindString(readFile(t, corefile))
	if got := levels(t, program, corefile); got["FATAL"] == 0 {
		t.Errorf("A start that fails: %v", got)
	}
	if err := os.WriteFile(list, []byte("badsite.example\ncom\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := levels(t, program, corefile); got["INFO"] == 0 || got["WARN"] == 0 || got["FATAL"] != 0 {
		t.Errorf("A list with a line that is refused: %v", got)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// levels starts the resolver, ends it once it has started, and counts the lines of its
// log by their level.
func levels(t *testing.T, program, corefile string) map[string]int {
	t.Helper()
	var out syncBuffer
	cmd := exec.Command(program, "-conf", corefile, "-log-format", "json")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err := poll(func() error {
		if log := out.String(); !strings.Contains(log, "CoreDNS-") && !strings.Contains(log, "FATAL") {
			return fmt.Errorf("not started: %s", log)
		}
		return nil
	})
	cmd.Process.Signal(syscall.SIGTERM)
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for line := range strings.Lines(out.String()) {
		var object struct{ Time, Level, Msg string }
		d := json.NewDecoder(strings.NewReader(line))
		if err := d.Decode(&object); err != nil || object.Level == "" || object.Msg == "" || object.Time == "" {
			t.Errorf("%q: %v", line, err)
		}
		found[object.Level]++
	}
	return found
}

// TestLogLines: docs/operations.md has every line that the plugin can write, with its
// level, and none that it cannot.
func TestLogLines(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../plugin/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			source.WriteString(readFile(t, file))
		}
	}
	verbs := regexp.MustCompile(`%[a-z]`)
	said := map[string]bool{}
	for _, m := range regexp.MustCompile(`log\.(Info|Warning|Error)f\("(.*?)",? ?`).FindAllStringSubmatch(source.String(), -1) {
		said[strings.ToLower(m[1])+" "+verbs.ReplaceAllString(m[2], "…")] = true
	}
	if len(said) < 25 {
		t.Fatalf("Only %d lines found in the source: %v", len(said), said)
	}
	text := verbs.ReplaceAllString(source.String(), "…")
	for _, m := range regexp.MustCompile("(?m)^\\| (info|warning|error) \\| `(.*?)` \\|").FindAllStringSubmatch(readFile(t, "../../docs/operations.md"), -1) {
		if line := m[1] + " " + m[2]; !said[line] && !strings.Contains(text, strings.TrimSuffix(m[2], "…")) {
			t.Errorf("docs/operations.md has a line that nobody writes: %s", line)
		} else {
			delete(said, line)
		}
	}
	for line := range said {
		t.Errorf("docs/operations.md does not have %q", line)
	}
}

// TestTapFrames: what the dnstap plugin hands out, as two programs of others read it. It is
// what docs/operations.md warns of: without "full" the address of the client, with it also
// the name.
func TestTapFrames(t *testing.T) {
	t.Parallel()
	installed(t, "fstrm_capture")
	for mode, named := range map[string]bool{"full": true, "": false} {
		frames := captured(t, mode)
		for what, want := range map[string]bool{"CQ 127.0.0.9:": true, "CR 127.0.0.9:": true, "UDP": true, "www.badsite.example/IN/A": named} {
			if got := strings.Contains(frames, what); got != want {
				t.Errorf("dnstap %s: %q is in its frames: %v, want %v\n%s", mode, what, got, want, frames)
			}
		}
	}
}

// captured returns what dnstap-read says of the frames of queries from 127.0.0.9.
func captured(t *testing.T, mode string) (frames string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "tap") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	capture := exec.Command("fstrm_capture", "-t", "protobuf:dnstap.Dnstap", "-u", socket, "-w", filepath.Join(dir, "%s.fs"), "-s", "1", "--gmtime")
	if err := capture.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { capture.Process.Kill(); capture.Wait() })
	if err := poll(func() error { _, err := os.Stat(socket); return err }); err != nil {
		t.Fatal(err)
	}
	i := start(t, ".:0 {\n bind 127.0.0.1\n dnstap "+socket+" "+mode+"\n nonudify {\n  block badsite.example\n }\n}\n")
	defer stop(i)
	udp, _ := addrs(i)
	until(t, func() error { // a file is whole once a frame has come a second later
		if got := verdictOn("udp", udp, "127.0.0.9", "www.badsite.example."); got != "NXDOMAIN 17" {
			t.Errorf("The query was answered with %s", got)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.fs"))
		if err != nil || len(files) < 3 {
			return fmt.Errorf("%d files: %v", len(files), err)
		}
		slices.Sort(files)
		frames = client(t, "dnstap-read", files[0]) + client(t, "dnstap-read", files[1])
		if !strings.Contains(frames, "CR ") {
			return fmt.Errorf("no reply in %s", frames)
		}
		return nil
	})
	return frames
}

// TestConsolidatedErrors: errors can be told to say how many there were, and no name.
func TestConsolidatedErrors(t *testing.T) {
	t.Parallel()
	corefile := guideBlock(t, "operations.md", "corefile", "consolidate")
	i := start(t, swapped(t, corefile, ".:53 {", ".:0 {\n bind 127.0.0.1", "5m", "1s", "9.9.9.9", freeAddress(t)))
	defer stop(i)
	udp, _ := addrs(i)
	if got := verdictOn("udp", udp, "127.0.0.1", unsaid+".good.example."); got != "SERVFAIL" {
		t.Fatalf("The query was answered with %s", got)
	}
	until(t, func() error {
		if lines := logged.with("errors like '.*' occurred"); !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "1 errors") }) {
			return fmt.Errorf("the log says %q", lines)
		}
		return nil
	})
}
