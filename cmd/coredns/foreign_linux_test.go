package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var foreign = flag.String("foreign", "", "folder with the programs for linux/arm64, linux/arm and linux/mipsle, as make cross builds them, for TestForeign")

// emulators are those of user-space programs (QEMU), by the architecture.
var emulators = map[string]string{"arm64": "qemu-aarch64-static", "arm": "qemu-arm-static", "mipsle": "qemu-mipsel-static"}

// TestForeign: the resolver and the tool do what they are for on the processors of
// small computers and routers, with the front and with a compiled list.
func TestForeign(t *testing.T) {
	if *foreign == "" {
		t.Skip("without -foreign there are no programs for other processors: make foreign builds them")
	}
	for arch, emulator := range emulators {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			qemu := expected(t, emulator)
			programs := filepath.Join(*foreign, "linux", arch)
			dir := t.TempDir()
			compiled := filepath.Join(dir, "list.compiled")
			list := filepath.Join(dir, "list.txt")
			if err := os.WriteFile(list, []byte("compiled.example\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"compile", "-o", compiled, list}, {"check", "-list", list, "www.compiled.example"}} {
				out, err := exec.CommandContext(t.Context(), qemu, append([]string{filepath.Join(programs, "nonudify")}, args...)...).CombinedOutput()
				if blocked := args[0] == "check"; blocked != (err != nil) || blocked && !strings.Contains(string(out), "blocked") {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
			}
			corefile := corefileOf(t, ".:{$PORT} {\n bind 127.0.0.1\n nonudify {\n  list builtin\n  list "+compiled+" name compiled\n  state "+dir+"/state\n }\n cache\n forward . "+newUpstream(t).addr+"\n}\n")
			p := started(t, exec.Command(qemu, filepath.Join(programs, "coredns"), "-conf", corefile))
			for name, want := range map[string]string{builtinNames()[0] + ".": "NXDOMAIN 17", "a.compiled.example.": "NXDOMAIN 17", "good.example.": "NOERROR"} {
				for _, network := range []string{"udp", "tcp"} {
					if err := poll(func() error {
						if got := verdictOn(network, "127.0.0.1:"+p.port, "127.0.0.1", name); got != want {
							return fmt.Errorf("%s over %s: %s, want %s", name, network, got, want)
						}
						return nil
					}); err != nil {
						t.Fatalf("%v\n%s", err, p.out.String())
					}
				}
			}
			t.Logf("%s: %s", arch, resident(t, p.cmd.Process.Pid))
		})
	}
}

// resident is what a process has in memory, its emulator included.
func resident(t *testing.T, pid int) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile(`VmRSS:\s+\d+ kB`).Find(status))
}
