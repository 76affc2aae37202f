package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The tests in this file install the package as an administrator would, on a machine
// that is a copy of this one: its files lie behind an overlay that is thrown away, its
// systemd is another one, in namespaces of its own, and its network is a loopback.

// inside is set, to the directory of the packages, for the tests that run there.
const inside = "NONUDIFY_TEST_INSIDE"

// unit runs the tests inside, and then ends the machine.
const unit = `[Unit]
Requires=basic.target
After=basic.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
Environment=` + inside + `=/trial DEBIAN_FRONTEND=noninteractive
WorkingDirectory=/trial
ExecStart=/trial/tests -test.v -test.run ^TestInside$ -test.timeout 4m
StandardOutput=file:/trial/output
StandardError=inherit
`

// start has the copy of the machine, below $TRIAL, run until the unit has ended.
const start = `
set -eu
mount -t tmpfs tmpfs "$TRIAL"
mkdir "$TRIAL/changes" "$TRIAL/work" "$TRIAL/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$TRIAL/changes,workdir=$TRIAL/work" "$TRIAL/root"
rm -f "$TRIAL/root/usr/sbin/policy-rc.d"
rm -f "$TRIAL/root/var/lib/man-db/auto-update" # the index of all manual pages, made anew each time
cp -RL "$PAYLOAD" "$TRIAL/root/trial"
mv "$TRIAL/root/trial/nonudify-trial.service" "$TRIAL/root/etc/systemd/system/"
rm -f "$TRIAL/root/etc/resolv.conf"
echo "nameserver 192.0.2.53" >"$TRIAL/root/etc/resolv.conf"
timeout 300 systemd-nspawn -q -D "$TRIAL/root" -M "nonudify-trial-$$" --private-network --register=no --keep-unit \
	--resolv-conf=off --link-journal=no --timezone=off --console=pipe -b systemd.unit=nonudify-trial.service </dev/null >"$TRIAL/console" 2>&1 || code=$?
cat "$TRIAL/root/trial/output" || cat "$TRIAL/console"
exit ${code:-0}
`

// TestInstall has TestInside run on a copy of this machine.
func TestInstall(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can install a package")
	}
	for _, program := range []string{"dpkg", "adduser", "rpm", "systemd-nspawn", "systemd-analyze", "deb-systemd-helper"} {
		installed(t, program)
	}
	r := releaseOf(t)
	payload := filepath.Join(t.TempDir(), "trial")
	if err := os.Mkdir(payload, 0o755); err != nil {
		t.Fatal(err)
	}
	old := *r
	old.version, old.out = "0.0.0.0.1", filepath.Join(payload, "old")
	for _, a := range architectures {
		if a.goarch == runtime.GOARCH {
			a.formats = []string{"deb", "rpm"}
			if err := errors.Join(os.Mkdir(old.out, 0o755), old.packages(a)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"old.deb": only(t, &old, ".deb"), "new.deb": only(t, r, ".deb"), "old.rpm": only(t, &old, ".rpm"), "new.rpm": only(t, r, ".rpm"), "tests": tests} {
		if err := os.Symlink(from, filepath.Join(payload, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(payload, "nonudify-trial.service"), []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", start)
	cmd.Env = append(os.Environ(), "TRIAL="+t.TempDir(), "PAYLOAD="+payload)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestInside") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestInside installs, uses, upgrades and purges the package, and looks at what became of it.
func TestInside(t *testing.T) {
	dir := os.Getenv(inside)
	if dir == "" {
		t.Skip("TestInstall runs this on a machine of its own")
	}
	before := traces(t)
	do(t, "dpkg", "-i", "old.deb")
	t.Run("runs", func(t *testing.T) { testRuns(t) })
	t.Run("sandbox", testSandbox)
	t.Run("configuration", testConfiguration)
	t.Run("upgrade", testUpgrade)
	t.Run("watchdog", testWatchdog)
	t.Run("reinstall", testReinstall)
	t.Run("purge", func(t *testing.T) { testPurge(t, before) })
	t.Run("taken", testTaken)
	t.Run("purge again", func(t *testing.T) { testPurge(t, before) })
	t.Run("rpm", testRPM)
}

// do returns what a program prints.
func do(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		journal, _ := exec.Command("journalctl", "-u", "nonudify", "--no-pager", "-n", "40").CombinedOutput()
		t.Fatalf("%s %v: %v\n%s\n%s", program, args, err, out, journal)
	}
	return string(out)
}

// property is one of the service, as systemd knows it.
func property(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(do(t, "systemctl", "show", "-P", name, "nonudify.service"))
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("still not: %s\n%s", what, do(t, "journalctl", "-u", "nonudify", "--no-pager", "-n", "40"))
		case <-again.C:
		}
	}
}

// rcode asks the resolver, as any program of the machine would.
func rcode(name string) (dnsmessage.RCode, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 4711, RecursionDesired: true})
	b.StartQuestions()
	b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET})
	query, err := b.Finish()
	if err != nil {
		return 0, err
	}
	conn, err := net.Dial("udp", "127.0.0.1:53")
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := conn.Write(query); err != nil {
		return 0, err
	}
	buf := make([]byte, 1500)
	n, err := conn.Read(buf)
	if err != nil {
		return 0, err
	}
	var p dnsmessage.Parser
	h, err := p.Start(buf[:n])
	return h.RCode, err
}

