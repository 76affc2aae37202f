//go:build unix

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// walker is a reader with a computer of his own, whose folders and network are those
// of the test alone.
type walker struct {
	guide    string
	dir      string // where he types
	programs string // what stands in for programs of systems that are not here
	notes    string // what these programs note
	running  map[string]*exec.Cmd
}

// standIns are the programs that a guide has its reader run on other machines, or that
// would change this one. What they cannot do here they note, for act to do.
var standIns = map[string]string{
	"sudo": `exec "$@"`,
	"scp":  `shift; exec cp "$1" "${2#*:}"`,
	"apt": `case $1 in
install) test -f "$2" && mkdir -p /etc/nonudify /var/lib/nonudify && touch /etc/nonudify/Corefile /etc/nonudify/allow.txt /etc/nonudify/block.txt ;;
purge) rm -r /etc/nonudify /var/lib/nonudify; echo stop nonudify >>"$WALK/asked" ;;
esac`,
	"systemctl": `echo "$1 $2" >>"$WALK/asked"`,
	"service":   `echo "$2 $1" >>"$WALK/asked"`,
	"uci": `f=$WALK/uci; touch "$f"; [ "$1" != -q ] || shift
case $1 in
get) sed -n "s|^$2=||p" "$f" ;;
set) grep -vF "${2%%=*}=" "$f" >"$f.new" || :; echo "$2" >>"$f.new"; mv "$f.new" "$f" ;;
add_list) echo "$2" >>"$f" ;;
delete) grep -qF "$2=" "$f" || exit 1; grep -vF "$2=" "$f" >"$f.new" || :; mv "$f.new" "$f" ;;
del_list) grep -vxF "$2" "$f" >"$f.new" || :; mv "$f.new" "$f" ;;
commit) cp "$f" "$WALK/committed" ;;
*) exit 1 ;;
esac`,
	"pihole-FTL": `[ "$1" = sqlite3 ] && shift && exec sqlite3 "$@"`,
	"pihole":     `[ "$1" = -g ] && echo gravity >>"$WALK/gravity"`,
}

// ourTool is the tool as a reader meets it, but that a finding is no failure, that a key
// has no passphrase, as nobody is there to type one, and that init is told which of the
// addresses are of this machine, as in the network apart all are.
const ourTool = `case $1 in
init) shift; set -- init -upstream 9.9.9.9 $LISTEN "$@" ;;
keygen) shift; set -- keygen -nopass "$@" ;;
esac
"$TOOL" "$@" || [ $? = 1 ]`

// newWalker gives a reader the programs, and ends what he has started.
func newWalker(t *testing.T, guide string) *walker {
	t.Helper()
	dir := t.TempDir()
	w := &walker{guide: guide, dir: filepath.Join(dir, "home"), programs: filepath.Join(dir, "programs"), notes: filepath.Join(dir, "notes"), running: map[string]*exec.Cmd{}}
	for _, d := range []string{w.dir, w.programs, w.notes, "/etc/init.d", "/var/www"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.install(t)
	t.Cleanup(func() {
		for name := range w.running {
			w.end(name)
		}
	})
	return w
}

// install puts the programs in their places, and into the reader's folder what he has
// brought along.
func (w *walker) install(t *testing.T) {
	t.Helper()
	for name, script := range standIns {
		w.program(t, filepath.Join(w.programs, name), script)
	}
	w.program(t, "/usr/bin/nonudify", ourTool)
	w.program(t, "/etc/init.d/nonudify", `echo "$1 nonudify" >>"$WALK/asked"`)
	resolver, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"/usr/bin/nonudify-resolver": resolver, filepath.Join(w.dir, "bin"): "/usr/bin"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"nonudify_1_amd64.deb", "nonudify_1_arm64.deb"} {
		w.write(t, name, "")
	}
	example, err := os.ReadFile("../../corefile.example")
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, "corefile.example", string(example))
}

