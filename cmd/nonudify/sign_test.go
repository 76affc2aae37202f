package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/set"
)

// goodHeader is that of a list without a fault.
const goodHeader = "# List-ID: demo.lists.example # Serial: 2026112201 # Entries: 1\n" +
	"# Issued: 2020-01-01T00:00:00Z # Expires: 2999-12-06T00:00:00Z\n"

// newKey makes a key without a passphrase, in a directory of its own.
func newKey(t *testing.T) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "test")
	if code, _, stderr := tool(t, nil, "keygen", "-nopass", "-o", name); code != fine {
		t.Fatal(stderr)
	}
	return name
}

// TestPassphraseLimit reads a passphrase as long as may be, and none that is
// longer: the minisign program would cut it.
func TestPassphraseLimit(t *testing.T) {
	longest := strings.Repeat("x", maxPassphrase)
	for text, want := range map[string]error{
		longest: nil, longest + "\n": nil, longest + "\r\nmore": nil, "p\r\n": nil,
		longest + "x": errLongPassphrase, longest + "x\n": errLongPassphrase, "": errNoPassphrase, "\r\n": errNoPassphrase, "\nx": errNoPassphrase,
	} {
		got, err := firstLine(strings.NewReader(text), "test")
		if line, _, _ := strings.Cut(text, "\n"); !errors.Is(err, want) || err == nil && got != strings.TrimSuffix(line, "\r") {
			t.Errorf("%d bytes, %.5q: %d bytes, %v", len(text), text, len(got), err)
		}
	}
}