func denied(name string) bool {
	code, err := rcode(name)
	return err == nil && code == dnsmessage.RCodeNameError
}

// testRuns has the service be there after the installation, as its own user.
func testRuns(t *testing.T) string {
	t.Helper()
	if active, enabled := property(t, "ActiveState"), property(t, "UnitFileState"); active != "active" || enabled != "enabled" {
		t.Fatalf("%s, %s\n%s", active, enabled, do(t, "journalctl", "-u", "nonudify", "--no-pager"))
	}
	if out := do(t, "nonudify", "check", "-conf", "/etc/nonudify/Corefile", "www.example.org"); !strings.Contains(out, "not listed") {
		t.Errorf("%s", out)
	}
	return property(t, "MainPID")
}

// testSandbox has the process be held to what the unit promises, and systemd judge that.
func testSandbox(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("/proc", property(t, "MainPID"), "status"))
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	uid := strings.TrimSpace(do(t, "id", "-u", "nonudify"))
	const bindService = 1 << 10 // CAP_NET_BIND_SERVICE
	want := map[string]string{"Uid": strings.Join([]string{uid, uid, uid, uid}, "\t"), "NoNewPrivs": "1", "Seccomp": "2",
		"CapEff": fmt.Sprintf("%016x", bindService), "CapBnd": fmt.Sprintf("%016x", bindService)}
	for name, value := range want {
		if status[name] != value {
			t.Errorf("%s is %q, not %q", name, status[name], value)
		}
	}
	do(t, "systemd-analyze", "verify", "nonudify.service")
	// An image of no more than this machine lacks the kernel's own view of a unit, and systemd judges the file.
	verdict := do(t, "systemd-analyze", "security", "--offline=yes", "nonudify.service")
	m := regexp.MustCompile(`Overall exposure level for nonudify.service: ([0-9.]+)`).FindStringSubmatch(verdict)
	if m == nil {
		t.Fatal(verdict)
	}
	t.Log(m[0])
	if score, err := strconv.ParseFloat(m[1], 64); err != nil || score > 2 {
		t.Errorf("%v\n%s", err, verdict)
	}
}

// testConfiguration has changes of the administrator be taken up.
func testConfiguration(t *testing.T) {
	extend(t, "/etc/nonudify/block.txt", "blocked.example\n")
	eventually(t, "the new name is blocked", func() bool { return denied("www.blocked.example.") })
	pid := property(t, "MainPID")
	extend(t, "/etc/nonudify/Corefile", "# mine\nother.example:53 {\n    bind 127.0.0.1\n    nonudify {\n        block other.example\n    }\n}\n")
	do(t, "systemctl", "reload", "nonudify")
	eventually(t, "the new block serves", func() bool { return denied("other.example.") })
	if now := property(t, "MainPID"); now != pid {
		t.Errorf("another process after a reload: %s, %s", pid, now)
	}
}

