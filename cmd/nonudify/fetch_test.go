package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/directive"
	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/source"
	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// quietEnv is a world without a terminal.
func quietEnv(stderr *bytes.Buffer) *env {
	return &env{stdout: new(bytes.Buffer), stderr: stderr, now: time.Now, bar: &progress{now: time.Now}}
}

// remote is a server with a list that is signed.
type remote struct {
	*sourcetest.Server
	key, public string // the name of the key, and what stands in a Corefile of it
}

func newRemote(t *testing.T, text string) *remote {
	t.Helper()
	r := &remote{Server: sourcetest.New(t), key: newKey(t)}
	pub, err := publicKey(r.key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	r.public = pub.String()
	r.publish(t, text)
	return r
}

// property is that of a Corefile that names the list.
func (r *remote) property() string { return "list " + r.Plain("/a.txt") + " key " + r.public }

// publish puts a list and its signature on the server.
func (r *remote) publish(t *testing.T, text string) {
	t.Helper()
	path := write(t, "a.txt", text)
	if code, _, stderr := tool(t, nil, "sign", "-force", "-key", r.key+".key", path); code != fine {
		t.Fatal(stderr)
	}
	signature, err := os.ReadFile(path + signatureSuffix)
	if err != nil {
		t.Fatal(err)
	}
	r.Set("/a.txt", sourcetest.Text(text))
	r.Set("/a.txt"+signatureSuffix, sourcetest.Text(string(signature)))
}

// corefile writes a Corefile with one directive.
func corefile(t *testing.T, properties ...string) string {
	t.Helper()
	return write(t, "Corefile", ".:53 {\n nonudify {\n  "+strings.Join(properties, "\n  ")+"\n }\n}\n")
}

// TestFetchLocked leaves a copy alone that another process keeps.
func TestFetchLocked(t *testing.T) {
	s := newRemote(t, goodHeader+"badsite.example\n")
	state := t.TempDir()
	conf := corefile(t, s.property(), "state "+state)
	server := &source.Copy{Dir: state, Source: s.Plain("/a.txt")}
	if err := server.Lock(); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := tool(t, nil, "fetch", "-conf", conf)
	if code != finding || !strings.HasPrefix(stdout, "a: left to the server that is running and keeps it fresh: ") || !strings.HasSuffix(stdout, "no copy\n") || stderr != "" {
		t.Errorf("without a copy: code %d, %q, %q", code, stdout, stderr)
	}
	if n := s.Count("/a.txt"); n != 0 {
		t.Errorf("the list was asked for %d times", n)
	}
	if err := server.Unlock(); err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ := tool(t, nil, "fetch", "-conf", conf); code != fine || !strings.HasPrefix(stdout, "a: new, 1 rules, serial 2026112201, signed by ") {
		t.Errorf("code %d, %q", code, stdout)
	}
	if err := server.Lock(); err != nil { // the tool has given it back
		t.Fatal(err)
	}
	defer server.Unlock()
	if code, stdout, _ := tool(t, nil, "fetch", "-conf", conf); code != fine || stdout != "a: left to the server that is running and keeps it fresh, 1 rules, serial 2026112201\n" {
		t.Errorf("with a copy: code %d, %q", code, stdout)
	}
	if code, stdout, _ := tool(t, nil, "check", "-conf", conf, "badsite.example"); code != finding || !strings.Contains(stdout, ": blocked\n") {
		t.Errorf("check beside a server: code %d, %q", code, stdout)
	}
}

// TestFetchInterrupted ends in the middle of a list, and leaves nothing.
func TestFetchInterrupted(t *testing.T) {
	s := sourcetest.New(t)
	s.Set("/a.txt", sourcetest.Reply{Body: []byte("badsite.example\n"), Fault: sourcetest.Stall})
	scratch, dir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", scratch)
	ctx, cancel := context.WithCancel(t.Context())
	bar := &progress{w: new(bytes.Buffer), now: func() time.Time {
		cancel() // when the first bytes have come
		return time.Time{}
	}}
	e := &env{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer), now: time.Now, bar: bar}
	c := fetchFlags{options: map[string]string{}, keys: []string{newKey(t) + ".pub"}, out: filepath.Join(dir, "out.txt")}
	if code, err := c.one(ctx, e, []string{s.Plain("/a.txt")}); code != wrong || !errors.Is(err, errInterrupted) {
		t.Errorf("code %d, %v", code, err)
	}
	s.WaitClosed()
	for _, d := range []string{scratch, dir} {
		if left, err := os.ReadDir(d); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// TestFetchUnwritable says that a list is good and could not be written.
func TestFetchUnwritable(t *testing.T) {
	s := newRemote(t, goodHeader+"badsite.example\n")
	blocked := write(t, "file", "")
	code, stdout, stderr := tool(t, nil, "fetch", "-key", s.public, "-o", filepath.Join(blocked, "out.txt"), s.Plain("/a.txt"))
	if code != wrong || stdout != "" || stderr == "" {
		t.Errorf("code %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, _ = tool(t, nil, "fetch", "-conf", corefile(t, s.property(), "state "+filepath.Join(blocked, "state")))
	if code != finding || !strings.HasPrefix(stdout, "a: could not be had, not_saved: ") {
		t.Errorf("state: code %d, %q", code, stdout)
	}
}

// TestFetchProgress draws the bar for what comes over the network, too.
func TestFetchProgress(t *testing.T) {
	s := newRemote(t, goodHeader+"badsite.example\n")
	c := &clock{time.Unix(1, 0)}
	var term bytes.Buffer
	bar := &progress{w: &term, now: c.now}
	bar.start()
	c.pass(time.Minute)
	e := &env{stdout: new(bytes.Buffer), stderr: &term, now: time.Now, bar: bar}
	flags := fetchFlags{options: map[string]string{}, keys: []string{s.public}}
	if code, err := flags.one(t.Context(), e, []string{s.Plain("/a.txt")}); code != fine || err != nil {
		t.Fatal(code, err)
	}
	if !strings.HasPrefix(term.String(), "\rhttp://127.0.0.1:") || !strings.HasSuffix(term.String(), "\r\x1b[K") {
		t.Errorf("drew %q", term.String())
	}
}

// TestSecretsLimit reads a file of secrets as large as may be, and none that is
// larger.
func TestSecretsLimit(t *testing.T) {
	text := "secret a b2s=\n"
	for extra, want := range map[int]bool{0: true, 1: false} {
		path := write(t, "secrets", text+strings.Repeat("\n", maxSecrets-len(text)+extra))
		got, err := quietEnv(new(bytes.Buffer)).readSecrets(path)
		if (err == nil) != want || want && got["a."] != "b2s=" {
			t.Errorf("%d more: %v, %v", extra, got, err)
		}
	}
}

// TestSecretsForms takes both forms, and nothing that looks like them.
func TestSecretsForms(t *testing.T) {
	for text, want := range map[string]string{
		"secret A.Example c2VjcmV0": "a.example.=c2VjcmV0",
		"key \"a.example.\" { algorithm hmac-sha512; secret \"c2VjcmV0\"; };": "a.example.=c2VjcmV0",
		"key a.example {\n  secret c2VjcmV0;\n}\n":                            "a.example.=c2VjcmV0",
		"# none\n// none\nsecret a c2VjcmV0 # end\n":                          "a.=c2VjcmV0",
		"secret a":                              "",
		"":                                      "",
		"key a { algorithm hmac-sha256; };":     "",
		"key a { secret; };":                    "",
		"key a { secret };":                     "",
		"key a { secret c2VjcmV0;":              "",
		"secret a c2VjcmV0 more":                "",
		"secret a c2VjcmV0\nsecret A. c2VjcmV0": "",
		"<html>":                                "",
	} {
		var got []string
		secrets, err := parseSecrets(words(text))
		for name, secret := range secrets {
			got = append(got, name+"="+secret)
		}
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte("secret"))) {
			t.Errorf("%q: the error has the secret: %v", text, err)
		}
	}
}

// TestFileCopy has the copy of a file stand in for it, as in the server, and leaves
// the state directory as it is.
func TestFileCopy(t *testing.T) {
	path := write(t, "list.txt", "# Serial: 1\nbadsite.example\nother.example\n")
	state := t.TempDir()
	conf := corefile(t, "list "+path, "state "+state)
	kept := &source.Copy{Dir: state, Source: path}
	spool := kept.Spool(0)
	if _, err := spool.Write([]byte("# Serial: 1\nkept.example\n")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(kept.Save(spool, source.Meta{}), spool.Close(), kept.Unlock()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(state)
	if err != nil {
		t.Fatal(err)
	}
	check := func(test, name string, want ...string) {
		t.Helper()
		_, stdout, stderr := tool(t, nil, "check", "-conf", conf, name)
		for _, w := range want {
			if !strings.Contains(stdout, w) || stderr != "" {
				t.Errorf("%s: no %q in %q, %q", test, w, stdout, stderr)
			}
		}
	}
	check("the file", "badsite.example", ": blocked\n", path+":2\n")
	check("and not the copy", "kept.example", ": not listed\n")
	if err := os.WriteFile(path, []byte("<html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	check("the copy", "kept.example", ": blocked\n", path+":2\n", "    warning     list list: the copy on disk stands in for the file: "+path+": is a web page")
	if err := os.WriteFile(kept.Path(), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("badsite.example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	check("a damaged copy", "badsite.example", ": blocked\n", "    warning     list list: the copy cannot be used: ")
	after, err := os.ReadDir(state)
	if err != nil || len(after) != len(before) {
		t.Errorf("in the state directory: %v before, %v after, %v", before, after, err)
	}
}

// TestCopyExpiry: a zone expires when its primary has not been heard for as long as
// its SOA record says, whatever the time of reading.
func TestCopyExpiry(t *testing.T) {
	asked := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	c := &copied{meta: source.Meta{Fetched: asked, Timers: source.Timers{Expire: time.Hour}}}
	l := new(feed.List)
	for after, want := range map[time.Duration]bool{time.Hour - 1: false, time.Hour: true} {
		if err := c.expiry(l, asked.Add(after)); errors.Is(err, feed.ErrExpired) != want {
			t.Errorf("%v after: %v", after, err)
		}
	}
	l.Header = list.Header{Expires: asked}
	if err := c.expiry(l, asked.Add(2*time.Hour)); err != nil {
		t.Errorf("the header says it, and the feed warns of it: %v", err)
	}
}

// TestProperties reads a command line with the grammar of the Corefile.
func TestProperties(t *testing.T) {
	c := fetchFlags{
		options:   map[string]string{"max": "1K", "shrink": "off", "id": "demo"},
		bootstrap: []string{"192.0.2.1", "192.0.2.2:5353"}, keys: []string{newKey(t) + ".pub"},
	}
	p, err := c.properties([]string{"http://192.0.2.1/a", "http://192.0.2.2/a"}, "state")
	if err != nil {
		t.Fatal(err)
	}
	got, err := directive.Parse(p, "")
	if err != nil {
		t.Fatal(err)
	}
	l := got.Lists[0]
	if len(l.Sources) != 2 || l.MaxBytes != 1024 || l.Shrink != 0 || l.ID != "demo" || len(l.Keys) != 1 || len(got.Bootstrap) != 2 || got.State != "state" {
		t.Errorf("got %+v", got)
	}
}
