package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/cmd/bench/internal/corpus"
	"github.com/nonudify/nonudify/cmd/bench/internal/load"
	"github.com/nonudify/nonudify/cmd/bench/internal/report"
	"github.com/nonudify/nonudify/cmd/bench/internal/server"
	"github.com/nonudify/nonudify/plugin/list"
)

// TestUsage: wrong use has its exit code, and a sentence that says what is wanted.
func TestUsage(t *testing.T) {
	other := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(other, []byte("no report"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"-h", fine, "usage: bench"},
		{"soak -h", fine, "usage: bench soak"},
		{"overload --help", fine, "usage: bench overload"},
		{"sock", wrong, `unknown verb "sock"`},
		{"-nonsense", wrong, "flag provided but not defined"},
		{"-quick now", wrong, `"now" is too much`},
		{"-sizes 5", wrong, "a list of 5 names"},
		{"-sizes 5q", wrong, `"5q" is no number`},
		{"-sizes 9000M", wrong, `"9000M" is no number`},
		{"-sizes 99M", wrong, "a list of 99000000 names"},
		{"-candidates bind9", wrong, `no candidate is called "bind9": want nonudify`},
		{"-workloads all,blocked", wrong, `no workload is called "all"`},
		{"-plot x", wrong, `no workload is called "x"`},
		{"-rounds 0", wrong, "0 rounds"},
		{"-time 1ms", wrong, "1ms for each workload"},
		{"-window 1", wrong, "a window of 1"},
		{"-rate 0", wrong, "a rate of 0"},
		{"-patience 0s", wrong, "a patience of 0s"},
		{"-cores 0", wrong, "two different cores"},
		{"-cores 1,1", wrong, "two different cores"},
		{"-from /nowhere/report.json", wrong, "no such file"},
		{"-from " + other, wrong, other + ": not what -json prints"},
		{"soak -time 1m", wrong, "three reloads"},
		{"soak -swap 2m", wrong, "three reloads"},
		{"overload -times 1", wrong, "more than the resolver can answer"},
		{"soak -size 1", wrong, "a list of 1 names"},
		{"respond", wrong, "wants an address"},
		{"respond 192.0.2.1:53", wrong, "no address and port on loopback"},
	} {
		var out, said bytes.Buffer
		code := run(t.Context(), strings.Fields(tt.args), strings.NewReader(""), &out, &said)
		if text := out.String() + said.String(); code != tt.code || !strings.Contains(text, tt.want) {
			t.Errorf("bench %s: exit code %d\n%s\nwant %d and %q", tt.args, code, text, tt.code, tt.want)
		}
		if (code == fine) != (out.Len() > 0) || (code == fine) == (said.Len() > 0) {
			t.Errorf("bench %s: %q is on stdout, %q on stderr", tt.args, &out, &said)
		}
	}
}

// TestAbsent: what is not here is named, and nothing at all is an error.
func TestAbsent(t *testing.T) {
	cmd, said := program(t, "-quick", "-coredns", "/nowhere/coredns", "-candidates", "nonudify")
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != wrong || !strings.Contains(said.String(), "nonudify: not measured") ||
		!strings.Contains(said.String(), "nothing to measure") {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestInterrupt: who has enough gets a machine without servers and files of ours.
func TestInterrupt(t *testing.T) {
	cmd, said := program(t, "-coredns", resolver(), "-candidates", "nonudify", "-sizes", "1k", "-rounds", "100", "-time", "1s")
	cmd.Stderr = nil
	lines, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for !strings.Contains(said.String(), "round 1 of 100: nonudify") {
		n, err := lines.Read(buffer)
		if err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		said.Write(buffer[:n])
	}
	cmd.Process.Signal(os.Interrupt)
	said.ReadFrom(lines)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != wrong || !strings.Contains(said.String(), "interrupted; all servers are stopped") {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestJudge: what has grown, or is lost, is a fault.
func TestJudge(t *testing.T) {
	flat := []checkpoint{{20, 40e6}, {21, 41e6}, {20, 40e6}, {21, 42e6}}
	for _, tt := range []struct {
		title  string
		points []checkpoint
		sum    load.Result
		faults int
	}{
		{"flat", flat, load.Result{Sent: 10, Right: 10}, 0},
		{"lost", flat, load.Result{Sent: 10, Right: 9, Lost: 1}, 1},
		{"wrong", flat, load.Result{Sent: 10, Right: 9, Wrong: 1}, 1},
		{"goroutines", append(slices.Clone(flat), checkpoint{26, 40e6}), load.Result{}, 1},
		{"memory", append(slices.Clone(flat), checkpoint{20, 60e6}), load.Result{}, 1},
		{"both", append(slices.Clone(flat), checkpoint{26, 60e6}), load.Result{}, 2},
	} {
		var out, said bytes.Buffer
		s := soaking{trial: trial{env: env{stdout: &out, stderr: &said}, names: &corpus.List{Size: 100}}, points: tt.points, sum: tt.sum}
		if s.judge(); s.faults != tt.faults || out.Len() == 0 {
			t.Errorf("%s: %d faults, want %d: %s", tt.title, s.faults, tt.faults, &said)
		}
	}
}

// TestTooSlow: a start that is sure to take too long is not waited for.
func TestTooSlow(t *testing.T) {
	present := found{Candidate: server.Candidate{Name: "bind", Format: list.ToRPZ}}
	for _, tt := range []struct {
		took    float64 // with 5000 names, seconds
		skipped string
		size    int
		want    bool
	}{
		{1.5, "", 50_000, false}, {2.5, "", 50_000, true}, {0.9, "", 5_000_000, false}, {0.1, "before", 50_000, true},
	} {
		var said bytes.Buffer
		b := &bench{options: &options{start: 20 * time.Second}, env: env{stderr: &said}, report: &report.Report{}}
		row := b.report.Row("bind", 5000)
		row.Start, row.Skipped = report.Sample{tt.took}, tt.skipped
		for range 2 { // in the second round as in the first
			if got := b.tooSlow(present, tt.size); got != tt.want {
				t.Errorf("%+v: %v", tt, got)
			}
		}
	}
}
