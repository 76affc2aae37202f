package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"
	"github.com/klauspost/compress/zstd"

	"github.com/nonudify/nonudify/plugin/feed"
	"github.com/nonudify/nonudify/plugin/source"
	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// fault is one way for a list to fail while it is in use.
type fault struct {
	name    string
	cause   string // that the metrics name
	strike  func(p *publisher)
	options string // of the list
	tls     bool   // it comes over HTTPS
	bare    bool   // its first edition has nothing to tell versions by
}

// replying is a fault of the list's own URL.
func replying(name, cause string, r sourcetest.Reply) fault {
	return fault{name: name, cause: cause, strike: func(p *publisher) { p.reply(r) }, options: "max 64K"}
}

// publishing is a fault of what is in a list that is properly signed.
func publishing(name, cause, text string) fault {
	return fault{name: name, cause: cause, strike: func(p *publisher) { p.publish(text) }, options: "max 64K"}
}

// signing is a fault of the signature beside a new edition.
func signing(name, cause string, signature func(p *publisher, text string) sourcetest.Reply) fault {
	return fault{name: name, cause: cause, strike: func(p *publisher) {
		text := edition(3)
		p.signature(signature(p, text)) // first, or a round may find the good one beside the new edition
		p.reply(sourcetest.Text(text))
	}}
}

// leading is a redirect to an address, in which PORT stands for that of the web
// server.
func leading(name, location string) fault {
	return fault{name: name, cause: "redirect", strike: func(p *publisher) {
		p.Set("/elsewhere", sourcetest.Text(edition(3)))
		_, port, _ := strings.Cut(strings.TrimPrefix(p.Plain(""), "http://"), ":")
		p.reply(sourcetest.Redirect(strings.Replace(location, "PORT", port, 1)))
	}}
}

// presenting is a fault of the certificate.
func presenting(name, cause, as string) fault {
	return fault{name: name, cause: cause, strike: func(p *publisher) { p.Present(as) }, tls: true}
}

// coded is a reply with a content coding.
func coded(coding string, body []byte) sourcetest.Reply {
	return sourcetest.Reply{Header: http.Header{"Content-Encoding": {coding}}, Body: body}
}

func gzipped(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(text)
	w.Close()
	return b.Bytes()
}

func zstandard(text []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // the options are wrong
	}
	defer w.Close()
	return w.EncodeAll(text, nil)
}

func typed(contentType, body string) sourcetest.Reply {
	return sourcetest.Reply{Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}
}

const page = "<!DOCTYPE html><html><body>Sign in to this network</body></html>"

