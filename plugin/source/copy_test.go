package source

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
)

// newCopy returns a Copy in an own directory, which is unlocked in the end.
func newCopy(t *testing.T) *Copy {
	c := &Copy{Dir: filepath.Join(t.TempDir(), "var", "state"), Source: "https://lists.example/nudify.txt"}
	t.Cleanup(func() { closed(t, c.unlocker()) })
	return c
}

// unlocker makes a closer of a Copy.
func (c *Copy) unlocker() io.Closer { return unlocker{c} }

type unlocker struct{ c *Copy }

func (u unlocker) Close() error { return u.c.Unlock() }

// save saves data as a copy.
func save(t *testing.T, c *Copy, data []byte, m Meta) {
	t.Helper()
	s := c.Spool(0)
	defer closed(t, s)
	fill(t, s, data)
	if err := c.Save(s, m); err != nil {
		t.Fatalf("Save: %v", err)
	}
}

// loaded returns what a copy holds, read twice.
func loaded(t *testing.T, c *Copy) ([]byte, Meta) {
	t.Helper()
	s, err := c.Load()
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	defer closed(t, s)
	data, err := io.ReadAll(s.Reader())
	if err != nil {
		t.Fatal(err)
	}
	again, err := io.ReadAll(s.Reader())
	if !bytes.Equal(data, again) || err != nil {
		t.Errorf("The second time %d bytes are read, %v, the first time %d", len(again), err, len(data))
	}
	if int64(len(data)) != s.Size {
		t.Errorf("Size %d, read %d", s.Size, len(data))
	}
	return data, s.Meta
}

var exampleMeta = Meta{
	Version:   "\"an <etag>\" Sun, 22 Nov 2026 00:00:00 GMT",
	From:      "https://mirror.example/nudify.txt",
	Modified:  time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
	Fetched:   time.Date(2026, 11, 22, 3, 4, 5, 678901234, time.UTC),
	Signature: []byte("untrusted comment: …\nRWQ\n\x00\xff"),
	Timers:    Timers{Refresh: time.Hour, Retry: time.Minute, Expire: 7 * 24 * time.Hour},
	Serial:    4294967295,
	ListID:    "nudify.example.org",
	Entries:   100,
}

func TestCopy(t *testing.T) {
	for _, size := range []int{0, 1, 100_000} {
		c := newCopy(t)
		if _, err := c.Load(); !errors.Is(err, ErrNoCopy) {
			t.Errorf("Load before the first Save: %v", err)
		}
		data := noise(uint64(size), size)
		save(t, c, data, exampleMeta)
		other := &Copy{Dir: c.Dir, Source: c.Source} // as after a restart
		if got, m := loaded(t, other); !bytes.Equal(got, data) || !reflect.DeepEqual(m, exampleMeta) {
			t.Errorf("Loaded %d bytes, %+v, want %d, %+v", len(got), m, len(data), exampleMeta)
		}
		save(t, c, data[:size/2], Meta{Serial: 7})
		if got, m := loaded(t, other); !bytes.Equal(got, data[:size/2]) || !reflect.DeepEqual(m, Meta{Serial: 7}) {
			t.Errorf("Loaded %d bytes, %+v of the second edition, want %d", len(got), m, size/2)
		}
		if left := files(t, c.Dir, "*"); len(left) != 2 { // and the lock
			t.Errorf("In the directory are %v", left)
		}
	}
}

