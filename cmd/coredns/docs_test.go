//go:build unix

package main

import (
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
	return append(files, "../../README.md", "../../plugin/README.md")
}

// corefileBlock is a Corefile in a guide, fenced by ``` or, as CoreDNS does,
// by ~~~.
var corefileBlock = regexp.MustCompile("(?ms)^(?:```|~~~) ?corefile\n(.*?)^(?:```|~~~)$")

// TestEveryCorefileStarts starts every Corefile that a guide shows, and
// corefile.example, with files in the place of those they name.
func TestEveryCorefileStarts(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir)
	hosts := sourcetest.Resolver(t, map[string]string{"*": "127.0.0.1"})
	runnable := func(corefile string) string {
		corefile = regexp.MustCompile(`/etc/coredns/[\w.-]+`).ReplaceAllStringFunc(corefile, func(path string) string {
			name := filepath.Join(dir, filepath.Base(path))
			if strings.HasSuffix(name, ".pem") {
				return name
			}
			text := "badsite.example\n"
			if strings.HasSuffix(name, ".hosts") {
				text = "0.0.0.0 badsite.example\n"
			}
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			return name
		})
		corefile = strings.ReplaceAll(corefile, "/var/lib/nonudify", filepath.Join(dir, "state"))
		corefile = regexp.MustCompile(`bootstrap .*`).ReplaceAllString(corefile, "")
		corefile = strings.ReplaceAll(corefile, "nonudify {", "nonudify {\n bootstrap "+hosts.String()) // nothing leaves this machine
		corefile = strings.ReplaceAll(corefile, "axfr://192.0.2.", "axfr://127.0.0.")
		corefile = regexp.MustCompile(`(?m)^\S.*:\d+ \{`).ReplaceAllStringFunc(corefile, func(keys string) string {
			return regexp.MustCompile(`:\d+ `).ReplaceAllString(keys, ":0 ") + "\n    bind 127.0.0.1"
		})
		corefile = strings.Replace(corefile, "bind 127.0.0.1 ::1", "", 1)
		if strings.Contains(corefile, " page ") { // the port that it shows may be taken, or need root
			corefile = regexp.MustCompile(`page .*`).ReplaceAllString(corefile, "page "+freeAddress(t))
			corefile = strings.Replace(corefile, "action sinkhole\n", "action sinkhole 127.0.0.1\n", 1)
		}
		return strings.ReplaceAll(corefile, "localhost:9153", "127.0.0.1:0")
	}
	corefiles := map[string]string{}
	example, err := os.ReadFile("../../corefile.example")
	if err != nil {
		t.Fatal(err)
	}
	corefiles["corefile.example"] = string(example)
	for _, guide := range guides(t) {
		text, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range corefileBlock.FindAllStringSubmatch(string(text), -1) {
			first, _, _ := strings.Cut(m[1], "\n")
			corefiles[guide+" "+first+" "+regexp.MustCompile(`\W+`).ReplaceAllString(m[1], "")] = m[1]
		}
	}
	if len(corefiles) < 5 {
		t.Errorf("Only %d Corefiles found", len(corefiles))
	}
	for name, corefile := range corefiles {
		t.Run(filepath.Base(name), func(t *testing.T) { stop(start(t, runnable(corefile))) })
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
