package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
)

// checkEdition is a command of scripts that has what publish has written into a directory
// checked.
func checkEdition(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: edition DIR PUBKEY")
	}
	ts.Check(whole(ts.MkAbs(args[0]), ts.MkAbs(args[1])))
}

// whole returns an error when a file in a directory of a publisher's has no signature,
// or one that does not hold, or another sum. The program minisign, where it is
// installed, has a say in it.
func whole(dir, pub string) error {
	key, err := publicKey(pub)
	if err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	signed := 0
	for _, f := range files {
		if strings.HasSuffix(f.Name(), signatureSuffix) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%x  %s\n", sha256.Sum256(text), f.Name())
		if f.Name() != sumsName && !bytes.Contains(sums, []byte(line)) {
			return fmt.Errorf("%s: no line %q in %s", f.Name(), line, sums)
		}
		signature, err := os.ReadFile(filepath.Join(dir, f.Name()+signatureSuffix))
		if err != nil {
			return err
		}
		if _, err := feed.Verify(bytes.NewReader(text), signature, []feed.Key{key}); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		signed++
		if err := minisigned(filepath.Join(dir, f.Name()), pub); err != nil {
			return err
		}
	}
	if n := bytes.Count(sums, []byte("\n")) + 1; n != signed || signed != len(files)/2 {
		return fmt.Errorf("%d sums, %d signatures, %d files", n-1, signed, len(files))
	}
	return nil
}

// minisigned has the program minisign verify a file.
func minisigned(name, pub string) error {
	if ok, err := installed("installed:minisign"); !ok {
		return err
	}
	out, err := exec.Command("minisign", "-Q", "-V", "-p", pub, "-m", name).CombinedOutput()
	if err != nil {
		err = errors.Join(err, errors.New(string(out)))
	}
	return err
}

// publishing writes a key, and a source of n names that says where they are from. It
// returns the arguments of publish for both, but for the directory.
func publishing(t *testing.T, n int) []string {
	t.Helper()
	dir := t.TempDir()
	if code, _, stderr := tool(t, nil, "keygen", "-nopass", "-o", filepath.Join(dir, "lists")); code != fine {
		t.Fatal(stderr)
	}
	return []string{
		"publish", "-url", "https://lists.example/", "-key", filepath.Join(dir, "lists.key"), "-issued", "2026-01-02", "-serial", "next", publisherSource(t, n),
	}
}

// publisherSource writes a source of n names.
func publisherSource(t *testing.T, n int) string {
	t.Helper()
	text := "# List-ID: nudify.lists.example\n# Expires: 2999-12-06T00:00:00Z\n# Appeals: mailto:appeals@lists.example\n"
	entries, err := os.ReadFile(bigSource(t, n, "court"))
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "list.txt", text+string(entries))
}

// contents returns all files below a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if d.IsDir() {
			files[name] = ""
			return nil
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// succeed runs the tool, which must have nothing to complain of.
func succeed(t *testing.T, args ...string) {
	t.Helper()
	if code, stdout, stderr := tool(t, nil, args...); code != fine {
		t.Fatalf("%q: code %d: %s%s", args, code, stdout, stderr)
	}
}

// TestPublishReproducible makes two editions, one after the other, in two places, in
// other time zones and languages, from elsewhere: they are the same, byte for byte.
func TestPublishReproducible(t *testing.T) {
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	first, second := publishing(t, 20), publisherSource(t, 30)
	var dirs []string
	for _, env := range [][]string{{"TZ=UTC", "LC_ALL=C"}, {"TZ=Pacific/Kiritimati", "LC_ALL=tr_TR.UTF-8"}, {"TZ=America/Adak", "LANG=ar_EG"}} {
		dir := t.TempDir()
		for _, args := range [][]string{append(first, "-o", "public"), append(first, "-o", "public", second)} {
			if len(args) > len(first)+2 { // the other source, in the place of the first
				args = slices.Delete(args, len(first)-1, len(first))
			}
			cmd := exec.CommandContext(t.Context(), path, args...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		dirs = append(dirs, filepath.Join(dir, "public"))
	}
	want := contents(t, dirs[0])
	if !strings.Contains(want[changesText], "Edition 2026010202 of 2026-01-02 lists 30 names. Since edition 2026010201 of 2026-01-02 10 names were added.") {
		t.Errorf("%.300s", want[changesText])
	}
	for _, dir := range dirs[1:] {
		got := contents(t, dir)
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s is %.500q, and was %.500q", name, got[name], want[name])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d files, %d before", len(got), len(want))
		}
	}
}