// TestCopyText: a copy can be read with the eye and with tail.
func TestCopyText(t *testing.T) {
	c := newCopy(t)
	save(t, c, []byte("one.example\n"), exampleMeta)
	text, err := os.ReadFile(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	if string(text[8192:]) != "one.example\n" {
		t.Errorf("Behind the header stands %q", text[8192:])
	}
	form := regexp.MustCompile(`^nonudify copy 1\n\{"source":"[0-9a-f]{64}","size":12,"sum":"[0-9a-f]{64}","version":.*\}\n *\n[0-9a-f]{64}\n$`)
	if !form.Match(text[:8192]) {
		t.Errorf("The header is %q", bytes.TrimSpace(text[:8192]))
	}
}

// TestCopyOpened: what was loaded stays what it is when another edition is saved.
func TestCopyOpened(t *testing.T) {
	c := newCopy(t)
	save(t, c, []byte("one.example\n"), Meta{})
	s, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	save(t, c, []byte("two.example\n"), Meta{})
	if got, err := io.ReadAll(s.Reader()); string(got) != "one.example\n" || err != nil {
		t.Errorf("Read %q, %v", got, err)
	}
	if got, _ := loaded(t, c); string(got) != "two.example\n" {
		t.Errorf("Loaded %q", got)
	}
}

func TestCopySpoolSaved(t *testing.T) {
	c := newCopy(t)
	s := c.Spool(0)
	fill(t, s, []byte("one.example\n"))
	if err := c.Save(s, Meta{}); err != nil {
		t.Fatal(err)
	}
	holds(t, s, []byte("one.example\n"))
	if _, err := s.Write([]byte("two.example\n")); err == nil {
		t.Error("Wrote into the copy")
	}
	if err := c.Save(s, Meta{Serial: 2}); err == nil {
		t.Error("Wrote a header into the copy")
	}
	closed(t, s)
	if err := c.Save(s, Meta{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Save of a closed spool: %v", err)
	}
	if got, m := loaded(t, c); string(got) != "one.example\n" || m.Serial != 0 {
		t.Errorf("Loaded %q, %+v", got, m)
	}
}

// TestCopyAdopts saves spools that have their bytes elsewhere.
func TestCopyAdopts(t *testing.T) {
	c, other := newCopy(t), newCopy(t)
	data := noise(5, 100_000)
	for i, s := range []*Spool{NewSpool(t.TempDir(), 0), other.Spool(0)} {
		fill(t, s, data[i:])
		if err := c.Save(s, Meta{}); err != nil {
			t.Fatal(err)
		}
		if got, _ := loaded(t, c); !bytes.Equal(got, data[i:]) {
			t.Errorf("Loaded %d bytes", len(got))
		}
		closed(t, s)
	}
	for _, dir := range []string{c.Dir, other.Dir} {
		if left := files(t, dir, "*.tmp"); left != nil {
			t.Errorf("Left behind: %v", left)
		}
	}
}

// TestCopyAdoptsChanged: a temporary file that was changed from outside does not
// become a copy.
func TestCopyAdoptsChanged(t *testing.T) {
	c := newCopy(t)
	s := NewSpool(t.TempDir(), 0)
	defer closed(t, s)
	fill(t, s, []byte("one.example\n"))
	if _, err := s.file.WriteAt([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Save(s, Meta{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("Save: %v", err)
	}
	if left := files(t, c.Dir, "*.tmp"); left != nil {
		t.Errorf("Left behind: %v", left)
	}
}

// TestCopySaveFails makes every step of Save fail: the old copy stays as it was
// and nothing is left behind.
func TestCopySaveFails(t *testing.T) {
	tests := []struct {
		name  string
		meta  Meta
		spoil func(c *Copy, s *Spool)
		kept  bool // the temporary file, until the spool is closed
	}{
		{"too much beside the list", Meta{Signature: make([]byte, 6100)}, func(*Copy, *Spool) {}, true},
		{"a time that cannot be written", Meta{Modified: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, func(*Copy, *Spool) {}, true},
		{"writing the header", Meta{}, func(_ *Copy, s *Spool) { s.file = &smallDisk{spoolFile: s.file} }, false},
		{"syncing", Meta{}, func(_ *Copy, s *Spool) {
			s.file = s.temp.File
			s.temp.File, _ = os.Open(os.DevNull)
			s.temp.File.Close()
		}, false},
		{"renaming", Meta{}, func(_ *Copy, s *Spool) { os.Remove(filepath.Join(s.copy.Dir, s.temp.name)) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCopy(t)
			save(t, c, []byte("one.example\n"), Meta{Serial: 1})
			s := c.Spool(0)
			fill(t, s, []byte("two.example\n"))
			inner := s.temp.File
			tt.spoil(c, s)
			if err := c.Save(s, tt.meta); err == nil || !strings.HasPrefix(err.Error(), c.Path()+": ") {
				t.Errorf("Save: %v", err)
			}
			if got := files(t, c.Dir, "*.tmp"); (got != nil) != tt.kept {
				t.Errorf("Temporary files: %v", got)
			}
			if got, m := loaded(t, c); string(got) != "one.example\n" || m.Serial != 1 {
				t.Errorf("Loaded %q, %+v", got, m)
			}
			s.Close()
			inner.Close()
			if left := files(t, c.Dir, "*.tmp"); left != nil {
				t.Errorf("Left behind: %v", left)
			}
			save(t, c, []byte("two.example\n"), Meta{Serial: 2}) // all is well again
		})
	}
}

// TestCopyMetaFits: just so much fits beside a list as there is room for.
func TestCopyMetaFits(t *testing.T) {
	c := newCopy(t)
	meta := func(n int) Meta { return Meta{ListID: strings.Repeat("x", n)} }
	most := sort.Search(headerSize, func(n int) bool {
		_, err := header{Source: c.id(), Meta: meta(n + 1)}.encode()
		return err != nil
	})
	if most < 7500 {
		t.Errorf("Only %d bytes fit", most)
	}
	save(t, c, nil, meta(most))
	if _, m := loaded(t, c); m.ListID != meta(most).ListID {
		t.Errorf("Loaded %d of %d bytes", len(m.ListID), most)
	}
	s := c.Spool(0)
	defer closed(t, s)
	if err := c.Save(s, meta(most+1)); err == nil {
		t.Errorf("%d bytes fit", most+1)
	}
	if err := c.Save(s, Meta{}); err != nil {
		t.Errorf("Save after one that does not fit: %v", err)
	}
}

func TestCopyOddMeta(t *testing.T) {
	c := newCopy(t)
	save(t, c, nil, Meta{Version: "\xff", From: "https://user:secret@mirror.example/nudify.txt?token=secret#secret"})
	if _, m := loaded(t, c); m.Version != "" || m.From != "https://mirror.example/nudify.txt" {
		t.Errorf("Loaded %+v", m)
	}
}

// damagedCopy fails unless a copy is said to be damaged.
func damagedCopy(t *testing.T, c *Copy, what ...any) {
	t.Helper()
	s, err := c.Load()
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("%v: %v, want %v", what, err, ErrDamaged)
	}
}

// TestCopyTruncated cuts a copy off at every byte.
func TestCopyTruncated(t *testing.T) {
	c := newCopy(t)
	save(t, c, []byte("one.example\ntwo.example\n"), exampleMeta)
	info, err := os.Stat(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	for size := info.Size() - 1; size >= 0; size-- {
		if err := os.Truncate(c.Path(), size); err != nil {
			t.Fatal(err)
		}
		damagedCopy(t, c, "cut off at", size)
	}
}

// TestCopyFlipped changes one bit in each of many bytes, in every one where
// something stands, and appends.
func TestCopyFlipped(t *testing.T) {
	c := newCopy(t)
	save(t, c, noise(6, 3000), exampleMeta)
	text, err := os.ReadFile(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(c.Path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, f)
	put := func(b byte, at int) {
		if _, err := f.WriteAt([]byte{b}, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	for at, b := range text {
		if b == ' ' && at%16 != 0 {
			continue
		}
		put(b^1<<(at%8), at)
		damagedCopy(t, c, "bit", at%8, "of byte", at)
		put(b^0x20, at) // the other letter case
		damagedCopy(t, c, "bit 5 of byte", at)
		put(b, at)
	}
	loaded(t, c)
	put('\n', len(text))
	damagedCopy(t, c, "one more byte")
}

// TestCopyWords: the operator is told what is wrong.
func TestCopyWords(t *testing.T) {
	c := newCopy(t)
	spoil := func(name, want string, change func(b []byte) []byte) {
		t.Helper()
		save(t, c, []byte("one.example\n"), Meta{})
		text, err := os.ReadFile(c.Path())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.Path(), change(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Load(); err == nil || err.Error() != c.Path()+": the copy is damaged: "+want {
			t.Errorf("%s: %v, want … %s", name, err, want)
		}
	}
	spoil("empty", "it ends within its header", func([]byte) []byte { return nil })
	spoil("a list", `its first line is not "nonudify copy 1"`, func(b []byte) []byte { return bytes.Repeat([]byte("one.example\n"), 1000) })
	spoil("header", "the checksum of its header does not fit", func(b []byte) []byte { b[100]++; return b })
	spoil("body", "the checksum of the list does not fit", func(b []byte) []byte { b[8192]++; return b })
	spoil("cut off", "it has 11 bytes behind its header and should have 12", func(b []byte) []byte { return b[:len(b)-1] })
	spoil("no JSON", "its header cannot be read: invalid character 'x' looking for beginning of value", func(b []byte) []byte { return withHeader("x", b[8192:]) })
	spoil("short sum", "its header cannot be read: 2 digits are not a SHA-256", func(b []byte) []byte { return withHeader(`{"sum":"00"}`, b[8192:]) })
	other := &Copy{Dir: c.Dir, Source: c.Source + "2"}
	save(t, other, []byte("two.example\n"), Meta{})
	defer other.Unlock()
	foreign, err := os.ReadFile(other.Path())
	if err != nil {
		t.Fatal(err)
	}
	spoil("another list", "it is the copy of another list", func([]byte) []byte { return foreign })
}

// withHeader returns a copy with a header whose checksum fits, whatever it says.
func withHeader(text string, body []byte) []byte {
	b := bytes.Repeat([]byte(" "), headerSize)
	copy(b[copy(b, headerMagic):headerEnd], text)
	copy(b[headerEnd:], checksum(b))
	return append(b, body...)
}

func TestCopyLimit(t *testing.T) {
	c := newCopy(t)
	save(t, c, make([]byte, 1000), Meta{})
	c.MaxBytes = 1000
	loaded(t, c)
	c.MaxBytes = 999
	if _, err := c.Load(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Load: %v", err)
	}
	// A file of another size than its header says is not read at all.
	c.MaxBytes = 0
	if err := os.Truncate(c.Path(), 1<<30); err != nil {
		t.Skipf("No sparse files here: %v", err)
	}
	damagedCopy(t, c, "a gigabyte")
}

// TestCopyInPlace: only a regular file is a copy.
func TestCopyInPlace(t *testing.T) {
	c := newCopy(t)
	save(t, c, []byte("one.example\n"), Meta{})
	if err := os.Rename(c.Path(), c.Path()+".real"); err != nil {
		t.Fatal(err)
	}
	refused := func(name string) {
		t.Helper()
		if _, err := c.Load(); err == nil || !strings.HasSuffix(err.Error(), ": not a regular file") || errors.Is(err, ErrNoCopy) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Symlink(filepath.Base(c.Path())+".real", c.Path()); err != nil {
		t.Logf("No links on this file system: %v", err)
	} else {
		refused("A link")
		save(t, c, []byte("two.example\n"), Meta{}) // replaces the link, not where it leads to
		loaded(t, &Copy{Dir: c.Dir, Source: c.Source})
		if err := os.Remove(c.Path()); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(c.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	refused("A directory")
	s := c.Spool(0)
	if err := c.Save(s, Meta{}); err == nil {
		t.Error("Saved over a directory")
	}
	s.Close()
	refused("A directory")
}

func TestCopyNames(t *testing.T) {
	tests := []struct{ source, tail, public string }{
		{"https://lists.example/v2/nudify.txt", "lists.example-v2-nudify.txt", "https://lists.example/v2/nudify.txt"},
		{"https://user:secret@lists.example/nudify.txt?token=secret#secret", "lists.example-nudify.txt", "https://lists.example/nudify.txt"},
		{"HTTPS://Lists.Example:8443/Nudify_List.TXT", "lists.example-8443-nudify-list.txt", "https://Lists.Example:8443/Nudify_List.TXT"},
		{"axfr://[2001:db8::1]:53/rpz.example.?tsig=secret", "2001-db8-1-53-rpz.example.", "axfr://[2001:db8::1]:53/rpz.example."},
		{"https://user:se%cret@lists.example/nudify.txt", "list", "https://"},
		{"https://user:se cret@lists.example/nudify.txt", "list", "https://"},
		{"https://lists.example/a https://user:secret@lists.example/b", "list", "https://"},
		{"https://user:se/cret@lists.example/nudify.txt", "list", "https://"},
		{"/etc/coredns/../lists/ädult.txt", "etc-coredns-..-lists-dult.txt", "/etc/coredns/../lists/ädult.txt"},
		{"../../.hidden", "hidden", "../../.hidden"},
		{`C:\lists\nul`, "c-lists-nul", `C:\lists\nul`},
		{"", "list", ""},
		{"/" + strings.Repeat("a", 100) + "-b", strings.Repeat("a", 38) + "-b", "/" + strings.Repeat("a", 100) + "-b"},
	}
	for _, tt := range tests {
		c := Copy{Dir: "state", Source: tt.source}
		if got := Redact(tt.source); got != tt.public {
			t.Errorf("Redact(%q) = %q, want %q", tt.source, got, tt.public)
		}
		stem, hash := c.name()[:len(c.name())-17], c.name()[len(c.name())-17:]
		if stem != tt.tail || hash != "-"+c.id()[:16] || !stemForm.MatchString(c.name()) {
			t.Errorf("The name for %q is %s", tt.source, c.name())
		}
		if want := filepath.Join("state", c.name()+".list"); c.Path() != want {
			t.Errorf("Path() = %s, want %s", c.Path(), want)
		}
	}
	// The hash is of all of the source.
	a, b := Copy{Source: "https://lists.example/?a"}, Copy{Source: "https://lists.example/?b"}
	if a.name() == b.name() {
		t.Errorf("Two lists have the name %s", a.name())
	}
	if want := "4890f36943c1d281"; (&Copy{Source: "https://lists.example/"}).id()[:16] != want {
		t.Errorf("The hash is %s, want %s", (&Copy{Source: "https://lists.example/"}).id()[:16], want)
	}
}

// TestCopyConcurrent loads while editions are saved: always a complete one, and
// never one older than that before.
func TestCopyConcurrent(t *testing.T) {
	c := newCopy(t)
	const editions = 100
	edition := func(n int) []byte { return noise(uint64(n), 20_000+n) }
	save(t, c, edition(0), Meta{})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			other := &Copy{Dir: c.Dir, Source: c.Source}
			for last, loads := 0, 0; ; loads++ {
				select {
				case <-done:
					if loads == 0 {
						t.Error("Nothing was loaded")
					}
					return
				default:
				}
				s, err := other.Load()
				if err != nil {
					t.Errorf("Load: %v", err)
					return
				}
				data, err := io.ReadAll(s.Reader())
				if n := int(s.Serial); !bytes.Equal(data, edition(n)) || err != nil || n < last {
					t.Errorf("Edition %d after %d, %v", n, last, err)
				}
				last = int(s.Serial)
				s.Close()
			}
		})
	}
	for n := range editions {
		save(t, c, edition(n), Meta{Serial: uint32(n)})
	}
	close(done)
	wg.Wait()
}

// TestCopyMemory: neither spooling nor loading needs memory for a list.
func TestCopyMemory(t *testing.T) {
	c := newCopy(t)
	var before, after runtime.MemStats
	piece := make([]byte, 32<<10)
	runtime.ReadMemStats(&before)
	s := c.Spool(0)
	for range 512 {
		if _, err := s.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Save(s, Meta{}); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	l, err := c.Load()
	if err != nil {
		t.Fatal(err)
	}
	closed(t, l)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("16 MiB took %d bytes of memory", used)
	}
}
