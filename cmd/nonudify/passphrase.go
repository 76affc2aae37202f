package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/term"
)

// maxPassphrase is the length of a passphrase in bytes up to which the minisign
// program reads it as a whole.
const maxPassphrase = 1022

// Errors about a passphrase.
var (
	errNoPassphrase   = errors.New("the passphrase is empty")
	errLongPassphrase = fmt.Errorf("the passphrase is longer than %d bytes", maxPassphrase)
	errMismatch       = errors.New("the two passphrases are not the same")
	errInterrupted    = errors.New("interrupted")
)

// passphrase returns the passphrase of a key: the first line of a file, "-" for
// the standard input, or, without a file, what the person at the terminal types.
// One for a new key is asked for twice. It is never taken from the command line
// or from the environment, which others on the machine may see.
func (e *env) passphrase(file, key string, again bool) (string, error) {
	if file != "" {
		return e.passphraseIn(file)
	}
	t, err := openTerminal()
	if err != nil {
		return "", fmt.Errorf("no terminal to ask for the passphrase of %s, and no -passfile: %w", key, err)
	}
	defer t.close()
	first, err := t.ask("passphrase for " + key)
	if err != nil || !again {
		return first, err
	}
	second, err := t.ask("the same again")
	if err == nil && second != first {
		err = errMismatch
	}
	return first, err
}

// passphraseIn returns the first line of a file.
func (e *env) passphraseIn(file string) (string, error) {
	if file == "-" {
		return firstLine(e.stdin, "the standard input")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	e.warnOpen(f)
	return firstLine(f, file)
}

func firstLine(r io.Reader, name string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxPassphrase+2)) // with the end of its line
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	p, err := checkPassphrase(bytes.TrimSuffix(line, []byte("\r")))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func checkPassphrase(p []byte) (string, error) {
	switch {
	case len(p) == 0:
		return "", errNoPassphrase
	case len(p) > maxPassphrase:
		return "", errLongPassphrase
	}
	return string(p), nil
}

// warnOpen warns of a secret that others on the machine can read. Windows keeps
// its permissions elsewhere.
func (e *env) warnOpen(f *os.File) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || runtime.GOOS == "windows" {
		return
	}
	if p := info.Mode().Perm(); p&0o077 != 0 {
		e.note("warning: %s can be read or written by others (mode %#o): chmod 600 %[1]s", f.Name(), p)
	}
}

// terminal is the one at which the program was started, wherever its standard
// input and output go.
type terminal struct{ in, out *os.File }

func openTerminal() (*terminal, error) {
	if runtime.GOOS != "windows" {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		return &terminal{tty, tty}, err
	}
	in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile("CONOUT$", os.O_RDWR, 0)
	if err != nil {
		in.Close()
		return nil, err
	}
	return &terminal{in, out}, nil
}

func (t *terminal) close() {
	t.in.Close()
	t.out.Close()
}

// ask reads a passphrase that is not shown while it is typed.
func (t *terminal) ask(prompt string) (string, error) {
	fmt.Fprintf(t.out, "nonudify: %s: ", prompt)
	line, err := t.readHidden()
	fmt.Fprintln(t.out)
	if errors.Is(err, io.EOF) {
		return "", errNoPassphrase
	}
	if err != nil {
		return "", err
	}
	return checkPassphrase(line)
}

// readHidden reads a line with the echo off. A signal must not leave it off.
func (t *terminal) readHidden() ([]byte, error) {
	fd := int(t.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	type result struct {
		line []byte
		err  error
	}
	done := make(chan result, 1)
	go func() { // after a signal it ends with the program
		line, err := term.ReadPassword(fd)
		done <- result{line, err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-signals:
		return nil, errors.Join(errInterrupted, term.Restore(fd, before))
	}
}
