package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// aMachine is one with some files, and one private and one public address.
func aMachine(t *testing.T, files map[string]string, env map[string]string) machine {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, link := strings.CutPrefix(text, "-> "); link {
			err = errors.Join(err, os.Symlink(target, path))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return machine{root: root, getenv: func(key string) string { return env[key] }, links: func() ([]link, error) {
		prefix := netip.MustParsePrefix
		return []link{
			{name: "lo", loopback: true, prefixes: []netip.Prefix{prefix("127.0.0.1/8"), prefix("::1/128")}},
			{name: "eth0", prefixes: []netip.Prefix{prefix("192.168.7.2/24"), prefix("fe80::1/64"), prefix("2001:db8::2/64"), prefix("fd00::2/64")}},
			{name: "eth1", prefixes: []netip.Prefix{prefix("203.0.113.7/24")}},
			{name: "docker0", prefixes: []netip.Prefix{prefix("172.17.0.1/16")}},
		}, nil
	}}
}

// TestLook finds out what a machine is.
func TestLook(t *testing.T) {
	t.Parallel()
	const zones = "# comment\nAT\t+4813+01620\tEurope/Vienna\nAQ\t-7824+10654\tAntarctica/Vostok\n"
	for _, tt := range []struct {
		test              string
		profile           string
		files, env        map[string]string
		upstreams, from   string
		country, language string
		listen, left      string
	}{
		{test: "plain", profile: "family", files: map[string]string{"etc/resolv.conf": "search home\nnameserver 192.168.7.1\nnameserver 192.168.7.1\nnameserver fe80::1%eth0\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n"},
			upstreams: "192.168.7.1 192.0.2.2 192.0.2.3", from: "etc/resolv.conf", listen: "192.168.7.2", left: "2001:db8::2 203.0.113.7"},
		{test: "systemd-resolved", profile: "school", files: map[string]string{"etc/resolv.conf": "nameserver 127.0.0.53\n", "run/systemd/resolve/resolv.conf": "nameserver 2001:db8::1\n"},
			upstreams: "2001:db8::1", from: "run/systemd/resolve/resolv.conf", listen: "192.168.7.2", left: "2001:db8::2 203.0.113.7"},
		{test: "itself", profile: "isp", files: map[string]string{"etc/resolv.conf": "nameserver 203.0.113.7\nnameserver ::1\n", "tmp/resolv.conf.d/resolv.conf.auto": "nameserver 192.0.2.9\n"},
			upstreams: "192.0.2.9", from: "tmp/resolv.conf.d/resolv.conf.auto", listen: "192.168.7.2 2001:db8::2 fd00::2 203.0.113.7"},
		{test: "nothing", profile: "family", listen: "192.168.7.2", left: "2001:db8::2 203.0.113.7"},
		{test: "time zone", profile: "family", files: map[string]string{"etc/localtime": "-> ../usr/share/zoneinfo/Europe/Vienna", "usr/share/zoneinfo/zone.tab": zones}, env: map[string]string{"LANG": "en_GB.UTF-8"},
			country: "AT", language: "en", listen: "192.168.7.2", left: "2001:db8::2 203.0.113.7"},
		{test: "a time zone of nobody", profile: "family", files: map[string]string{"etc/timezone": "Antarctica/Vostok\n", "usr/share/zoneinfo/zone.tab": zones}, env: map[string]string{"LANG": "de_CH.UTF-8", "LC_ALL": ""},
			country: "CH", language: "de", listen: "192.168.7.2", left: "2001:db8::2 203.0.113.7"},
		{test: "no locale", profile: "family", env: map[string]string{"LANG": "C.UTF-8"}, listen: "192.168.7.2", left: "2001:db8::2 203.0.113.7"},
	} {
		t.Run(tt.test, func(t *testing.T) {
			m := aMachine(t, tt.files, tt.env)
			s := m.look(tt.profile)
			from, _ := filepath.Rel(m.root, s.from)
			if strings.Join(s.upstreams, " ") != tt.upstreams || s.from != "" && filepath.ToSlash(from) != tt.from {
				t.Errorf("upstreams %v of %q", s.upstreams, from)
			}
			if s.country != tt.country || s.language != tt.language {
				t.Errorf("country %q, language %q", s.country, s.language)
			}
			if joinAddrs(s.listen) != tt.listen || joinAddrs(s.left) != tt.left || strings.Join(s.loopback, " ") != "127.0.0.1 ::1" {
				t.Errorf("listens at %v, without %v, and %v", s.listen, s.left, s.loopback)
			}
		})
	}
}

// initTool runs init on a machine.
func initTool(t *testing.T, m machine, c initFlags, answers string) (code int, stdout, stderr string, err error) {
	t.Helper()
	var out, diagnostics bytes.Buffer
	e := quietEnv(&diagnostics)
	e.stdout, e.stdin = &out, strings.NewReader(answers)
	c.port = 53
	code, err = e.initialize(&c, m)
	return code, out.String(), diagnostics.String(), err
}

// TestInitDetects writes what it has found, and tells it.
func TestInitDetects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := aMachine(t, map[string]string{"etc/resolv.conf": "nameserver 192.168.7.1\n"}, map[string]string{"LANG": "de_AT.UTF-8"})
	code, _, stderr, err := initTool(t, m, initFlags{profile: "family", dir: dir, state: dir + "/state"}, "")
	if code != fine || err != nil {
		t.Fatal(code, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "Corefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bind 127.0.0.1 ::1 192.168.7.2 ", "forward . 192.168.7.1 ", "country AT ", "language de ", "page 192.168.7.2:8080 "} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, want := range []string{"this machine has the address 192.168.7.2: give it the same for good", "it asks 192.168.7.1 about everything else, as " + m.root, "country AT, language de, after the locale de_AT"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
	code, _, stderr, err = initTool(t, aMachine(t, nil, nil), initFlags{profile: "family", dir: t.TempDir() + "/new", state: dir}, "")
	if code != wrong || !errors.Is(err, errUsage) || !strings.Contains(err.Error(), "no resolver is known that could be asked about everything else: name one with -upstream") {
		t.Errorf("without an upstream: code %d, %v, %s", code, err, stderr)
	}
}

// TestQuestions are five at most, for each profile, and take what is proposed.
func TestQuestions(t *testing.T) {
	t.Parallel()
	for _, profile := range profiles {
		c := &initFlags{profile: profile, upstreams: []string{"192.0.2.1"}, page: "off"}
		questions := c.open()
		if len(questions) == 0 || len(questions) > 5 {
			t.Errorf("%s: %d questions", profile, len(questions))
		}
		before := fmt.Sprintf("%+v", *c)
		if err := interview(t, strings.Repeat("\n", len(questions)), questions); err != nil {
			t.Error(err)
		}
		if after := fmt.Sprintf("%+v", *c); after != before {
			t.Errorf("%s: %s became %s", profile, before, after)
		}
	}
}

// interview has somebody answer questions.
func interview(t *testing.T, answers string, questions []question) error {
	t.Helper()
	e := quietEnv(new(bytes.Buffer))
	e.stdin = strings.NewReader(answers)
	return e.interview(questions)
}

// TestAnswers are taken, asked for again when they are none, and missed when nobody is
// there.
func TestAnswers(t *testing.T) {
	t.Parallel()
	c := &initFlags{profile: "school", upstreams: []string{"192.0.2.1"}}
	if err := interview(t, "10.1.0.2, 2001:db8::2\nnobody\n192.0.2.3\r\n10.20.0.0/16 10.21.0.0/16\n\n mailto:it@school.example \n", c.open()); err != nil {
		t.Fatal(err)
	}
	if got := c.pageAddress(); got != "10.1.0.2:8080" { // not at one that was found before
		t.Errorf("the page is at %s", got)
	}
	if joinAddrs(c.listen) != "10.1.0.2 2001:db8::2" || strings.Join(c.upstreams, " ") != "192.0.2.3" || len(c.staff) != 2 || len(c.guests) != 0 || c.contact != "mailto:it@school.example" {
		t.Errorf("%+v", c)
	}
	for answers, want := range map[string]error{"": errUnanswered, "10.1.0.2\n": errUnanswered, "a\nb\nc\n": nil, "10.1.0.2": errUnanswered, strings.Repeat("x", 20*maxAnswer): errUnanswered} {
		err := interview(t, answers, (&initFlags{profile: "family"}).open())
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%.10q: %v", answers, err)
		}
	}
	c = &initFlags{profile: "isp"}
	if err := interview(t, "\n\n\nhttps://x.example/{$HOME}\nhttps://lists.example/nudify.txt\n\n", c.open()); err != nil || c.list != "https://lists.example/nudify.txt" {
		t.Errorf("%v, %+v", err, c)
	}
}