func (w *walker) program(t *testing.T, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// write writes a file; its path is that of the reader.
func (w *walker) write(t *testing.T, path, text string) {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.dir, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// read returns a file.
func (w *walker) read(t *testing.T, path string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.dir, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// walk goes through a guide, one passage after the other.
func walk(t *testing.T, guide string) {
	w, steps := newWalker(t, guide), 0
	for _, p := range passages(t, "../../"+guide) {
		i, ok := rowOf(p)
		if !ok || passageRows()[i].walk == nil {
			continue
		}
		steps++
		p.text = dated(p.text)
		if !t.Run(fmt.Sprint("line ", p.line), func(t *testing.T) { w.step(t, p, passageRows()[i].walk) }) {
			t.Fatal("A reader would not get any further")
		}
	}
	if steps == 0 {
		t.Error("There is nothing to do")
	}
}

// step does what one passage says.
func (w *walker) step(t *testing.T, p passage, d *doing) {
	if d.before != nil {
		d.before(t, w)
	}
	out := ""
	if d.save != "" {
		w.write(t, d.save, p.text)
	} else {
		out = w.enter(t, p.commandLines(), d)
	}
	w.act(t)
	if d.after != nil {
		d.after(t, w, out)
	}
}

// enter runs commands and returns what they print. Of what takes a moment to come into
// force, the last command is asked again.
func (w *walker) enter(t *testing.T, lines []string, d *doing) (out string) {
	t.Helper()
	if d.serves != "" {
		w.served(t, lines[0], d.serves)
		lines = lines[1:]
	}
	out, code := w.sh(t, strings.Join(lines, "\n"), d.loose)
	if code != d.code {
		t.Fatalf("It ends with %d, want %d:\n%s", code, d.code, out)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" || strings.Contains(line, "systemctl") })
	err := poll(func() error {
		for _, want := range d.prints {
			if !strings.Contains(out, want) {
				out, _ = w.sh(t, lines[len(lines)-1], d.loose)
				return fmt.Errorf("%q is not in\n%s", want, out)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%s", out)
	return out
}

// command is one in the reader's folder.
func (w *walker) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = w.dir
	c.Env = []string{
		"PATH=" + w.programs + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + w.dir,
		"WALK=" + w.notes, "TOOL=" + filepath.Join(filepath.Dir(os.Getenv(apart)), "nonudify"), "LISTEN=-listen " + cmp.Or(serverOf[w.guide], "127.0.0.1"),
	}
	return c
}

// sh runs a script to its end, or to its first failure.
func (w *walker) sh(t *testing.T, script string, loose bool) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	flags := "-euxc"
	if loose {
		flags = "-uxc"
	}
	text, err := w.command(ctx, "sh", flags, script).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatalf("%v\n%s", err, text)
	}
	if ended != nil {
		code = ended.ExitCode()
	}
	return string(text), code
}

// served starts a command that serves, waits until it does, and ends it.
func (w *walker) served(t *testing.T, command, address string) {
	t.Helper()
	c := w.command(t.Context(), "sh", "-c", regexp.MustCompile(`^(bin/)?nonudify`).ReplaceAllString(command, `exec "$$TOOL"`))
	var out syncBuffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	err := poll(func() error {
		response, err := http.Get("http://" + address + "/")
		if err != nil {
			return err
		}
		response.Body.Close()
		return nil
	})
	c.Process.Signal(syscall.SIGTERM)
	c.Wait()
	if err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// act does what the stand-ins were asked for: it starts servers, and has them read
// their configuration again.
func (w *walker) act(t *testing.T) {
	t.Helper()
	asked := filepath.Join(w.notes, "asked")
	text, err := os.ReadFile(asked)
	if errors.Is(err, os.ErrNotExist) {
		return
	} else if err != nil {
		t.Fatal(err)
	}
	os.Remove(asked)
	for line := range strings.Lines(string(text)) {
		switch strings.TrimSpace(line) {
		case "restart nonudify":
			w.end("nonudify")
			out := w.launch(t, "nonudify", "/usr/bin/nonudify-resolver", "-conf", "/etc/nonudify/Corefile")
			if err := poll(func() error { return servesYet(out) }); err != nil { // for which systemd waits, too
				t.Error(err)
			}
		case "reload nonudify":
			w.running["nonudify"].Process.Signal(syscall.SIGUSR1)
		case "stop nonudify":
			w.end("nonudify")
		case "restart dnsmasq":
			w.end("dnsmasq")
			w.launch(t, "dnsmasq", installed(t, "dnsmasq"), "--keep-in-foreground", "--user=root", "--conf-file="+w.routerFile(t))
		default:
			t.Errorf("A service is asked for something new: %s", line)
		}
	}
}

// servesYet returns why the resolver that writes to out does not serve yet.
func servesYet(out *syncBuffer) error {
	if text := out.String(); !strings.Contains(text, ", CoreDNS-") {
		return fmt.Errorf("the resolver does not serve yet: %s", text)
	}
	return nil
}

// launch starts a server, and returns what it writes.
func (w *walker) launch(t *testing.T, name, program string, args ...string) (out *syncBuffer) {
	t.Helper()
	c := w.command(context.Background(), program, args...)
	out = &syncBuffer{}
	c.Stdout, c.Stderr = out, out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	w.running[name] = c
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %s", name, out.String())
		}
	})
	return out
}

// end ends a server, if it runs.
func (w *walker) end(name string) {
	if c := w.running[name]; c != nil {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
		delete(w.running, name)
	}
}

// answers waits until a server answers a question as is wanted: with a code, and behind
// it an extended error.
func (w *walker) answers(t *testing.T, server, name, want string) {
	t.Helper()
	err := poll(func() error {
		if got := verdictOn("udp", net.JoinHostPort(server, "53"), "", name); got != want {
			return fmt.Errorf("%s answers %s for %s, want %s", server, got, name, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// upstreamApart serves an address for the names that there are in the world of the
// guides, where they forward to.
func upstreamApart(t *testing.T, addresses ...string) {
	t.Helper()
	for _, address := range addresses {
		h := dns.HandlerFunc(func(rw dns.ResponseWriter, r *dns.Msg) {
			name := r.Question[0].Name
			m, known := new(dns.Msg).SetReply(r), name == "." || slices.ContainsFunc([]string{"example.com.", "example.net.", "school.example."}, func(zone string) bool { return dns.IsSubDomain(zone, name) })
			switch {
			case !known:
				m.Rcode = dns.RcodeNameError
			case r.Question[0].Qtype == dns.TypeA:
				rr, _ := dns.NewRR(name + " 60 A 9.9.9.9") // dnsmasq takes addresses for documentation for private ones
				m.Answer = append(m.Answer, rr)
			}
			rw.WriteMsg(m)
		})
		for _, network := range []string{"udp", "tcp"} {
			began := make(chan error, 1)
			s := &dns.Server{Addr: net.JoinHostPort(address, "53"), Net: network, Handler: h, NotifyStartedFunc: func() { began <- nil }}
			go func() { began <- s.ListenAndServe() }()
			if err := <-began; err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Shutdown() })
		}
	}
}
