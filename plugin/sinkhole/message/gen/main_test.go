package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// tree is a small set of catalogues beside other files.
var tree = map[string]string{
	"en.json":       "{\n  \"title\": {\"description\": \"A heading\", \"other\": \"This <b> & that\"},\n  \"a\": \"First\"\n}\n",
	"pt-BR.json":    "{\"title\": \"Isto\", \"a\": {\"one\": \"{{.Count}} só\", \"other\": \"\"}}",
	"languages.tsv": "tag\n",
}

const treeLines = "en\t{\"a\":\"First\",\"title\":{\"other\":\"This <b> & that\"}}\n" +
	"pt-BR\t{\"a\":{\"one\":\"{{.Count}} só\",\"other\":\"\"},\"title\":\"Isto\"}\n"

// plant writes files into a new directory.
func plant(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// made runs the generator and returns the archive.
func made(t *testing.T, dir string) []byte {
	t.Helper()
	if code := run([]string{dir}, t.Output()); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	archive, err := os.ReadFile(filepath.Join(dir, archiveFile))
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func TestRunWrites(t *testing.T) {
	archive := made(t, plant(t, tree))
	z, err := zstd.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if got, err := io.ReadAll(z); err != nil || string(got) != treeLines {
		t.Errorf("got %q, %v, want %q", got, err, treeLines)
	}
}

// TestReproducible packs the catalogues of the page several times, over what the
// last time left.
func TestReproducible(t *testing.T) {
	files := map[string]string{}
	names, err := filepath.Glob("../*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no catalogues (%v)", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = string(text)
	}
	dir := plant(t, files)
	first := made(t, dir)
	for range 3 {
		if !bytes.Equal(made(t, dir), first) {
			t.Fatal("the same catalogues give other bytes")
		}
	}
}

func TestRunRefuses(t *testing.T) {
	if code := run([]string{"a", "b"}, io.Discard); code != 2 {
		t.Errorf("two directories: exit code %d, want 2", code)
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"none":      {nil, errNone.Error()},
		"syntax":    {map[string]string{"de.json": "{\n  \"a\": \"A\",\n  \"b\" \"B\"\n}\n"}, "de.json:3: invalid character"},
		"cut off":   {map[string]string{"de.json": "{\n  \"a\": \"A\""}, "de.json:2: unexpected end"},
		"empty":     {map[string]string{"de.json": ""}, "de.json:1: unexpected end"},
		"no object": {map[string]string{"de.json": "\n[\"a\"]"}, "de.json:2: json: cannot unmarshal array"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := plant(t, test.files)
			if err := os.WriteFile(filepath.Join(dir, archiveFile), []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			var stderr strings.Builder
			if code := run([]string{dir}, &stderr); code != 1 || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("exit code %d, %q, want %q", code, stderr.String(), test.want)
			}
			if got, err := os.ReadFile(filepath.Join(dir, archiveFile)); err != nil || string(got) != "old" {
				t.Errorf("the archive was changed: %q, %v", got, err)
			}
		})
	}
}
