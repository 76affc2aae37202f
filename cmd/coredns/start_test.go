package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aead.dev/minisign"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/source"
	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// readiness asks the ready plugin.
func readiness(t *testing.T, address string) int {
	t.Helper()
	response, err := http.Get("http://" + address + "/ready")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// freeAddress returns an address on loopback whose TCP port is free.
func freeAddress(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", freePort(t))
}

// TestStart: before a list is there for the first time, names that it may hold get
// no answer or pass, as the server is told, and the ready plugin says so. Names
// that are listed elsewhere or allowed, and the host of the list, are answered as
// ever. The list joins when it comes. Not in parallel: the ready plugin keeps one
// book for all servers of a process.
func TestStart(t *testing.T) {
	for _, tt := range []struct {
		start, listed, other string
		ready                int
	}{
		{"", waiting, waiting, http.StatusServiceUnavailable},
		{"start wait", waiting, waiting, http.StatusServiceUnavailable},
		{"start open", passes, passes, http.StatusOK},
	} {
		t.Run(cmp.Or(tt.start, "default"), func(t *testing.T) {
			p, ready := newPublisher(t), freeAddress(t)
			p.reply(sourcetest.Reply{Status: 503})
			body := "list builtin\n " + p.list("refresh 1s", p.plain()) + "\n " + tt.start + "\n block own.example\n allow fine.example"
			corefile := strings.Replace(block(newUpstream(t), body), "bind", "ready "+ready+"\n bind", 1)
			s := &serving{t, start(t, corefile)}
			defer func() { stop(s.Instance) }()
			s.want("always.example", tt.listed, "other.example", tt.other)
			s.want(builtinName(t), denies, "own.example", denies, "fine.example", passes)
			if got := answer(s.ask("Lists.Example")); got != passes {
				t.Errorf("The host of the list: %s", got)
			}
			if got := readiness(t, ready); got != tt.ready {
				t.Errorf("Ready says %d, want %d", got, tt.ready)
			}
			untilFailing(t, p.name, "status")
			s.want("always.example", tt.listed, "other.example", tt.other)
			p.publish(edition(1) + "fine.example\nlists.example\n")
			s.until("always.example", denies)
			s.want("other.example", passes, builtinName(t), denies, "own.example", denies, "fine.example", passes)
			if got := answer(s.ask("lists.example")); got != passes {
				t.Errorf("The host of a list that lists it: %s", got)
			}
			if got := readiness(t, ready); got != http.StatusOK {
				t.Errorf("With all lists, ready says %d", got)
			}
			untilFailing(t, p.name, "none")
		})
	}
}

// TestReadyOfAll: a server is not ready while any of its server blocks waits for a
// list, whichever stands last in the Corefile. Not in parallel, as TestStart.
func TestReadyOfAll(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			p, ready := newPublisher(t), freeAddress(t)
			p.reply(sourcetest.Reply{Status: 503})
			up := newUpstream(t)
			blocks := []string{block(up, p.list("refresh 1s", p.plain())), strings.Replace(block(up, "list builtin"), ".:0", ".:"+freePort(t), 1)}
			if !first {
				slices.Reverse(blocks)
			}
			i := start(t, strings.ReplaceAll(strings.Join(blocks, "\n"), "bind", "ready "+ready+"\n bind"))
			defer stop(i)
			if got := readiness(t, ready); got != http.StatusServiceUnavailable {
				t.Errorf("While one of two waits, ready says %d", got)
			}
			p.publish(edition(1) + "always.example\n")
			err := poll(func() error {
				if got := readiness(t, ready); got != http.StatusOK {
					return fmt.Errorf("with all lists, ready says %d", got)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// builtinName returns a name of the built-in list.
func builtinName(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(string(builtin.List())) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" && name != "#" {
			return name
		}
	}
	t.Fatal("The built-in list is empty")
	return ""
}

// state is a list with a copy on disk from a server that ran earlier.
type state struct {
	*publisher
	dir  string
	body string // of the directive
	id   string // of the list
}

func newState(t *testing.T, up *upstream) *state {
	t.Helper()
	st := &state{publisher: newPublisher(t), dir: t.TempDir(), id: "feed"}
	st.body = st.list("refresh 1s", st.plain()) + "\n state " + st.dir
	st.publish(edition(2))
	first := &serving{t, start(t, block(up, st.body))}
	defer func() { stop(first.Instance) }()
	first.until("always.example", denies)
	return st
}

// file returns the path of the copy.
func (st *state) file() string {
	st.t.Helper()
	files, err := filepath.Glob(filepath.Join(st.dir, "*.list"))
	if err != nil || len(files) != 1 {
		st.t.Fatalf("Copies: %v, %v", files, err)
	}
	return files[0]
}

// TestCopy: with a copy on disk, the first query of all is judged by it, though
// the list's server is down. When it is up again and has the same edition, it
// is not asked for its bytes.
func TestCopy(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	together(t, map[string]string{"wait": "start wait", "open": "start open"}, func(t *testing.T, start string) {
		st := newState(t, up)
		st.lead("127.0.0.2")
		s := serve(t, up, st.body+"\n "+start)
		s.want("always.example", denies, "other.example", passes)
		untilMetric(t, st.name, "signed", 1)
		untilMetric(t, st.name, "not_saved", 0)
		untilFailing(t, st.name, "network")
		s.want("always.example", denies, "other.example", passes)
		st.lead("127.0.0.1")
		untilRounds(t, st.name, "unchanged", 1)
		if st.Last(st.path()).Header.Get("If-None-Match") == "" {
			t.Error("The list was asked for without what was known of it")
		}
		st.publish(edition(3))
		s.until("edition3.example", denies)
	})
}

// TestCopyIsMeasure: what comes after a restart is held against the copy. Else
// who can make a server start anew could have it take an old edition.
func TestCopyIsMeasure(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	together(t, map[string]string{
		"serial": edition(1), "list_id": editionOf("other", 3, 20), "shrunk": editionOf("feed", 3, 10),
	}, func(t *testing.T, text string) {
		st, cause := newState(t, up), path.Base(t.Name())
		st.publish(text)
		s := serve(t, up, st.body)
		untilFailing(t, st.name, cause)
		s.want("edition2.example", denies, "edition1.example", passes, "edition3.example", passes)
		st.publish(edition(3))
		s.until("edition3.example", denies)
		untilFailing(t, st.name, "none")
	})
}

// TestBadCopy: a copy that does not hold is as good as none, and the log says so.
func TestBadCopy(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	type test struct {
		spoil func(t *testing.T, st *state)
		log   string
	}
	on := func(change func([]byte) []byte) func(*testing.T, *state) {
		return func(t *testing.T, st *state) { rewrite(t, st.file(), change) }
	}
	together(t, map[string]test{
		"flipped bit": {on(func(b []byte) []byte {
			b[len(b)-3] ^= 1
			return b
		}), "the copy is damaged"},
		"cut off": {on(func(b []byte) []byte { return b[:len(b)-30] }), "the copy is damaged"},
		"empty":   {on(func([]byte) []byte { return nil }), "the copy is damaged"},
		"another key": {func(t *testing.T, st *state) {
			other, private, err := minisign.GenerateKey(nil)
			if err != nil {
				t.Fatal(err)
			}
			st.body = strings.Replace(st.body, st.public.String(), other.String(), 1)
			st.public, st.private = other, private
		}, "the signature does not hold"},
		"another list wanted": {func(_ *testing.T, st *state) {
			st.body, st.id = strings.Replace(st.body, "refresh", "id other refresh", 1), "other"
		}, "is another list"},
	}, func(t *testing.T, tt test) {
		st := newState(t, up)
		tt.spoil(t, st)
		st.lead("127.0.0.2")
		s := serve(t, up, st.body)
		s.want("always.example", waiting, "other.example", waiting)
		if lines := logged.with("[ERROR]", st.name, "not using the copy on disk", tt.log); len(lines) != 1 {
			t.Errorf("%d lines in the log: %q", len(lines), logged.with(st.name))
		}
		st.lead("127.0.0.1")
		st.publish(editionOf(st.id, 2, 20))
		s.until("edition2.example", denies, "other.example", passes)
		untilFailing(t, st.name, "none")
		untilMetric(t, st.name, "not_saved", 0)
	})
}

func rewrite(t *testing.T, file string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestMirrors: one mirror that has the list is enough, and a list that is there
// is no failure.
func TestMirrors(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	instead := func(r sourcetest.Reply) func(*publisher) string {
		return func(p *publisher) string { return garbage(p, r) }
	}
	together(t, map[string]func(p *publisher) string{
		"dead":         func(*publisher) string { return sourcetest.Refused(t) },
		"page":         instead(typed("text/html", page)),
		"missing":      instead(sourcetest.Reply{Status: 404}),
		"unsigned":     instead(sourcetest.Text(edition(9))),
		"breaking off": instead(sourcetest.Reply{Body: []byte(edition(9)), Fault: sourcetest.Reset}),
	}, func(t *testing.T, first func(*publisher) string) {
		p := newPublisher(t)
		p.publish(edition(1))
		s := serve(t, up, p.list("refresh 1s", first(p), p.plain()))
		s.until("edition1.example", denies, "edition9.example", passes)
		untilRounds(t, p.name, "unchanged", 1)
		untilFailing(t, p.name, "none")
		p.publish(edition(2))
		s.until("edition2.example", denies, "edition1.example", passes)
		untilFailing(t, p.name, "none")
	})
}

// garbage is the URL of a mirror that has something else.
func garbage(p *publisher, r sourcetest.Reply) string {
	p.Set("/garbage", r)
	return p.secret(p.PlainAt("lists.example", "/garbage"))
}

// TestMirrorTakesOver: the first mirror goes out of business while the server
// runs.
func TestMirrorTakesOver(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	p.publish(edition(1))
	p.Set("/first", sourcetest.Text(edition(1)))
	p.Set("/first.minisig", sourcetest.Text(p.sign(edition(1))))
	s := serve(t, newUpstream(t), p.list("refresh 1s", p.secret(p.PlainAt("lists.example", "/first")), p.plain()))
	s.until("edition1.example", denies)
	if p.Count(p.path()) != 0 {
		t.Error("The second mirror was asked, too")
	}
	p.Set("/first", typed("text/html", page))
	p.publish(edition(2))
	s.until("edition2.example", denies)
	untilFailing(t, p.name, "none")
	p.reply(sourcetest.Reply{Status: 500})
	untilFailing(t, p.name, "content")
	s.want("edition2.example", denies)
}

// TestBootstrap: a server that is the only resolver of its machine fetches its
// list while it answers nobody. The bootstrap resolver is asked for the host of
// the list and nothing else.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	p.publish(edition(1))
	p.mu.Lock() // the resolver waits, and so does the list
	s := serve(t, newUpstream(t), p.list("refresh 1s", p.tls()))
	s.want("always.example", waiting, "other.example", waiting)
	p.mu.Unlock()
	s.until("always.example", denies, "other.example", passes)
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := slices.Compact(slices.Sorted(slices.Values(p.asked)))
	if !slices.Equal(asked, []string{"lists.example."}) {
		t.Errorf("The bootstrap resolver was asked for %v", asked)
	}
}

// TestBootstrapThroughServer: without a bootstrap resolver the system may ask the
// server itself for the hosts of its lists, and is answered, about nothing else.
func TestBootstrapThroughServer(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	up := newUpstream(t)
	refused := strings.TrimSuffix(strings.TrimPrefix(sourcetest.Refused(t), "http://"), "/")
	_, port, _ := strings.Cut(refused, ":")
	body := fmt.Sprintf("list https://lists.test:%s/l.txt http://mirror.test:%s/l.txt name %s key %s signature https://keys.test:%s/s\n bootstrap 127.0.0.2",
		port, port, p.name, p.public, port)
	s := serve(t, up, body)
	for _, host := range []string{"lists.test", "Mirror.Test", "keys.test"} {
		if got := answer(s.ask(host)); got != passes {
			t.Errorf("%s: %s", host, got)
		}
	}
	for _, other := range []string{"test", "www.lists.test", "lists.test.example", "other.example"} {
		if got := answer(s.ask(other)); got != waiting {
			t.Errorf("%s: %s", other, got)
		}
	}
}

// TestForms: a list may come packed, by a detour, or both.
func TestForms(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	direct := func(r sourcetest.Reply) func(*publisher) { return func(p *publisher) { p.reply(r) } }
	together(t, map[string]func(*publisher){
		"gzip":     direct(coded("gzip", gzipped([]byte(edition(1))))),
		"zstd":     direct(coded("zstd", zstandard([]byte(edition(1))))),
		"file.gz":  func(p *publisher) { p.publish(string(gzipped([]byte(edition(1))))) },
		"file.zst": func(p *publisher) { p.publish(string(zstandard([]byte(edition(1))))) },
		"octets":   direct(typed("application/octet-stream", edition(1))),
		"redirect": func(p *publisher) {
			p.Set("/elsewhere", sourcetest.Text(edition(1)))
			p.reply(sourcetest.Redirect("/elsewhere"))
		},
		"redirect to https": func(p *publisher) {
			p.Set("/elsewhere", sourcetest.Text(edition(1)))
			p.reply(sourcetest.Redirect(p.URL("/elsewhere")))
		},
	}, func(t *testing.T, set func(*publisher)) {
		p := newPublisher(t)
		p.tls() // may skip
		p.publish(edition(1))
		set(p)
		s := serve(t, up, p.list("refresh 1s", p.plain()))
		s.until("edition1.example", denies, "other.example", passes)
		untilRounds(t, p.name, "unchanged", 1)
		untilFailing(t, p.name, "none")
		for _, path := range []string{p.path(), p.path() + ".minisig"} {
			r := p.Last(path)
			if _, password, _ := r.BasicAuth(); password != unsaid || r.FormValue("token") != unsaid {
				t.Errorf("%s was asked for without the password or the token", path)
			}
		}
	})
}

// TestNoState: a list serves although it cannot be kept on disk. The metrics say
// so, and the log does once. When it can be kept, it is.
func TestNoState(t *testing.T) {
	t.Parallel()
	up := newUpstream(t)
	together(t, map[string]func(t *testing.T, p *publisher, dir string) (mend func()){
		"another process": func(t *testing.T, p *publisher, dir string) func() {
			other := &source.Copy{Dir: dir, Source: p.PlainAt("lists.example", p.path()) + "?token=" + unsaid}
			if err := other.Lock(); err != nil {
				t.Fatal(err)
			}
			return func() { other.Unlock() }
		},
		"not a directory": func(t *testing.T, _ *publisher, dir string) func() {
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return func() { os.Remove(dir) }
		},
	}, func(t *testing.T, obstruct func(*testing.T, *publisher, string) func()) {
		p, dir := newPublisher(t), filepath.Join(t.TempDir(), "state")
		p.publish(edition(1))
		mend := obstruct(t, p, dir)
		s := serve(t, up, p.list("refresh 1s", p.plain())+"\n state "+dir)
		s.until("always.example", denies)
		untilMetric(t, p.name, "not_saved", 1)
		untilRounds(t, p.name, "unchanged", 2)
		untilFailing(t, p.name, "none")
		if lines := logged.with("[WARNING]", "could not be kept on disk", p.name); len(lines) != 1 {
			t.Errorf("%d lines in the log about it: %q", len(lines), logged.with(p.name))
		}
		mend()
		untilMetric(t, p.name, "not_saved", 0)
		st := &state{publisher: p, dir: dir}
		if info, err := os.Stat(st.file()); err != nil || info.Size() == 0 {
			t.Errorf("%v", err)
		}
	})
}
