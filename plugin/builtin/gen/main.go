// Command gen writes the two files of package builtin that are made from facts:
//
//	header.tsv, nudify.tsv, sources.tsv → nudify.txt, the built-in list
//	help.tsv → help.txt, the protected names of those who help
//
// It reads and writes the directory that is its only argument, the working
// directory without one. The same facts give the same bytes, whenever and
// wherever it runs.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run returns the exit code: 0 written, 1 the facts are wrong, 2 wrong use.
func run(args []string, stderr io.Writer) int {
	dir := "."
	switch len(args) {
	case 0:
	case 1:
		dir = args[0]
	default:
		fmt.Fprintln(stderr, "gen: usage: gen [directory]")
		return 2
	}
	if err := update(dir); err != nil {
		fmt.Fprintln(stderr, "gen:", err)
		return 1
	}
	return 0
}

// update makes the files of dir anew, or leaves all of them as they are.
func update(dir string) error {
	made, err := generate(os.DirFS(dir))
	if err != nil {
		return err
	}
	old, err := os.ReadFile(filepath.Join(dir, listFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := checkSerial(old, made[listFile]); err != nil {
		return err
	}
	for file, text := range made {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// checkSerial refuses a changed list whose serial is not above that of the old
// one: whoever has the old bytes would never take the new ones.
func checkSerial(old, made []byte) error {
	if len(old) == 0 || bytes.Equal(old, made) {
		return nil
	}
	if o, m := serialOf(old), serialOf(made); m <= o {
		return fmt.Errorf("%w: %s has %s, %s gives %s", errSerialUsed, listFile, o, headerFile, m)
	}
	return nil
}

// serialOf returns the digits of a list's serial. Those of two lists that this
// command wrote are of one length, so they compare as text.
func serialOf(list []byte) string {
	_, rest, _ := bytes.Cut(list, []byte("# Serial: "))
	serial, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(serial)
}
