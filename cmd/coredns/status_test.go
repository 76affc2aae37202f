//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"golang.org/x/crypto/bcrypt"
)

// statusReport is what a test reads of a status report.
type statusReport struct {
	Schema   int
	Version  string
	Warnings []struct{ Code, List, Text string }
	Servers  []struct {
		Names, Lists, Clients, Loggers []string
		Action, Reason                 string
		Ready                          bool
	}
	Lists []struct {
		Name, Cause string
		Loaded      bool
		Entries     int
		Refused     int
		Sources     []struct{ Kind, Place string }
		Filter      struct{ Negative, Positive uint64 }
	}
	Verdicts struct {
		Total []tallied `json:"since_start"`
		Hours []struct{ Counts []tallied }
	}
	Fronts []struct {
		Server   string
		Open     bool
		Answered uint64
	}
}

type tallied struct {
	List, Reason, Action string
	Count                uint64
}

// look reads a page of the status, and returns its status code.
func look(c *http.Client, url string) (int, string, error) {
	reply, err := c.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return reply.StatusCode, string(body), err
}

// statusOf returns the report of the server at an address.
func statusOf(t *testing.T, c *http.Client, address string) (r statusReport) {
	t.Helper()
	code, body, err := look(c, "http://"+address+"/status.json")
	if err != nil || code != 200 {
		t.Fatalf("Status of %s: %d, %v\n%s", address, code, err, body)
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(body, unsaid) {
		t.Error("The report tells what was asked for")
	}
	return r
}

// counted returns how often there was a verdict about a list.
func (r statusReport) counted(list, action string) (n uint64) {
	for _, v := range r.Verdicts.Total {
		if v.List == list && v.Action == action {
			n += v.Count
		}
	}
	return n
}

// plainClient asks as a program does, each time over a connection of its own.
func plainClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
}

// statusList writes a list with a name of its own, for counters live as long as the
// process.
func statusList(t *testing.T, text string) (name, path string) {
	t.Helper()
	name = strings.TrimSuffix(fresh("status"), "-")
	path = filepath.Join(t.TempDir(), name+".txt")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name, path
}