// TestKeyFileLimit reads a key file as large as may be, and none that is larger.
func TestKeyFileLimit(t *testing.T) {
	name := newKey(t)
	text, err := os.ReadFile(name + ".key")
	if err != nil {
		t.Fatal(err)
	}
	list := write(t, "good.txt", goodHeader+"badsite.example\n")
	for extra, want := range map[int]int{0: fine, 1: wrong} {
		padded := append(bytes.Clone(text), bytes.Repeat([]byte("\n"), maxKeyFile-len(text)+extra)...)
		if err := os.WriteFile(name+".key", padded, 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := tool(t, nil, "sign", "-key", name+".key", list)
		if code != want || (code == wrong) != strings.HasSuffix(stderr, "test.key: is larger than 4.0 KiB\n") {
			t.Errorf("%d bytes: code %d, stderr %q", len(padded), code, stderr)
		}
	}
}

// TestLongestSignature makes the largest signature there can be, which
// resolvers must still read.
func TestLongestSignature(t *testing.T) {
	name := newKey(t)
	header := strings.Replace(goodHeader, "demo.lists.example", strings.Repeat("i", list.MaxID), 1)
	path := write(t, strings.Repeat("f", 255-len(signatureSuffix)-10), header+"badsite.example\n")
	comment := strings.Repeat("c", maxComment)
	if code, _, stderr := tool(t, nil, "sign", "-key", name+".key", "-comment", comment+"c", path); code != wrong {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
	if code, stdout, stderr := tool(t, nil, "sign", "-key", name+".key", "-comment", comment, path); code != fine {
		t.Fatal(stdout, stderr)
	}
	text, err := os.ReadFile(path + signatureSuffix)
	if err != nil || len(text) > feed.MaxSignature {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if code, stdout, stderr := tool(t, nil, "verify", "-key", name+".pub", path); code != fine || !strings.Contains(stdout, comment) {
		t.Error(stdout, stderr)
	}
}

// TestPacked signs what is published, packed as it is, and judges what is in it.
func TestPacked(t *testing.T) {
	name := newKey(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(goodHeader + "badsite.example\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	good := write(t, "good.txt.gz", packed.String())
	cut := write(t, "cut.txt.gz", packed.String()[:packed.Len()-6])
	if code, stdout, stderr := tool(t, nil, "sign", "-key", name+".key", good, cut); code != finding ||
		!strings.Contains(stdout, cut+": not signed\n    finding     would be refused: ") {
		t.Error(code, stdout, stderr)
	}
	if code, stdout, _ := tool(t, nil, "verify", "-key", name+".pub", good); code != fine || !strings.Contains(stdout, "serial      2026112201\n") {
		t.Error(code, stdout)
	}
	if code, _, stderr := tool(t, nil, "sign", "-force", "-key", name+".key", cut); code != fine || !strings.Contains(stderr, "signed all the same") {
		t.Error(code, stderr)
	}
	if code, stdout, _ := tool(t, nil, "verify", "-key", name+".pub", cut); code != finding || !strings.Contains(stdout, "signed, and has faults") {
		t.Error(code, stdout)
	}
}

// TestChangedMeanwhile has another list stand where a good one was.
func TestChangedMeanwhile(t *testing.T) {
	name := newKey(t)
	path := write(t, "good.txt", goodHeader+"badsite.example\n")
	if code, _, stderr := tool(t, nil, "sign", "-key", name+".key", path); code != fine {
		t.Fatal(stderr)
	}
	signature, err := os.ReadFile(path + signatureSuffix)
	if err != nil {
		t.Fatal(err)
	}
	key, err := publicKey(name + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	e := &env{now: time.Now, bar: &progress{now: time.Now}}
	v := &verified{File: path}
	if err := v.read(e, []feed.Key{key}, signature); err != nil || v.Rules != 1 {
		t.Fatal(v, err)
	}
	v = &verified{File: write(t, "good.txt", goodHeader+"other.example\n")}
	if err := v.read(e, []feed.Key{key}, signature); err == nil || v.Rules != 0 {
		t.Error(v, err)
	}
}

// TestContradictions moves the clock over the dates of a header.
func TestContradictions(t *testing.T) {
	issued := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	expires := time.Date(2026, 12, 6, 0, 0, 0, 0, time.UTC)
	for now, want := range map[time.Time]string{
		issued.Add(-clockSkew - time.Second): "issued on 2026-11-22T00:00:00Z, which is still to come",
		issued.Add(-clockSkew):               "", issued: "", expires: "",
		expires.Add(time.Second): "expired on 2026-12-06T00:00:00Z",
	} {
		l := &feed.List{Header: list.Header{Issued: issued, Expires: expires}, Set: new(set.Set)}
		got := contradictions(l, now)
		if len(got) > 1 || (len(got) == 0) != (want == "") || len(got) == 1 && !strings.HasPrefix(got[0], want) {
			t.Errorf("at %v: %q", now, got)
		}
	}
	l := &feed.List{Header: list.Header{Issued: expires, Expires: issued}, Set: new(set.Set)}
	if got := contradictions(l, expires); len(got) != 1 || got[0] != "expires before it is issued" {
		t.Errorf("got %q", got)
	}
}

// TestKeygenPair makes keys that belong together, each another.
func TestKeygenPair(t *testing.T) {
	seen := map[uint64]bool{}
	for range 3 {
		name := newKey(t)
		e := &env{stderr: os.Stderr, bar: &progress{}}
		key, err := e.secretKey(name+".key", "")
		if err != nil {
			t.Fatal(err)
		}
		pub, err := publicKey(name + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		if !pub.Equal(key.Public().(minisign.PublicKey)) || seen[key.ID()] {
			t.Errorf("key %016X, public %016X", key.ID(), pub.ID())
		}
		seen[key.ID()] = true
	}
}

// TestSumsLimit reads a file of sums as large as may be, and none that is larger.
func TestSumsLimit(t *testing.T) {
	line := strings.Repeat("0", 64) + "  "
	longest := line + strings.Repeat("x", maxSums-len(line)-1) + "\n"
	if all, err := readSums(strings.NewReader(longest), "sums"); err != nil || len(all) != 1 {
		t.Error(len(all), err)
	}
	if _, err := readSums(strings.NewReader(longest+"\n"), "sums"); err == nil || !strings.Contains(err.Error(), "is larger than") {
		t.Error(err)
	}
}
