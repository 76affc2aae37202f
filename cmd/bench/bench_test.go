package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/load"
	"github.com/nonudify/nonudify/cmd/bench/internal/report"
	"github.com/nonudify/nonudify/cmd/bench/internal/server"
)

var scratch string // a directory for all tests

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "nonudify"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// built makes the resolver and this program as people get them, without the race
// detector, which would measure itself.
var built = sync.OnceValue(func() error {
	for _, args := range [][]string{
		{"make", "-C", "../..", "build", "BIN=" + scratch, "VERSION=test"},
		{"go", "build", "-o", filepath.Join(scratch, "bench"), "."},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
	}
	return nil
})

// program returns a command that runs this program, with a directory of its own for
// temporary files, which has to be empty when it has ended.
func program(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("Only Linux is measured on: ", load.ErrUnsupported)
	}
	if err := built(); err != nil {
		t.Fatal(err)
	}
	temporary, err := os.MkdirTemp(scratch, "") // short: the path of a socket has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
			t.Errorf("It has left %v, %v", left, err)
		}
	})
	cmd, said := exec.CommandContext(t.Context(), filepath.Join(scratch, "bench"), args...), &bytes.Buffer{}
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	cmd.Stderr = said
	return cmd, said
}

// runs runs the program and returns what it prints.
func runs(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd, said := program(t, args...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bench %v: %v\n%s%s", args, err, out, said)
	}
	t.Logf("%s%s", said, out)
	return out
}

func resolver() string { return filepath.Join(scratch, "coredns") }

// TestMeasure measures two candidates: not how fast they are, but that everything is
// measured, every answer is right, and all that can be written is.
func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	document, plot, saved := filepath.Join(dir, "performance.md"), filepath.Join(dir, "plot.svg"), filepath.Join(dir, "report.json")
	if err := os.WriteFile(document, []byte("# T\n<!-- make bench begins -->\n<!-- make bench ends -->\nthe end\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := runs(t, "-coredns", resolver(), "-candidates", "nonudify,coredns", "-sizes", "1k,2k", "-rounds", "1", "-time", "1s",
		"-rate", "500", "-patience", "20s", "-json", "-svg", plot, "-markdown", document)
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1000, 2000} {
		judge(t, r.Row("nonudify", size), workloadNames())
	}
	judge(t, r.Row("coredns", 0), []string{"cached", "99:1", "miss", "steady"})
	if len(r.Rows) != 3 || r.Limit == nil || r.Limit.CPU.Median() <= 0 {
		t.Errorf("%d rows, limit %v", len(r.Rows), r.Limit)
	}
	if text, err := os.ReadFile(document); err != nil || !strings.Contains(string(text), "| nonudify | **") || !strings.HasSuffix(string(text), "the end\n") {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err := os.ReadFile(plot); err != nil || !strings.Contains(string(text), "nonudify: ") {
		t.Errorf("%v\n%s", err, text)
	}
	if err := os.WriteFile(saved, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if tables := runs(t, "-from", saved); !strings.Contains(string(tables), "| nonudify | **") {
		t.Errorf("From a file:\n%s", tables)
	}
}

// judge holds a row against what it has to have. What is lost says how busy the machine is.
func judge(t *testing.T, row *report.Row, workloads []string) {
	t.Helper()
	if len(row.Cells) != len(workloads) || row.Skipped != "" || row.Start.Median() <= 0 || row.Rest.Median() <= 0 || row.Loaded.Median() <= 0 {
		t.Errorf("%s: %+v", row.Candidate, row)
	}
	for _, name := range workloads {
		c := row.Cell(name)
		if c.Right < 10 || c.Wrong > 0 || c.CPU.Median() <= 0 || c.QPS.Median() <= 0 || c.P50.Median() <= 0 || c.P99.Median() < c.P50.Median() {
			t.Errorf("%s, %s: %+v", row.Candidate, name, c)
		}
	}
}

// TestCandidates: every product that is here answers names of all kinds rightly, with
// the settings that it is measured with.
func TestCandidates(t *testing.T) {
	for _, c := range server.Candidates {
		t.Run(c.Name, func(t *testing.T) {
			if _, err := c.Find("sh"); err != nil && os.Getenv("CI") == "" {
				t.Skipf("%v (make setup)", err)
			}
			text := runs(t, "-coredns", resolver(), "-candidates", c.Name, "-sizes", "1k", "-rounds", "1", "-time", "50ms",
				"-workloads", "99:1", "-patience", "20s", "-json")
			var r report.Report
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			switch absent := r.Candidates[0].Absent; {
			case strings.Contains(absent, "unknown property 'front'"):
				t.Skip("This resolver has no front: ", absent)
			case absent != "" || r.Candidates[0].Version == "?":
				t.Errorf("%+v", r.Candidates[0])
			}
		})
	}
}

// hasFront reports whether the resolver knows the property.
func hasFront(t *testing.T) bool {
	t.Helper()
	cmd, said := program(t, "soak", "-front", "-coredns", resolver(), "-size", "100", "-time", "3s", "-reload", "1s", "-swap", "0.5s")
	if err := cmd.Run(); err != nil && strings.Contains(said.String(), "unknown property 'front'") {
		return false
	}
	return true
}

// trials are the ways of the resolver that have to stand a trial.
func trials(t *testing.T) map[string][]string {
	ways := map[string][]string{"chain": nil}
	if hasFront(t) {
		ways["front"] = []string{"-front"}
	} else {
		t.Log("This resolver has no front: queries go through the chain only")
	}
	return ways
}

// TestSoak is the beginning of "make soak".
func TestSoak(t *testing.T) {
	ways := trials(t)
	each := time.Minute / time.Duration(len(ways))
	for name, flags := range ways {
		t.Run(name, func(t *testing.T) {
			runs(t, append([]string{"soak", "-coredns", resolver(), "-time", each.String(), "-reload", "10s", "-swap", "3s"}, flags...)...)
		})
	}
}

// TestOverload: three times what the resolver can answer.
func TestOverload(t *testing.T) {
	for name, flags := range trials(t) {
		t.Run(name, func(t *testing.T) {
			runs(t, append([]string{"overload", "-coredns", resolver(), "-time", "10s"}, flags...)...)
		})
	}
}

// TestOverloadFinds: a limit that nothing can hold is a finding, with exit code 1.
func TestOverloadFinds(t *testing.T) {
	cmd, said := program(t, "overload", "-coredns", resolver(), "-time", "1s", "-memory", "1", "-size", "100")
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != finding || !strings.Contains(said.String(), "resident, more than 1") {
		t.Errorf("%v\n%s", err, said)
	}
}