// TestStatus asks a server for names, and then for what it has done.
func TestStatus(t *testing.T) {
	t.Parallel()
	at, c := freeAddress(t), plainClient()
	name, path := statusList(t, "||bad.example^\n@@||fine.bad.example^\n||co.uk^\n")
	s := serve(t, newUpstream(t), "list "+path+"\nallow kind.bad.example\nclients 127.0.0.0/8\nreason blocked\nstatus "+at)
	for _, host := range []string{"bad.example", unsaid + ".bad.example", "kind.bad.example", "fine.bad.example", "good.example"} {
		s.ask(host)
	}
	r := statusOf(t, c, at)
	if r.Schema != 1 || len(r.Warnings) != 0 || len(r.Servers) != 1 || len(r.Lists) != 1 || len(r.Verdicts.Hours) != 1 {
		t.Fatalf("%+v", r)
	}
	if b := r.Servers[0]; !b.Ready || b.Action != "nxdomain" || b.Reason != "blocked" || !slices.Equal(b.Clients, []string{"127.0.0.0/8"}) || !slices.Equal(b.Lists, []string{name}) || len(b.Names) != 1 {
		t.Errorf("The server block: %+v", b)
	}
	if l := r.Lists[0]; l.Name != name || !l.Loaded || l.Entries != 2 || l.Refused != 1 || l.Sources[0].Kind != "file" || l.Sources[0].Place != path || l.Filter.Positive != 4 || l.Filter.Negative != 1 {
		t.Errorf("The list: %+v", l)
	}
	if blocked, excepted, allowed := r.counted(name, "nxdomain")+r.counted(name, "nodata"), r.counted(name, "pass"), r.counted("allow", "pass"); blocked != 2 || excepted != 1 || allowed == 0 {
		t.Errorf("Counted are %d blocks, %d exceptions, %d allowed: %+v", blocked, excepted, allowed, r.Verdicts.Total)
	}
	for host, want := range map[string]string{
		unsaid + ".bad.example": "blocked  " + name + " bad.example nxdomain", "kind.bad.example": "passed allow allow kind.bad.example ",
		"fine.bad.example": "passed exception " + name + " fine.bad.example ", "good.example": "not listed    ",
	} {
		request, _ := http.NewRequest(http.MethodGet, "http://"+at+"/check?name="+host, nil)
		request.Header.Set("Accept", "application/json")
		reply, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var checked struct {
			Verdicts []struct{ Verdict, Why, List, Rule, Action string }
		}
		err = json.NewDecoder(reply.Body).Decode(&checked)
		reply.Body.Close()
		if err != nil || len(checked.Verdicts) != 1 {
			t.Fatalf("%s: %v %+v", host, err, checked)
		}
		v := checked.Verdicts[0]
		if got := strings.Join([]string{v.Verdict, v.Why, v.List, v.Rule, v.Action}, " "); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	if after := statusOf(t, c, at); after.Lists[0].Filter != r.Lists[0].Filter || after.counted(name, "nxdomain") != 1 {
		t.Errorf("What was checked is counted: %+v", after)
	}
	if code, page, err := look(c, "http://"+at+"/"); err != nil || code != 200 || !strings.Contains(page, "All is well") || !strings.Contains(page, name) || strings.Contains(page, unsaid) {
		t.Errorf("The page: %d, %v\n%s", code, err, page)
	}
	request, _ := http.NewRequest(http.MethodGet, "http://"+at+"/status.json", nil)
	request.Host = "rebound.example"
	if reply, err := c.Do(request); err != nil || reply.StatusCode != 403 {
		t.Errorf("By the name of somebody else: %v %v", reply, err)
	}
}

// TestStatusWarns: what goes wrong with a list is told.
func TestStatusWarns(t *testing.T) {
	t.Parallel()
	at, c := freeAddress(t), plainClient()
	name, path := statusList(t, "bad.example\n")
	absent := strings.TrimSuffix(fresh("absent"), "-")
	serve(t, newUpstream(t), "list "+path+"\nlist https://user:"+unsaid+"@127.0.0.1:1/x?"+unsaid+" name "+absent+"\nstatus "+at)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	err := poll(func() error {
		r := statusOf(t, c, at)
		var codes []string
		for _, w := range r.Warnings {
			codes = append(codes, w.Code+" "+w.List)
		}
		if got, want := strings.Join(codes, ", "), "waiting , missing "+absent+", failing "+name; got != want || r.Lists[1].Cause == "" {
			return fmt.Errorf("warnings %q, want %q", got, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestStatusSeveral: the status is about all server blocks, whichever names it. They
// may name one address if they agree, and several.
func TestStatusSeveral(t *testing.T) {
	t.Parallel()
	up, c := newUpstream(t), plainClient()
	two := func(first, second string) string {
		return block(up, first) + strings.Replace(block(up, "action nodata\n"+second), ".:0", "school.example:0", 1)
	}
	one, other := freeAddress(t), freeAddress(t)
	for _, corefile := range []string{
		two("status "+one, ""), two("", "status "+one), two("status "+one, "status "+one), two("status "+one, "status "+other),
	} {
		i := start(t, corefile)
		for _, at := range []string{one, other} {
			if strings.Contains(corefile, at) {
				if r := statusOf(t, c, at); len(r.Servers) != 2 || len(r.Lists) != 1 || r.Servers[0].Action == r.Servers[1].Action {
					t.Errorf("%+v\n%s", r, corefile)
				}
			}
		}
		stop(i)
	}
	corefile := two("status "+one, "status "+one+" name status.example")
	_, err := caddy.Start(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
	if err == nil || !strings.Contains(err.Error(), "must agree in password and name") {
		t.Errorf("Two that differ: %v", err)
	}
}

// TestStatusReloads looks at the status all the while a server is reloaded, with
// Corefiles that work and with some that do not.
func TestStatusReloads(t *testing.T) {
	t.Parallel()
	up, at, c := newUpstream(t), freeAddress(t), plainClient()
	name, path := statusList(t, "bad.example\n")
	of := func(organization string) string {
		return block(up, "list "+path+"\norganization "+organization+"\nstatus "+at)
	}
	s := serve(t, up, "list "+path+"\nstatus "+at)
	s.ask("bad.example")
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for ctx.Err() == nil {
				if code, _, err := look(c, "http://"+at+"/status.json"); err != nil || code != 200 {
					t.Errorf("During reloads: %d, %v", code, err)
					return
				}
			}
		})
	}
	for round := range 5 {
		if err := s.reload(of(fmt.Sprint("round", round))); err != nil {
			t.Fatal(err)
		}
		if err := s.reload(strings.Replace(of("nobody"), path, "/absent.txt", 1)); err == nil {
			t.Fatal("A list that is absent was taken")
		}
		if r := statusOf(t, c, at); len(r.Servers) != 1 || len(r.Lists) != 1 || r.Lists[0].Name != name || r.counted(name, "nxdomain") != 1 || len(r.Verdicts.Hours) == 0 {
			t.Errorf("After round %d: %+v", round, r)
		}
	}
	cancel()
	others.Wait()
	if err := s.reload(block(up, "list "+path)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := look(c, "http://"+at+"/"); err == nil {
		t.Error("The status is still there after a reload without it")
	}
}

// TestStatusSocket: a socket in the file system is for the user and the group, and
// 'nonudify status' finds it by the Corefile.
func TestStatusSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "n") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, corefile := filepath.Join(dir, "status.sock"), filepath.Join(dir, "Corefile")
	name, path := statusList(t, "bad.example\n")
	text := block(newUpstream(t), "list "+path+"\nstatus unix:"+socket)
	if err := os.WriteFile(corefile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	i := start(t, text)
	if info, err := os.Stat(socket); err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("%v %v", info, err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	if r := statusOf(t, c, "localhost"); len(r.Lists) != 1 || r.Lists[0].Name != name {
		t.Errorf("%+v", r)
	}
	tool := toolPath(t)
	out, err := exec.CommandContext(t.Context(), tool, "status", "-conf", corefile).CombinedOutput()
	if err != nil || !strings.Contains(string(out), name+"  1 ") {
		t.Errorf("%v: %s", err, out)
	}
	stop(i)
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("The socket after the end: %v", err)
	}
	out, err = exec.CommandContext(t.Context(), tool, "status", "-conf", corefile).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 2 || !strings.Contains(string(out), "no server answers") {
		t.Errorf("Without a server: %v: %s", err, out)
	}
}

// TestStatusPassword: where the page wants a password, nothing is to be had without,
// and a file that cannot be used stops the start.
func TestStatusPassword(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte(unsaid), 5)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("anna:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	body := "status 0.0.0.0:" + port + " password " + users
	serve(t, newUpstream(t), body)
	at, c := "127.0.0.1:"+port, plainClient()
	if code, body, err := look(c, "http://"+at+"/status.json"); code != 401 || strings.Contains(body, "schema") {
		t.Errorf("Without a password: %d %v %s", code, err, body)
	}
	statusOf(t, c, "anna:"+unsaid+"@"+at)
	if len(logged.with("passwords go there unencrypted")) == 0 {
		t.Error("The log does not warn of passwords on the way")
	}
	if err := os.WriteFile(users, []byte("anna:"+unsaid+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	corefile := block(newUpstream(t), body)
	_, err = caddy.Start(caddy.CaddyfileInput{Contents: []byte(corefile), Filepath: "Corefile", ServerTypeName: "dns"})
	if err == nil || !strings.Contains(err.Error(), users+": line 1: ") || strings.Contains(err.Error(), unsaid) {
		t.Errorf("A password that is not hashed: %v", err)
	}
}

// TestStatusFront: the status tells of the UDP front, and what it answers is counted.
func TestStatusFront(t *testing.T) {
	onLinux(t)
	t.Parallel()
	port, at, c := freePort(t), freeAddress(t), plainClient()
	name, path := statusList(t, "bad.example\n")
	s := &serving{t, start(t, strings.Replace(block(newUpstream(t), "front on\nlist "+path+"\nstatus "+at), ".:0", ".:"+port, 1))}
	t.Cleanup(func() { stop(s.Instance) })
	frontUp(t, port)
	before := statusOf(t, c, at)
	s.ask("bad.example")
	r := statusOf(t, c, at)
	if len(r.Fronts) != 1 || !r.Fronts[0].Open || r.Fronts[0].Answered <= before.Fronts[0].Answered || r.counted(name, "nxdomain") != 1 {
		t.Errorf("%+v %+v", r.Fronts, r.Verdicts)
	}
}
