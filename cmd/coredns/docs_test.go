//go:build unix

package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

// guides are the texts that show how to use the program.
func guides(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(files, "../../README.md", "../../plugin/README.md", "../../deploy/coredns.io/nonudify.md")
}

// corefileBlock is a Corefile in a guide, fenced by ``` or, as CoreDNS does,
// by ~~~.
var corefileBlock = regexp.MustCompile("(?ms)^(?:```|~~~) ?corefile\n(.*?)^(?:```|~~~)$")

// standIn returns what the tests write into a file that a Corefile names.
func standIn(name string) string {
	switch filepath.Ext(name) {
	case ".hosts":
		return "0.0.0.0 badsite.example\n"
	case ".clients":
		return "198.51.100.0/24\n"
	case ".key":
		return fmt.Sprintf("key \"transfer-key.\" {\n\talgorithm hmac-sha256;\n\tsecret \"%s\";\n};\n", zoneSecret)
	}
	return "badsite.example\n"
}

// provide replaces the files that a Corefile names with some in a directory, where
// certificates are already.
func provide(t *testing.T, dir, corefile string) string {
	t.Helper()
	known := map[string]string{"tls.crt": "certificate.pem", "tls.key": "key.pem"}
	return regexp.MustCompile(`/etc/(coredns|nonudify)/[\w./-]+`).ReplaceAllStringFunc(corefile, func(path string) string {
		name := filepath.Join(dir, cmp.Or(known[filepath.Base(path)], filepath.Base(path)))
		if strings.HasSuffix(name, ".pem") {
			return name
		}
		if err := os.WriteFile(name, []byte(standIn(name)), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	})
}

// serverKey is the line that a server block begins with.
var serverKey = regexp.MustCompile(`(?m)^\S.*:\d+ \{`)

// onLoopback has the server blocks of a Corefile listen on loopback, at a port that
// is free. Of several with addresses of their own, each has a port of its own.
func onLoopback(t *testing.T, corefile string) string {
	t.Helper()
	corefile = strings.Replace(corefile, "bind 127.0.0.1 ::1", "", 1)
	own := regexp.MustCompile(`(?m)^ +bind .*\n`)
	port := func() string { return "0" }
	if own.MatchString(corefile) {
		port = func() string { return freePort(t) }
		corefile = own.ReplaceAllString(corefile, "")
	}
	corefile = serverKey.ReplaceAllStringFunc(corefile, func(keys string) string {
		return regexp.MustCompile(`:\d+ `).ReplaceAllString(keys, ":"+port()+" ") + "\n    bind 127.0.0.1"
	})
	return regexp.MustCompile(`(localhost|127\.0\.0\.1|\s):(8080|8181|9153)\b`).ReplaceAllString(corefile, " 127.0.0.1:0")
}

// corefiles returns every Corefile that a guide shows, corefile.example, and those
// for Kubernetes, by where they are.
func corefiles(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	files, err := filepath.Glob("../../deploy/kubernetes/*/Corefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../corefile.example") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file))] = string(text)
	}
	for _, guide := range guides(t) {
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range corefileBlock.FindAllStringSubmatch(string(text), -1) {
			first, _, _ := strings.Cut(m[1], "\n")
			found[filepath.Base(guide)+" "+first+" "+regexp.MustCompile(`\W+`).ReplaceAllString(m[1], "")] = m[1]
		}
	}
	return found
}