// TestPublishKilled kills the program at different times. The list is that of the
// edition before or the new one, whole, and the next run makes the rest of it.
func TestPublishKilled(t *testing.T) {
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	args := publishing(t, 3000)
	before, after := filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "after")
	succeed(t, append(args[:len(args)-1:len(args)-1], "-o", before, publisherSource(t, 2900))...)
	old := contents(t, before)
	restore(t, after, old)
	start := time.Now()
	if msg, err := exec.CommandContext(t.Context(), path, append(args, "-o", after)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, msg)
	}
	took := time.Since(start)
	want := contents(t, after)
	killed := 0
	for i := range 10 {
		dir := filepath.Join(t.TempDir(), "public")
		restore(t, dir, old)
		cmd := exec.Command(path, append(args, "-o", dir)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(took*time.Duration(i+1)/12, func() { cmd.Process.Kill() })
		if cmd.Wait() != nil {
			killed++
		}
		timer.Stop()
		left := contents(t, dir)
		if text := left[clearName]; text != old[clearName] && text != want[clearName] {
			t.Errorf("run %d leaves %.200q", i, text)
		}
		succeed(t, append(args, "-o", dir)...)
		if got := contents(t, dir); !maps.Equal(got, want) {
			t.Errorf("run %d: the next one makes %v of %v", i, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(left)))
		}
	}
	if killed == 0 {
		t.Error("no run was killed") // the first has a twelfth of the time that is needed
	}
}

// restore writes files into a new directory.
func restore(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPublishHalfway has a renaming be the last one before the power fails. The next
// run finds the edition before, and makes the same one as if nothing had been.
func TestPublishHalfway(t *testing.T) {
	args := publishing(t, 4)
	before, after := filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "after")
	succeed(t, append(args[:len(args)-1:len(args)-1], "-o", before, publisherSource(t, 3))...)
	old := contents(t, before)
	restore(t, after, old)
	succeed(t, append(args, "-o", after)...)
	want := contents(t, after)
	for _, i := range []int{1, 2, 9, len(want) / 2, len(want) - 9, len(want) - 2, len(want) - 1} {
		dir := filepath.Join(t.TempDir(), "public")
		restore(t, dir, old)
		p := prepared(t, append(args[1:], "-o", dir))
		names, err := p.order()
		if err != nil || len(names) != len(want) {
			t.Fatalf("%d files: %v", len(names), err)
		}
		changed := 0
		for _, name := range names[:i] {
			if err := p.put(name, &changed); err != nil {
				t.Fatal(err)
			}
		}
		if p.close(); contents(t, dir)[clearName] != old[clearName] {
			t.Fatalf("after %d of %d files the list is another", i, len(names))
		}
		succeed(t, append(args, "-o", dir)...)
		if !maps.Equal(contents(t, dir), want) {
			t.Errorf("after %d of %d files the next run makes something else", i, len(names))
		}
	}
}

// TestPublishMirror has a mirror be asked in the middle of being brought up to date, in
// the order in which publish replaces files or in that of their names: whoever verifies
// the sums and the signatures always sees that it is not one edition.
func TestPublishMirror(t *testing.T) {
	args := publishing(t, 4)
	pub := strings.TrimSuffix(args[slices.Index(args, "-key")+1], ".key") + ".pub"
	public, mirror := filepath.Join(t.TempDir(), "public"), filepath.Join(t.TempDir(), "mirror")
	succeed(t, append(args[:len(args)-1:len(args)-1], "-o", public, publisherSource(t, 3))...)
	old := contents(t, public)
	p := prepared(t, append(args[1:], "-o", public))
	order, err := p.order()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.replace(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.close()
	now := contents(t, public)
	for _, names := range [][]string{order, slices.Sorted(maps.Keys(now))} {
		restore(t, mirror, old)
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return old[name] == now[name] }) // nudify.pub
		for i, name := range names {
			if err := os.WriteFile(filepath.Join(mirror, name), []byte(now[name]), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := whole(mirror, pub); (err == nil) != (i == len(names)-1) {
				t.Errorf("with %d of %d files, the last one %s: %v", i+1, len(names), name, err)
			}
		}
		if err := os.RemoveAll(mirror); err != nil {
			t.Fatal(err)
		}
	}
}