// faults are all the ways that a list was seen to fail.
func faults() []fault {
	bomb, second := repeated(4<<20), []byte(edition(3))
	all := []fault{
		{name: "refused", cause: "network", strike: func(p *publisher) { p.lead("127.0.0.2") }},
		{name: "no such host", cause: "network", strike: func(p *publisher) { p.lead("") }},
		replying("reset", "network", sourcetest.Reply{Body: second, Fault: sourcetest.Reset}),
		replying("short", "network", sourcetest.Reply{Body: second, Fault: sourcetest.Short}),
		replying("endless", "size", sourcetest.Reply{Body: second, Fault: sourcetest.Endless}),
		replying("announced too large", "size", sourcetest.Reply{Header: http.Header{"Content-Length": {fmt.Sprint(len(bomb))}}, Body: bomb}),
		replying("gzip bomb", "size", coded("gzip", gzipped(bomb))),
		replying("zstd bomb", "size", coded("zstd", zstandard(bomb))),
		publishing("gzip bomb in a file", "size", string(gzipped(bomb))),
		publishing("zstd bomb in a file", "size", string(zstandard(bomb))),
		replying("damaged gzip", "encoding", coded("gzip", gzipped(second)[:60])),
		replying("damaged zstd", "encoding", coded("zstd", zstandard(second)[:60])),
		replying("unknown coding", "encoding", coded("br", second)),
		replying("page", "content", typed("text/html; charset=utf-8", page)),
		publishing("page as text", "content", page),
		replying("json", "content", typed("application/json", "{}")),
		publishing("binary", "content", strings.Repeat("\x00\x01\x02\x03", 256)),
		{name: "304 without a copy", cause: "status", bare: true, strike: func(p *publisher) {
			p.reply(sourcetest.Reply{Status: http.StatusNotModified})
		}},
		leading("redirect to a private address", "http://127.0.0.2:PORT/elsewhere"),
		leading("redirect to loopback", "http://[::1]:PORT/elsewhere"),
		leading("redirect to a private name", "http://other.example:PORT/elsewhere"),
		leading("redirect to metadata", "http://169.254.169.254/latest/"),
		leading("redirect to a file", "file:///etc/passwd"),
		{name: "redirect loop", cause: "redirect", strike: func(p *publisher) {
			p.reply(sourcetest.Redirect("/elsewhere"))
			p.Set("/elsewhere", sourcetest.Redirect(p.path()))
		}},
		{name: "redirect to http", cause: "redirect", tls: true, strike: func(p *publisher) {
			p.Set("/elsewhere", sourcetest.Text(edition(3)))
			p.reply(sourcetest.Redirect(p.PlainAt("lists.example", "/elsewhere")))
		}},
		presenting("certificate expired", "tls", "expired.example"),
		presenting("certificate not valid yet", "clock", "early.example"),
		presenting("certificate of another name", "tls", "wrong.example"),
		presenting("certificate of an unknown authority", "tls", "unknown.example"),
		publishing("truncated", "truncated", "# Entries: 100\n"+edition(3)),
		publishing("shrunk", "shrunk", editionOf("feed", 3, 14)),
		publishing("empty", "empty", "# List-ID: feed\n# Serial: 3\n"),
		publishing("mostly refused", "refused_lines", edition(3)+strings.Repeat("not a name\n", 30)),
		publishing("mostly out of bounds", "refused_lines", edition(3)+strings.Repeat("co.uk\n", 30)),
		publishing("older serial", "serial", edition(1)+"new.example\n"),
		publishing("no serial", "serial", "# List-ID: feed\n"+strings.SplitAfterN(edition(3), "\n", 3)[2]),
		publishing("other list", "list_id", editionOf("other", 3, 20)),
	}
	for _, status := range []int{204, 206, 403, 404, 410, 500, 503} {
		all = append(all, replying(fmt.Sprint("status ", status), "status", sourcetest.Reply{Status: status}))
	}
	return append(all, signatureFaults()...)
}

func signatureFaults() []fault {
	text := func(s string) sourcetest.Reply { return sourcetest.Text(s) }
	return []fault{
		signing("signature empty", "signature", func(*publisher, string) sourcetest.Reply { return text("") }),
		signing("signature missing", "signature", func(*publisher, string) sourcetest.Reply { return sourcetest.Reply{Status: 404} }),
		signing("signature a page", "signature", func(*publisher, string) sourcetest.Reply { return typed("text/html", page) }),
		signing("signature garbled", "signature", func(p *publisher, s string) sourcetest.Reply { return text(p.sign(s)[30:]) }),
		signing("signature too large", "signature", func(p *publisher, s string) sourcetest.Reply {
			return text(p.sign(s) + strings.Repeat("\n", feed.MaxSignature))
		}),
		signing("signature legacy", "signature", func(p *publisher, s string) sourcetest.Reply {
			return text(string(minisign.Sign(p.private, []byte(s))))
		}),
		signing("signature foreign", "signature", func(p *publisher, s string) sourcetest.Reply {
			foreign := &publisher{t: p.t}
			_, foreign.private, _ = minisign.GenerateKey(nil)
			return text(foreign.sign(s))
		}),
		signing("signature of other bytes", "signature", func(p *publisher, s string) sourcetest.Reply { return text(p.sign(s + "\n")) }),
		signing("signature with another comment", "signature", func(p *publisher, s string) sourcetest.Reply {
			return text(strings.Replace(p.sign(s), ": trusted", ": trustworthy", 1))
		}),
		signing("signature reset", "network", func(p *publisher, s string) sourcetest.Reply {
			return sourcetest.Reply{Body: []byte(p.sign(s)), Fault: sourcetest.Reset}
		}),
	}
}

