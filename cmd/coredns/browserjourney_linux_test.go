package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"golang.org/x/sys/unix"
)

// TestFromBlockedNameToHelp goes the whole way in a browser that asks the
// resolver: from a blocked name to the page, and on by keyboard alone through
// each door. It does so in a network that has nothing but a loopback address, so
// nothing can leave the machine, and in which the system's resolver is ours.
func TestFromBlockedNameToHelp(t *testing.T) {
	if resolver := os.Getenv(apart); resolver != "" {
		journey(t, resolver)
		return
	}
	chromium(t)
	rerunApart(t)
}

// rerunApart runs the test once more in a process that has a network and mounts of
// its own.
func rerunApart(t *testing.T) {
	t.Helper()
	resolver, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=150s")
	c.Env = append(os.Environ(), apart+"="+resolver)
	c.SysProcAttr = ownNetwork()
	out, err := c.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &ended) && os.Getenv("CI") == "":
		t.Skipf("No network can be made that has only loopback: %v", err)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Fatalf("The test did not run:\n%s", out)
	}
	t.Logf("%s", out)
}

// ownNetwork starts a process in a network and with mounts of its own. Who is
// not root may do so in a user namespace, where the system lets him.
func ownNetwork() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		a.Cloneflags = syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// settle gives the network its loopback address and makes it the system's
// resolver.
func settle(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	up, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	up.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, up); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(conf, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) != 1 || interfaces[0].Flags&net.FlagLoopback == 0 {
		t.Fatalf("This is no network apart: %v %v", interfaces, err)
	}
}

// journey is the test in the network apart.
func journey(t *testing.T, resolver string) {
	settle(t)
	serveApart(t, resolver)
	b := newBrowser(t, "http://blocked.example", true)
	b.screen(t, desktop.width, desktop.height, "light")
	b.refused(t)
	b.open(t, "/some/path?of=a#visit")
	if got := eval[string](t, b, `document.querySelector("h1").innerText`); got != "This page is blocked" {
		t.Fatalf("The browser shows %q", got)
	}
	if text := eval[string](t, b, `document.documentElement.outerHTML`); strings.Contains(text, "blocked.example") {
		t.Error("The page shows the name that was asked for")
	}
	b.tab(t, "first")
	b.tab(t, "leave")
	b.throughDoors(t)
	b.changeLanguage(t)
	b.changeCountry(t)
	b.check(t)
	if history := call(t, b, cdppage.GetNavigationHistory, cdp.Empty{}); strings.Count(fmt.Sprint(urls(history)), b.home) != 1 {
		t.Errorf("The history has %q", urls(history))
	}
}

func urls(history cdppage.GetNavigationHistoryResult) (all []string) {
	for _, e := range history.Entries {
		all = append(all, e.URL)
	}
	return all
}

// serveApart runs the resolver on the ports that the world expects.
func serveApart(t *testing.T, resolver string) {
	t.Helper()
	corefile := filepath.Join(t.TempDir(), "Corefile")
	text := ".:53 {\n bind 127.0.0.1\n nonudify {\n  block blocked.example\n  action sinkhole 127.0.0.1\n  page 127.0.0.1:80\n }\n}\n"
	if err := os.WriteFile(corefile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(resolver, "-conf", corefile), port: "53", out: &syncBuffer{}}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		p.cmd.Wait()
		if t.Failed() {
			t.Log(p.out)
		}
	})
	p.wait(t)
}

// refused goes to the name by https: nothing listens there, and the browser says
// so at once instead of warning of a certificate.
func (b *browser) refused(t *testing.T) {
	t.Helper()
	secure := strings.Replace(b.home, "http:", "https:", 1) + "/"
	b.mayGo(secure)
	defer b.mayGo("")
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Navigate(secure))
	if failed := new(chromedp.LoadError); !errors.As(err, &failed) || failed.ErrorText != "net::ERR_CONNECTION_REFUSED" {
		t.Errorf("By https: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = nil // of the browser's own page on that
}

// throughDoors opens each door by keyboard and visits every link behind it. A
// door that opens shuts the one before.
func (b *browser) throughDoors(t *testing.T) {
	t.Helper()
	for i, door := range []string{"me", "maker", "adult"} {
		b.tabTo(t, func(f focus) bool { return f.Name == "summary" && f.Door == door })
		b.press(t, []string{kb.Enter, " ", kb.Enter}[i])
		b.opened(t, door)
		links := b.tabTo(t, func(f focus) bool { return f.Door != door })
		if len(links) < 3 {
			t.Errorf("Behind the door %s there are only %+v", door, links)
		}
		b.back(t)
	}
}

// back goes back to the element before by keyboard.
func (b *browser) back(t *testing.T) {
	t.Helper()
	b.do(t, chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(kb.ModifierShift)))
}

// changeLanguage reads on in German.
func (b *browser) changeLanguage(t *testing.T) {
	t.Helper()
	b.tabTo(t, func(f focus) bool { return f.Name == "summary" && strings.HasPrefix(f.Text, "English") })
	b.press(t, kb.Enter)
	b.tabTo(t, func(f focus) bool { return f.Language == "de" })
	b.do(t, loaded(chromedp.KeyEvent(kb.Enter)))
	if got := eval[string](t, b, `document.documentElement.lang`); got != "de" {
		t.Fatalf("The page is in %s", got)
	}
}

// changeCountry reads on for Austria.
func (b *browser) changeCountry(t *testing.T) {
	t.Helper()
	b.tabTo(t, func(f focus) bool { return f.Name == "summary" && strings.Contains(f.Text, "Länder") })
	b.press(t, " ")
	b.tabTo(t, func(f focus) bool { return f.Text == "Österreich" })
	b.do(t, loaded(chromedp.KeyEvent(kb.Enter)))
	got := eval[[]string](t, b, `[document.documentElement.lang, ...Array.from(document.querySelectorAll(".danger a"), a => a.href)]`)
	if len(got) < 2 || got[0] != "de" || !strings.HasPrefix(got[1], "tel:") {
		t.Errorf("In Austria the page has %q", got)
	}
}
