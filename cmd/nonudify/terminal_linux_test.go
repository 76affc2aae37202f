package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// person sits at a pseudo-terminal at which a program runs.
type person struct {
	t        *testing.T
	keyboard *os.File
	tty      *os.File
	cmd      *exec.Cmd

	mu    sync.Mutex
	more  *sync.Cond
	seen  bytes.Buffer
	after bool // the echo was on when the program had ended
}

// theEnd is on the screen behind everything that the program wrote.
const theEnd = "#END#"

// sitDown starts the program at a terminal of its own.
func sitDown(t *testing.T, args ...string) *person {
	t.Helper()
	p := &person{t: t, cmd: exec.Command("nonudify", args...)}
	p.more = sync.NewCond(&p.mu)
	p.open()
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.tty, p.tty, p.tty
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.watch()
	go p.wait()
	return p
}

// open opens both ends of a pseudo-terminal.
func (p *person) open() {
	p.t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		p.t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		p.t.Fatal(err)
	}
	p.keyboard = keyboard
	if p.tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.tty.Close() })
}

// watch reads the screen until the terminal is closed.
func (p *person) watch() {
	buf := make([]byte, 1024)
	for {
		n, err := p.keyboard.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.seen.Write(buf[:n])
		p.more.Broadcast()
		p.mu.Unlock()
	}
}

// wait waits for the program to end, and then has theEnd shown.
func (p *person) wait() {
	_ = p.cmd.Wait() // the exit code tells
	s, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Error(err)
		return
	}
	p.after = s.Lflag&unix.ECHO != 0
	s.Lflag |= unix.ECHO
	err = unix.IoctlSetTermios(int(p.tty.Fd()), unix.TCSETS, s)
	if err == nil {
		_, err = io.WriteString(p.keyboard, theEnd+"\r")
	}
	if err != nil {
		p.t.Error(err)
	}
}

// waitFor waits until the screen shows a text.
func (p *person) waitFor(text string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !strings.Contains(p.seen.String(), text) {
		if strings.Contains(p.seen.String(), theEnd) {
			p.t.Fatalf("no %q on the screen: %q", text, p.seen.String())
		}
		p.more.Wait()
	}
}

// hidden waits until what is typed is not shown any more: the prompt comes
// a moment before.
func (p *person) hidden() {
	p.t.Helper()
	for {
		s, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
		if err != nil {
			p.t.Fatal(err)
		}
		if s.Lflag&unix.ECHO == 0 {
			return
		}
		p.mu.Lock()
		ended := strings.Contains(p.seen.String(), theEnd)
		p.mu.Unlock()
		if ended {
			p.t.Fatalf("the program has ended: %q", p.seen.String())
		}
	}
}

func (p *person) typ(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.keyboard, text); err != nil {
		p.t.Fatal(err)
	}
}

// leave waits for the program to end and returns its exit code and the screen.
func (p *person) leave() (int, string) {
	p.t.Helper()
	p.waitFor(theEnd)
	if !p.after {
		p.t.Error("the echo is off")
	}
	return p.cmd.ProcessState.ExitCode(), p.seen.String()
}

// TestHidden types two passphrases, and sees neither.
func TestHidden(t *testing.T) {
	name := filepath.Join(t.TempDir(), "test")
	p := sitDown(t, "keygen", "-o", name)
	p.waitFor("nonudify: passphrase for " + name + ".key: ")
	p.hidden()
	p.typ("correct horse\r")
	p.waitFor("nonudify: the same again: ")
	p.hidden()
	p.typ("correct house\r")
	code, screen := p.leave()
	if code != wrong || strings.Contains(screen, "correct") || !strings.Contains(screen, errMismatch.Error()) {
		t.Errorf("code %d, screen %q", code, screen)
	}
}

// TestInterrupted ends the program while it waits for a passphrase: the
// terminal is as it was, and there is no key.
func TestInterrupted(t *testing.T) {
	for _, end := range []func(*person){
		func(p *person) { p.typ("\x03") }, // Ctrl-C
		func(p *person) { _ = p.cmd.Process.Signal(syscall.SIGTERM) },
		func(p *person) { _ = p.cmd.Process.Signal(syscall.SIGHUP) },
	} {
		name := filepath.Join(t.TempDir(), "test")
		p := sitDown(t, "keygen", "-o", name)
		p.waitFor("passphrase for")
		p.hidden()
		end(p)
		code, screen := p.leave()
		if code != wrong || !strings.Contains(screen, "nonudify: interrupted\r\n") {
			t.Errorf("code %d, screen %q", code, screen)
		}
		if left, _ := os.ReadDir(filepath.Dir(name)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// TestInitTerminal answers the questions of init at a terminal.
func TestInitTerminal(t *testing.T) {
	dir := t.TempDir()
	p := sitDown(t, "init", "-o", dir, "-state", dir+"/state", "-upstream", "192.0.2.1", "-country", "AT", "-page", "off", "family")
	for _, answer := range []string{"127.0.0.1\r", "192.0.2.9\r", "DE\r", "\r"} {
		p.waitFor("] ")
		p.mu.Lock()
		p.seen.Reset() // of what is asked next, the same is awaited
		p.mu.Unlock()
		p.typ(answer)
	}
	code, screen := p.leave()
	text, err := os.ReadFile(filepath.Join(dir, "Corefile"))
	if code != fine || err != nil || !strings.Contains(string(text), "forward . 192.0.2.9 ") || !strings.Contains(string(text), "country DE ") {
		t.Errorf("code %d, %v, screen %q\n%s", code, err, screen, text)
	}
}