// TestEveryCorefileStarts starts every Corefile that is there to be copied, with
// files in the place of those they name.
func TestEveryCorefileStarts(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir)
	t.Setenv("LIST_KEY", "RWSf5258y0ESQdZf/tJenqEkOyjY3X96AlguNOQgNO6AMexVXsYiNWVH")
	hosts := sourcetest.Resolver(t, map[string]string{"*": "127.0.0.1"})
	runnable := func(corefile string) string {
		corefile = provide(t, dir, corefile)
		corefile = strings.ReplaceAll(corefile, "/var/lib/nonudify", filepath.Join(dir, "state"))
		corefile = regexp.MustCompile(`bootstrap .*`).ReplaceAllString(corefile, "")
		corefile = strings.ReplaceAll(corefile, "nonudify {", "nonudify {\n bootstrap "+hosts.String()) // nothing leaves this machine
		corefile = strings.ReplaceAll(corefile, "axfr://192.0.2.", "axfr://127.0.0.")
		corefile = regexp.MustCompile(`(?m)^( +to) .*`).ReplaceAllString(corefile, "$1 127.0.0.1:1") // nor a NOTIFY
		corefile = regexp.MustCompile(`lameduck \S+`).ReplaceAllString(corefile, "lameduck 1ms")
		corefile = regexp.MustCompile(`status unix:\S+`).ReplaceAllString(corefile, "status "+freeAddress(t))
		corefile = regexp.MustCompile(`status \d\S+`).ReplaceAllString(corefile, "status "+freeAddress(t))
		corefile = onLoopback(t, corefile)
		if strings.Contains(corefile, " page ") { // the port that it shows may be taken, or need root
			corefile = regexp.MustCompile(`page .*`).ReplaceAllString(corefile, "page "+freeAddress(t))
			corefile = strings.Replace(corefile, "action sinkhole\n", "action sinkhole 127.0.0.1\n", 1)
		}
		return corefile
	}
	all := corefiles(t)
	if len(all) < 5 {
		t.Errorf("Only %d Corefiles found", len(all))
	}
	for name, corefile := range all {
		t.Run(name, func(t *testing.T) { stop(start(t, runnable(corefile))) })
	}
}

// TestTranscript holds the dig transcript of the README against the program.
func TestTranscript(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```console\n\\$ dig (.*?)\n(.*?)```").FindStringSubmatch(string(text))
	if m == nil {
		t.Fatal("The README shows no transcript of dig")
	}
	p := run(t, example(t))
	args := strings.Fields(m[1])
	for i, a := range args {
		if a == "1053" {
			args[i] = p.port
		}
	}
	out := client(t, "dig", append(args, "+nostats", "+nocmd")...)
	if got, want := stable(out), stable(m[2]); got != want {
		t.Errorf("The README shows\n%s\nthe program answers\n%s", want, got)
	}
}

// stable cuts what differs from run to run, or from one edition of dig to the
// next, out of its output.
func stable(out string) string {
	out = regexp.MustCompile(`(?m)^; (<<>>|\().*\n|^;; (global|SERVER|WHEN|Query|MSG).*\n`).ReplaceAllString(out, "")
	out = regexp.MustCompile(`id: \d+`).ReplaceAllString(out, "id: 4711")
	out = regexp.MustCompile(`\t+`).ReplaceAllString(out, "\t")
	return strings.TrimSpace(out)
}

// TestContributing: the commands that CONTRIBUTING.md has people run name packages, tests
// and targets of the Makefile that there are.
func TestContributing(t *testing.T) {
	t.Parallel()
	makefile, commands := readFile(t, "../../Makefile"), 0
	var tests strings.Builder
	for _, file := range documents(t, "_test.go") {
		tests.WriteString(readFile(t, file))
	}
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(readFile(t, "../../CONTRIBUTING.md"), -1) {
		for line := range strings.Lines(m[1]) {
			commands++
			for _, path := range regexp.MustCompile(`\./(\w[\w/]*\w)`).FindAllStringSubmatch(line, -1) {
				if _, err := os.Stat(filepath.Join("../..", path[1])); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
			for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(line, -1) {
				if !strings.Contains(tests.String(), "func "+name+"(") {
					t.Errorf("%s: there is no test %s", line, name)
				}
			}
			if target, ok := strings.CutPrefix(strings.TrimSpace(line), "make "); ok && !strings.Contains(makefile, "\n"+target+":") {
				t.Errorf("%s: the Makefile has no target %s", line, target)
			}
		}
	}
	if commands < 8 {
		t.Errorf("Only %d commands found", commands)
	}
}