// TestFaults has a list fail in every way between two good editions. All the
// while the first one serves, the metrics name the cause, and the log has one
// line of it.
func TestFaults(t *testing.T) {
	t.Parallel()
	up, tests := newUpstream(t), map[string]fault{}
	for _, f := range faults() {
		tests[f.name] = f
	}
	together(t, tests, func(t *testing.T, f fault) { f.play(t, up) })
}

func (f fault) play(t *testing.T, up *upstream) {
	p := newPublisher(t)
	p.bare = f.bare
	at := p.plain()
	if f.tls {
		at = p.tls()
	}
	p.publish(edition(2))
	s := serve(t, up, p.list("refresh 1s "+f.options, at))
	s.until("always.example", denies, "edition2.example", denies, "edition3.example", passes)
	untilFailing(t, p.name, "none")

	f.strike(p)
	untilFailing(t, p.name, f.cause)
	untilRounds(t, p.name, f.cause, 2)
	s.want("always.example", denies, "edition2.example", denies, "edition3.example", passes)
	untilMetric(t, p.name, "serial", 2)
	untilMetric(t, p.name, "signed", 1)
	lines := logged.with("[ERROR]", "keeping the last good edition", p.name)
	if len(lines) != 1 {
		t.Fatalf("%d lines in the log about it: %q", len(lines), lines)
	}

	p.heal(4)
	s.until("edition4.example", denies, "always.example", denies, "edition2.example", passes)
	untilFailing(t, p.name, "none")
	untilMetric(t, p.name, "serial", 4)
	// A round may come between the new list and its signature: that is another fault.
	_, what, _ := strings.Cut(strings.TrimSpace(lines[0]), "[ERROR]")
	if again := logged.with("[ERROR]"+what, p.name); len(again) != 1 {
		t.Errorf("%d lines in the log about it: %q", len(again), again)
	}
}

// TestSlow: a server that takes its time costs a round and nothing else. The
// times are not to be set in a Corefile, so this is about the feed alone.
func TestSlow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault  sourcetest.Fault
		config source.ClientConfig
	}{
		"silent":  {sourcetest.Silent, source.ClientConfig{HeaderTimeout: 50 * time.Millisecond}},
		"stalled": {sourcetest.Stall, source.ClientConfig{IdleTimeout: 50 * time.Millisecond}},
		"drip":    {sourcetest.Drip, source.ClientConfig{TotalTimeout: 200 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublisher(t)
			tt.config.Hosts = []string{"127.0.0.1"}
			h := source.HTTP{URL: p.Plain(p.path()), Client: source.NewClient(tt.config)}
			f := feed.NewFeed(feed.Config{Mirrors: []feed.Mirror{{Name: "m", Opener: h}}})
			r := feed.NewRefresher(f, f.Plan)
			p.publish(edition(2))
			_, err := r.Refresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			first := r.Value()
			p.reply(sourcetest.Reply{Body: []byte(edition(3)), Fault: tt.fault})
			if _, err := r.Refresh(t.Context()); feed.ResultOf(err) != "timeout" || r.Value() != first {
				t.Errorf("%v (%s), another list: %v", err, feed.ResultOf(err), r.Value() != first)
			}
			p.WaitClosed()
			p.heal(4)
			if _, err := r.Refresh(t.Context()); err != nil || r.Value().Serial != 4 || r.Err() != nil {
				t.Errorf("Afterwards: %v, serial %d", err, r.Value().Serial)
			}
		})
	}
}