func extend(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// testUpgrade has the new program run with the old configuration.
func testUpgrade(t *testing.T) {
	pid := property(t, "MainPID")
	do(t, "dpkg", "-i", "new.deb")
	if now := testRuns(t); now == pid {
		t.Error("the old process still runs")
	}
	text, err := os.ReadFile("/etc/nonudify/Corefile")
	if err != nil || !strings.Contains(string(text), "# mine\n") {
		t.Errorf("%v\n%s", err, text)
	}
	if !denied("www.blocked.example.") || !denied("other.example.") {
		t.Error("what was configured is lost")
	}
}

// testWatchdog has a resolver that stands still be started anew.
func testWatchdog(t *testing.T) {
	if err := os.MkdirAll("/run/systemd/system/nonudify.service.d", 0o755); err != nil {
		t.Fatal(err)
	}
	drop := "/run/systemd/system/nonudify.service.d/trial.conf"
	if err := os.WriteFile(drop, []byte("[Service]\nWatchdogSec=1\nRestartSec=0\nTimeoutAbortSec=2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	do(t, "systemctl", "daemon-reload")
	do(t, "systemctl", "restart", "nonudify")
	pid, err := strconv.Atoi(property(t, "MainPID"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process serves", func() bool {
		return property(t, "MainPID") != strconv.Itoa(pid) && property(t, "ActiveState") == "active" && denied("www.blocked.example.")
	})
	if err := os.RemoveAll(filepath.Dir(drop)); err != nil {
		t.Fatal(err)
	}
	do(t, "systemctl", "daemon-reload")
	do(t, "systemctl", "restart", "nonudify")
}

// testReinstall has the configuration outlive a removal.
func testReinstall(t *testing.T) {
	do(t, "dpkg", "-r", "nonudify")
	if _, err := rcode("www.blocked.example."); err == nil {
		t.Error("something answers")
	}
	do(t, "dpkg", "-i", "new.deb")
	testRuns(t)
	if !denied("www.blocked.example.") {
		t.Error("what was configured is lost")
	}
}

// traces are all files with the name of the package, users and groups, but for the records of
// the package manager and of this test.
func traces(t *testing.T) (found []string) {
	t.Helper()
	for _, root := range []string{"/etc", "/usr", "/var", "/run"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // it has gone meanwhile, or is none of our business
			}
			if path == "/var/cache/man" { // what man formats for whoever reads it
				return fs.SkipDir
			}
			if strings.Contains(d.Name(), "nonudify") && !strings.Contains(path, "nonudify-trial") {
				found = append(found, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"} {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "nonudify:") {
				found = append(found, file+" "+lines.Text())
			}
		}
	}
	return found
}

// testPurge has nothing be left, nor what "nonudify init" has kept.
func testPurge(t *testing.T, before []string) {
	if err := os.WriteFile("/etc/nonudify/Corefile.20261122T195209Z", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	do(t, "dpkg", "--purge", "nonudify")
	for _, trace := range traces(t) {
		if !slices.Contains(before, trace) {
			t.Errorf("left: %s", trace)
		}
	}
	if out, err := exec.Command("systemctl", "is-active", "nonudify").CombinedOutput(); err == nil {
		t.Errorf("%s", out)
	}
}

// testTaken has a program that has the port already keep it, at the installation and
// when the service is started.
func testTaken(t *testing.T) {
	const other = "127.0.0.1:53"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var config net.ListenConfig
	conn, err := config.ListenPacket(ctx, "udp", other)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	explained := "port 53 of 127.0.0.1 belongs to tests, and is left to it"
	if out := do(t, "dpkg", "-i", "new.deb"); !strings.Contains(out, explained) {
		t.Errorf("%q is not in\n%s", explained, out)
	}
	if active, enabled := property(t, "ActiveState"), property(t, "UnitFileState"); active != "inactive" || enabled != "disabled" {
		t.Errorf("%s, %s", active, enabled)
	}
	do(t, "systemctl", "start", "nonudify")
	if active, result := property(t, "ActiveState"), property(t, "Result"); active != "inactive" {
		t.Errorf("%s, %s", active, result)
	}
	eventually(t, "the log explains it", func() bool {
		return strings.Contains(do(t, "journalctl", "-u", "nonudify", "--no-pager"), explained)
	})
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	do(t, "systemctl", "enable", "--now", "nonudify")
	testRuns(t)
}

// testRPM installs, upgrades and removes the other package, as far as a machine of Debian
// shows it: what it needs of other packages is not looked at.
func testRPM(t *testing.T) {
	rpm := func(args ...string) string {
		return do(t, "rpm", append([]string{"--force-debian", "--nodeps", "--nosignature"}, args...)...)
	}
	if out := rpm("-i", "old.rpm"); !strings.Contains(out, "systemctl enable --now nonudify") {
		t.Errorf("%s", out)
	}
	if active := property(t, "ActiveState"); active != "inactive" {
		t.Errorf("%s without being asked for", active)
	}
	do(t, "systemctl", "enable", "--now", "nonudify")
	pid := testRuns(t)
	extend(t, "/etc/nonudify/block.txt", "blocked.example\n")
	rpm("-U", "new.rpm")
	if now := testRuns(t); now == pid {
		t.Error("the old process still runs")
	}
	if !denied("www.blocked.example.") {
		t.Error("what was configured is lost")
	}
	rpm("-e", "nonudify")
	if active := property(t, "ActiveState"); active != "inactive" {
		t.Errorf("%s after the removal", active)
	}
	if text, err := os.ReadFile("/etc/nonudify/block.txt.rpmsave"); err != nil || !strings.Contains(string(text), "blocked.example") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := os.Stat("/usr/bin/nonudify-resolver"); err == nil {
		t.Error("the program is still there")
	}
}
