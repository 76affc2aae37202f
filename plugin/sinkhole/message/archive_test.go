package message

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/language"
)

// sources returns the names of the catalogues that translators edit.
func sources(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no catalogues (%v)", err)
	}
	return files
}

// parsed returns the messages of a catalogue without what only translators read.
func parsed(t *testing.T, name string, text []byte) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, m := range all {
		if forms, ok := m.(map[string]any); ok {
			delete(forms, "description")
		}
	}
	return all
}

// TestArchive fails when a catalogue was changed and the archive was not made
// anew. It compares what they say and not the bytes of the archive, so that a new
// version of the packing library is no fault of a translator.
func TestArchive(t *testing.T) {
	const mend = "run go generate ./plugin/sinkhole/message"
	for _, file := range sources(t) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := unpack(strings.TrimSuffix(file, ".json"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !reflect.DeepEqual(parsed(t, file, packed), parsed(t, file, source)) {
			t.Errorf("%s is not what catalogues.zst holds: %s", file, mend)
		}
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all, err := z.DecodeAll([]byte(archive), nil)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(all)) {
		tag, _, _ := strings.Cut(line, "\t")
		if _, err := os.Stat(tag + ".json"); err != nil {
			t.Errorf("catalogues.zst holds %.20q, and there is no such file: %s", tag, mend)
		}
	}
}

// TestUnpackNone holds that a language without a catalogue is not looked for in
// the texts of another.
func TestUnpackNone(t *testing.T) {
	for _, tag := range []string{"", "xx", "e", "e\tn", "{}"} {
		if text, err := unpack(tag); err == nil || !strings.Contains(err.Error(), "go generate") {
			t.Errorf("%q: %.20q, %v", tag, text, err)
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	for _, l := range []Language{Languages()[0], Match(language.SimplifiedChinese)} { // near its beginning and its end
		b.Run(l.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				read(l.String())
			}
		})
	}
}