// prepared returns an edition that is made and not yet in its place.
func prepared(t *testing.T, args []string) *publication {
	t.Helper()
	p, e := commanded(t, args)
	if err := errors.Join(p.open(), p.precede(t.Context(), e), p.make(t.Context(), e)); err != nil {
		t.Fatal(err)
	}
	return p
}

// commanded returns an edition as the command line has it.
func commanded(t *testing.T, args []string) (*publication, *env) {
	t.Helper()
	var c publishFlags
	flags := flag.NewFlagSet("publish", flag.ContinueOnError)
	c.declare(flags)
	files, err := parse(flags, args)
	if err != nil || c.check(files) != nil {
		t.Fatal(err, c.check(files))
	}
	e := &env{stdout: io.Discard, stderr: io.Discard, now: time.Now, bar: &progress{now: time.Now}}
	p, err := c.publication()
	if err != nil {
		t.Fatal(err)
	}
	if p.secret, err = e.secretKey(c.key, ""); err != nil {
		t.Fatal(err)
	}
	if p.source, err = c.source(e, files[0]); err != nil {
		t.Fatal(err)
	}
	return p, e
}

// TestPublishInterrupted has somebody press Ctrl-C, at the beginning, while a list is
// written, and when all of them are: the edition before stays, and nothing else.
func TestPublishInterrupted(t *testing.T) {
	args := publishing(t, 2*watched)
	for _, when := range []string{"before", "while", "after"} {
		dir := filepath.Join(t.TempDir(), "public")
		succeed(t, append(args[:len(args)-1:len(args)-1], "-o", dir, publisherSource(t, 3))...)
		old := contents(t, dir)
		ctx, cancel := context.WithCancel(t.Context())
		p, e := commanded(t, append(args[1:], "-o", dir))
		if err := p.open(); err != nil {
			t.Fatal(err)
		}
		var err error
		switch when {
		case "before":
			cancel()
			err = errors.Join(p.precede(ctx, e), p.make(ctx, e))
		case "while":
			if err := p.precede(ctx, e); err != nil {
				t.Fatal(err)
			}
			err = p.stageBy(clearName, func(w io.Writer) error {
				_, err := p.write(ctx, e, cancelling{w, cancel}, list.WriteConfig{To: list.ToHosts, Header: p.header})
				return errors.Join(err, p.make(ctx, e))
			})
		case "after":
			if err := errors.Join(p.precede(ctx, e), p.make(ctx, e)); err != nil {
				t.Fatal(err)
			}
			cancel()
			_, err = p.replace(ctx)
		}
		if p.close(); !errors.Is(err, errStopped) || !maps.Equal(contents(t, dir), old) {
			t.Errorf("%s: %v, and there are %v", when, err, slices.Sorted(maps.Keys(contents(t, dir))))
		}
		cancel()
	}
}

// cancelling is a writer during whose writing somebody presses Ctrl-C.
type cancelling struct {
	io.Writer
	cancel func()
}

func (c cancelling) Write(p []byte) (int, error) {
	c.cancel()
	return c.Writer.Write(p)
}

// TestPublishAlone has a second run at the same time: it does nothing.
func TestPublishAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "public")
	args := append(publishing(t, 3), "-o", dir)
	p := prepared(t, args[1:])
	if code, _, stderr := tool(t, nil, args...); code != wrong || !strings.HasSuffix(stderr, "\nnonudify: "+dir+": another run is under way\n") {
		t.Errorf("code %d: %s", code, stderr)
	}
	if _, err := p.replace(t.Context()); err != nil {
		t.Error(err)
	}
	p.close()
	if left := contents(t, dir); len(left) != 2*(13+6) {
		t.Errorf("%d files: %v", len(left), slices.Sorted(maps.Keys(left)))
	}
}

// TestPublishFull: where the files do not fit, the edition before stays.
func TestPublishFull(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no limit on the size of files.")
	}
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "public")
	args := publishing(t, 3000)
	succeed(t, append(args[:len(args)-1:len(args)-1], "-o", dir, publisherSource(t, 3))...)
	old := contents(t, dir)
	msg, err := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `ulimit -f 16; exec "$0" "$@"`, path}, append(args, "-o", dir)...)...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != wrong || !strings.Contains(string(msg), "file too large") {
		t.Errorf("%v: %s", err, msg)
	}
	if !maps.Equal(contents(t, dir), old) {
		t.Errorf("left are %v", slices.Sorted(maps.Keys(contents(t, dir))))
	}
}

