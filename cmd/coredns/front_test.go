package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coredns/caddy"
	"github.com/prometheus/client_golang/prometheus"
)

var (
	plainKey   = regexp.MustCompile(`(?m)(^|[ \t])([a-z0-9.]+):0\b`)
	openBlock  = regexp.MustCompile(`(?m)^([ \t]*nonudify\b[^\n]*)\{[ \t]*$`)
	emptyBlock = regexp.MustCompile(`(?m)^([ \t]*nonudify\b[^\n{]*)$`)
)

// fronted returns a Corefile with a UDP front before its servers of plain DNS, which
// need a port for that.
func fronted(corefile, port string) string {
	var b strings.Builder
	for line := range strings.Lines(corefile) {
		if strings.HasSuffix(strings.TrimSpace(line), "{") && line[0] != ' ' && line[0] != '\t' {
			line = plainKey.ReplaceAllString(line, "${1}${2}:"+port)
		}
		b.WriteString(line)
	}
	text := openBlock.ReplaceAllString(b.String(), "$1{\nfront on")
	return emptyBlock.ReplaceAllString(text, "$1 {\nfront on\n}")
}

// frontCount returns how many datagrams the fronts at a port have read, by what
// became of them, and whether there is one.
func frontCount(t *testing.T, port string) (fates map[string]int, steered bool) {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	fates = map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			switch {
			case !strings.HasSuffix(labels["server"], ":"+port):
			case f.GetName() == "coredns_nonudify_front_queries_total":
				fates[labels["fate"]] += int(m.GetCounter().GetValue())
			case f.GetName() == "coredns_nonudify_front_steered":
				steered = m.GetGauge().GetValue() == 1
			}
		}
	}
	return fates, steered
}

// frontUp waits until a front is before the server at a port.
func frontUp(t *testing.T, port string) {
	t.Helper()
	err := poll(func() error {
		if _, steered := frontCount(t, port); !steered {
			return errors.New("no front at port " + port)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// onLinux skips a test where there is no front.
func onLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("There is a UDP front on Linux only")
	}
}

// TestScenariosFronted plays every scenario with a front before each server of
// plain DNS: nothing is to change.
func TestScenariosFronted(t *testing.T) {
	onLinux(t)
	files, err := filepath.Glob("../../testdata/scenario/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("No scenarios: %v", err)
	}
	var answered, by atomic.Int64
	t.Cleanup(func() { // when all have been played
		t.Logf("The fronts have answered %d queries, and passed %d", answered.Load(), by.Load())
		if answered.Load() < 30 || by.Load() < 100 {
			t.Error("That is too little to show anything")
		}
	})
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			if strings.Contains(string(text), "proxyproto") {
				t.Skip("A front does not speak the PROXY protocol, and says so: TestFrontRefused")
			}
			port := freePort(t)
			play(t, file, port)
			fates, _ := frontCount(t, port)
			answered.Add(int64(fates["answered"]))
			by.Add(int64(fates["passed"]))
		})
	}
}

// TestFrontRefused: what a front would pass over is refused with a clear word.
func TestFrontRefused(t *testing.T) {
	t.Parallel()
	const port = "PORT {\n bind 127.0.0.1\n "
	for name, c := range map[string]struct{ corefile, want string }{
		"proxyproto": {".:" + port + "proxyproto {\n allow 127.0.0.0/8\n }\n nonudify {\n front on\n }\n}", "expects the PROXY protocol"},
		"other block": {".:" + port + "nonudify {\n front on\n }\n}\nexample:" + port + "shed\n whoami\n}",
			"server block example.:PORT has shed, or another plugin that writes the replies, at the same address: put nonudify with 'front on' there, too"},
	} {
		t.Run(name, func(t *testing.T) {
			at := strings.NewReplacer("PORT", freePort(t))
			i, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(at.Replace(c.corefile)), Filepath: "Corefile", ServerTypeName: "dns"})
			if err == nil {
				stop(i)
			}
			if err == nil || !strings.Contains(err.Error(), at.Replace(c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestFrontNowhere: where nobody can come by a front, the log says that it does
// nothing. Where others can, as with settings that server blocks share, all is well.
func TestFrontNowhere(t *testing.T) {
	dir := t.TempDir()
	certify(t, dir)
	rest := " {\n bind 127.0.0.1\n tls " + dir + "/certificate.pem " + dir + "/key.pem\n nonudify {\n front on\n }\n}\n"
	for keys, want := range map[string]int{"tls://ZONE:0": 1, "tls://ZONE:0 https://ZONE:0": 1, "ZONE:PORT": 0, "tls://ZONE:0 ZONE:PORT": 0, "tls://ZONE:0" + rest + "ZONE:PORT": 0} {
		t.Run(keys, func(t *testing.T) {
			t.Parallel()
			zone := fresh("front") + ".test"
			stop(start(t, strings.NewReplacer("ZONE", zone, "PORT", freePort(t)).Replace(keys)+rest))
			lines := logged.with(zone, "it has no listener of plain DNS")
			if len(lines) != want || want > 0 && !strings.Contains(lines[0], "[WARNING] plugin/nonudify: No front for server block tls://"+zone+".:0:") {
				t.Errorf("The log says %q, want %d lines", lines, want)
			}
		})
	}
}
