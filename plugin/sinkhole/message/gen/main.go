// Command gen packs the catalogues of package message, TAG.json, into the file
// that programs carry, catalogues.zst: a line "TAG<tab>JSON" for each, in the
// order of their names, as one zstd frame (RFC 8878). Descriptions, which are
// for translators, are left out.
//
// It reads and writes the directory that is its only argument, the working
// directory without one. The same catalogues give the same bytes, whenever and
// wherever it runs, for as long as the packing library stays the same.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const archiveFile = "catalogues.zst"

var errNone = errors.New("no TAG.json is there")

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run returns the exit code: 0 written, 1 a catalogue is wrong, 2 wrong use.
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

// update makes the archive of dir anew, or leaves it as it is.
func update(dir string) error {
	text, err := join(os.DirFS(dir))
	if err != nil {
		return err
	}
	archive, err := pack(text)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, archiveFile), archive, 0o644)
}

// join returns the lines of all catalogues.
func join(dir fs.FS) ([]byte, error) {
	names, err := fs.Glob(dir, "*.json")
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		return nil, errNone
	}
	var all bytes.Buffer
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		all.WriteString(strings.TrimSuffix(name, ".json") + "\t")
		if err := addCatalogue(&all, text); err != nil {
			return nil, fmt.Errorf("%s:%w", name, err)
		}
	}
	return all.Bytes(), nil
}

// addCatalogue writes a catalogue as one line. An error begins with the number
// of the line that is wrong.
func addCatalogue(w io.Writer, text []byte) error {
	var messages map[string]any
	if err := json.Unmarshal(text, &messages); err != nil {
		return fmt.Errorf("%d: %w", lineOf(text, err), err)
	}
	for _, m := range messages {
		if forms, ok := m.(map[string]any); ok {
			delete(forms, "description")
		}
	}
	e := json.NewEncoder(w) // sorts the keys, and ends the line
	e.SetEscapeHTML(false)
	return e.Encode(messages)
}

// lineOf returns the line at which JSON was found to be wrong.
func lineOf(text []byte, err error) int {
	at := 0
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = int(syntax.Offset)
	case errors.As(err, &kind):
		at = int(kind.Offset)
	}
	return 1 + bytes.Count(text[:min(at, len(text))], []byte("\n"))
}

// pack compresses as well as the library can. How many processors there are does
// not show in what comes out.
func pack(text []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return w.EncodeAll(text, nil), nil
}