// fullDisk publishes a small edition on a disk of its own, then one that does not fit.
const fullDisk = `set -e
disk=$1; before=$2; small=$3; shift 3
mount -t tmpfs -o size=320k tmpfs "$disk"
"$@" -o "$disk/public" "$small" >/dev/null 2>&1
cp -R "$disk/public" "$before"
code=0; "$@" -o "$disk/public" "$LARGE" || code=$?
[ $code = 2 ]
diff -r "$disk/public" "$before"`

// TestPublishDiskFull does the same on a disk that is full.
func TestPublishDiskFull(t *testing.T) {
	if err := exec.Command("unshare", "-m", "true").Run(); err != nil {
		t.Skipf("Only root can have a small disk made, on Linux: %v", err)
	}
	path, err := plainTool()
	if err != nil {
		t.Fatal(err)
	}
	args := publishing(t, 3000)
	large := args[len(args)-1]
	sh := append([]string{"-m", "sh", "-c", fullDisk, "sh", t.TempDir(), filepath.Join(t.TempDir(), "before"), publisherSource(t, 3), path}, args[:len(args)-1]...)
	cmd := exec.CommandContext(t.Context(), "unshare", sh...)
	cmd.Env = append(os.Environ(), "LARGE="+large)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "no space left on device") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestPublishOtherKey warns of the key of the edition before as long as its file is not
// larger than one can be.
func TestPublishOtherKey(t *testing.T) {
	dir := t.TempDir()
	p, e := commanded(t, append(publishing(t, 1)[1:], "-o", dir))
	before, err := os.ReadFile(strings.TrimSuffix(publishing(t, 1)[4], ".key") + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]bool{len(before): true, maxKeyFile: true, maxKeyFile + 1: false} {
		text := append(bytes.Clone(before), bytes.Repeat([]byte("\n"), size-len(before))...)
		if err := os.WriteFile(filepath.Join(dir, pubName), text, 0o644); err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		e.stderr = &stderr
		if p.warnKey(e); strings.Contains(stderr.String(), "signed with key") != want {
			t.Errorf("%d bytes: %q", size, &stderr)
		}
	}
}

// TestSerialAfter has serials go on, round, and never back.
func TestSerialAfter(t *testing.T) {
	day := func(s string) time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct {
		before uint32
		issued string
		want   uint32
	}{
		{0, "2026-11-22", 2026112201},
		{7, "2026-11-22", 2026112201},
		{2026112101, "2026-11-22", 2026112201},
		{2026112201, "2026-11-22", 2026112202},
		{2026112299, "2026-11-22", 2026112300},
		{2026112300, "2026-11-23", 2026112301},
		{2026112205, "2026-11-21", 2026112206},
		{4294967295, "2026-11-22", 2026112201}, // newer by RFC 1982
		{4000000000, "2026-11-22", 4000000001},
		{4173595848, "2026-11-22", 4173595849}, // half the way round
	} {
		got := serialAfter(c.before, day(c.issued))
		if got != c.want || c.before != 0 && !rpz.Newer(got, c.before) {
			t.Errorf("%d, %s: got %d, want %d", c.before, c.issued, got, c.want)
		}
	}
	if got := serialAfter(4294967295, day("4200-01-01")); got != 1 {
		t.Errorf("got %d behind the last one", got)
	}
}

// TestPublishComments keeps what is known of as many entries as a source may have. One
// more, and nothing of it is published.
func TestPublishComments(t *testing.T) {
	m := &manuscript{plain: true, known: knownEntries{}, report: &report{}}
	comment := func() string { return `sources=press appeal=open:2026-01-02 note="for editors"` }
	for i := range maxHeld + 1 {
		if i == maxHeld && len(m.comments(commentsAll)) != maxHeld {
			t.Fatalf("%d entries: %d with comments", i, len(m.comments(commentsAll)))
		}
		m.see(rule.Rule{Name: dnsname.Name(fmt.Sprintf("x%d.example", i)), Action: rule.Block, Trigger: rule.Subtree}, i+1, comment, nil)
	}
	if got := m.comments(commentsAll); !m.over || got != nil {
		t.Errorf("one more: %v, %d with comments", m.over, len(got))
	}
}

// TestParseDays holds the life of an edition to its limit.
func TestParseDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1d": 24 * time.Hour, "14d": 14 * 24 * time.Hour, "3660d": maxDays * 24 * time.Hour,
		"0d": 0, "3661d": 0, "14": 0, "d": 0, "-1d": 0, "1.5d": 0, "99999999999999999999d": 0,
	} {
		if got, err := parseDays(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}
