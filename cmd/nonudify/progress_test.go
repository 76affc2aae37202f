package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// clock is a clock that a test moves.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func (c *clock) pass(d time.Duration) { c.Time = c.Add(d) }

// TestProgress draws after a second and then ten times a second at most.
func TestProgress(t *testing.T) {
	c := &clock{time.Unix(1, 0)}
	var term bytes.Buffer
	p := &progress{w: &term, now: c.now}
	p.start()
	p.label, p.total = "demo.txt", 1000
	step := func(d time.Duration, n int, want string) {
		t.Helper()
		term.Reset()
		c.pass(d)
		if p.add(n); term.String() != want {
			t.Errorf("drew %q, want %q", term.String(), want)
		}
	}
	step(patience-time.Millisecond, 100, "")
	step(time.Millisecond, 100, "\rdemo.txt [######------------------------]  20 %\x1b[K")
	step(frame-time.Millisecond, 100, "")
	step(time.Millisecond, 200, "\rdemo.txt [###############---------------]  50 %\x1b[K")
	step(frame, 600, "\rdemo.txt ["+strings.Repeat("#", barWidth)+"] 100 %\x1b[K") // the file grew
	term.Reset()
	p.clear()
	p.clear()
	if term.String() != "\r\x1b[K" {
		t.Errorf("cleared with %q", term.String())
	}
}

// TestProgressSize shows bytes where the whole is not known.
func TestProgressSize(t *testing.T) {
	p := &progress{now: time.Now}
	r := p.reader("stdin", io.NopCloser(strings.NewReader(strings.Repeat("x", 1536))))
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	if got := p.String(); got != "stdin 1.5 KiB" {
		t.Errorf("got %q", got)
	}
}

// TestProgressFile knows the size of a file, and cuts a long label.
func TestProgressFile(t *testing.T) {
	f, err := os.Open(write(t, "demo.txt", "badsite.example\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &progress{now: time.Now}
	p.reader(strings.Repeat("x", nameWidth)+"demo.txt", f)
	if p.total != 16 || p.label != "…"+strings.Repeat("x", nameWidth-8)+"demo.txt" {
		t.Errorf("total %d, label %q", p.total, p.label)
	}
}

// TestProgressNowhere draws nothing where there is no terminal.
func TestProgressNowhere(t *testing.T) {
	c := &clock{time.Unix(1, 0)}
	p := &progress{now: c.now}
	p.start()
	c.pass(time.Hour)
	p.add(1)
	if p.clear(); p.shown {
		t.Error("drew without a terminal")
	}
}

// TestBehindBar takes the bar away in front of other output.
func TestBehindBar(t *testing.T) {
	var term bytes.Buffer
	p := &progress{w: &term, now: time.Now, shown: true}
	if _, err := (behindBar{&term, p}).Write([]byte("result")); err != nil {
		t.Fatal(err)
	}
	if term.String() != "\r\x1b[Kresult" {
		t.Errorf("wrote %q", term.String())
	}
}

// TestNoteBehindBar takes the bar away in front of what is said, also by lint of one file
// while it goes on with the next.
func TestNoteBehindBar(t *testing.T) {
	for _, args := range [][]string{{"lint", "no-such-file"}, {"sign"}, {"no-such-verb"}} {
		var term bytes.Buffer
		e := &env{stdout: io.Discard, stderr: &term, now: time.Now, bar: &progress{w: &term, now: time.Now, shown: true}}
		if code := e.run(args); code != wrong || !strings.HasPrefix(term.String(), "\r\x1b[Knonudify: ") {
			t.Errorf("%v: code %d, %q", args, code, &term)
		}
	}
}

// TestIsTerminal takes neither files nor the null device for a terminal.
func TestIsTerminal(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(write(t, "out", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, w := range []io.Writer{null, file, new(bytes.Buffer)} {
		if isTerminal(w) {
			t.Errorf("%T is a terminal", w)
		}
	}
	if pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err == nil {
		defer pty.Close()
		if !isTerminal(pty) {
			t.Error("a pseudo-terminal is none")
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 20: "1.0 MiB", 5 << 40: "5120.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
