package status

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// users returns the line of a user with the password "right horse", as htpasswd -B
// would write it.
func users(t *testing.T, cost int) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("right horse"), cost)
	if err != nil {
		t.Fatal(err)
	}
	return "anna:" + strings.Replace(string(hash), "$2a$", "$2y$", 1)
}

func TestReadPassword(t *testing.T) {
	good := users(t, minCost)
	for text, want := range map[string]string{
		good:                                     "",
		good + "\n":                              "",
		good + "\r\n":                            "",
		"":                                       "line 1: want USER:HASH",
		"anna":                                   "line 1: want USER:HASH",
		":" + good:                               "line 1: want USER:HASH",
		"anna:right horse":                       "line 1: what follows the colon",
		"anna:{SHA}x":                            "line 1: what follows the colon",
		good + "x":                               "line 1: what follows the colon",
		users(t, bcrypt.MinCost):                 "line 1: the hash has a cost of 4",
		strings.Replace(good, "$05$", "$31$", 1): "line 1: the hash has a cost of 31",
		good + "\n" + good:                       "line 2: want one line",
		strings.Repeat("x", maxPassword+1):       "is larger than 1024 bytes",
	} {
		path := filepath.Join(t.TempDir(), "users")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := ReadPassword(path)
		switch {
		case want == "" && (err != nil || p == nil):
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "horse")):
			t.Errorf("%.80q: error %v, want one with %q", text, err, want)
		}
	}
	if _, err := ReadPassword(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func newTestPassword(t *testing.T) *Password {
	t.Helper()
	p, err := parsePassword([]byte(users(t, minCost)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPassword: a client that guesses must pause, and meanwhile the right password
// does not help it either; others notice nothing.
func TestPassword(t *testing.T) {
	p := newTestPassword(t)
	guesser, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for n, step := range []struct {
		from           netip.Addr
		user, password string
		at             time.Duration
		want           error
	}{
		{other, "anna", "right horse", 0, nil},
		{guesser, "anna", "wrong", 0, errWrong},
		{guesser, "bert", "right horse", 0, errWrong},
		{guesser, "", "", 0, errWrong},
		{guesser, "anna", "right horse ", 0, errWrong},
		{guesser, "anna", strings.Repeat("right horse", 100), 0, errWrong},
		{guesser, "anna", "right horse", 0, errPause},
		{guesser, "anna", "right horse", pause - 1, errPause},
		{netip.MustParseAddr("::ffff:192.0.2.1"), "anna", "right horse", 0, errPause},
		{netip.MustParseAddr("2001:db8::2"), "anna", "right horse", time.Minute, nil}, // of the same network
		{other, "anna", "wrong", time.Minute, errWrong},
		{other, "anna", "right horse", time.Minute, nil},
		{guesser, "anna", "right horse", pause, nil},
		{guesser, "anna", "right horse", -time.Hour, nil}, // the clock was set back
		{netip.Addr{}, "anna", "right horse", 0, nil},     // over a socket in the file system
	} {
		if err := p.Check(step.from, step.user, step.password, noon.Add(step.at)); err != step.want {
			t.Errorf("Step %d: %v, want %v", n, err, step.want)
		}
	}
	if n := p.refused.Load(); n != 9 {
		t.Errorf("%d refused", n)
	}
}

// TestPasswordLimits: so many clients are remembered, and so many passwords wait.
func TestPasswordLimits(t *testing.T) {
	p := newTestPassword(t)
	client := func(n int) netip.Prefix { return clientOf(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})) }
	for n := range maxClients + 100 {
		p.note(client(n), [32]byte{}, false, noon.Add(time.Duration(n)*time.Millisecond))
	}
	if len(p.clients) != maxClients || p.recall(client(0), noon).wrong != 0 || p.recall(client(maxClients+99), noon.Add(time.Minute)).wrong != 1 {
		t.Errorf("%d clients are remembered", len(p.clients))
	}
	p.looking <- struct{}{} // somebody's takes long
	var wg sync.WaitGroup
	errs := make(chan error, maxWaiting+1)
	for n := range maxWaiting + 1 {
		wg.Go(func() { errs <- p.Check(client(n).Addr(), "anna", "right horse", noon) })
	}
	if err := <-errs; err != errBusy { // the others wait
		t.Errorf("One too many: %v", err)
	}
	<-p.looking
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

// TestLogin asks for the page with and without a password.
func TestLogin(t *testing.T) {
	h := newTestHandler(Config{Password: newTestPassword(t)})
	basic := func(user, password string) string {
		r, _ := http.NewRequest(http.MethodGet, home, nil)
		r.SetBasicAuth(user, password)
		return "Authorization: " + r.Header.Get("Authorization")
	}
	for n, step := range []struct {
		path, header string
		want         int
	}{
		{"/", "X: y", 401},
		{"/status.json", "Authorization: Bearer x", 401},
		{"/nothing", "X: y", 401}, // what is there is nobody's concern
		{"/", basic("anna", "right horse"), 200},
		{"/check?name=a.example", basic("anna", "right horse"), 200},
		{"/", basic("anna", "wrong"), 401}, {"/", basic("anna", "wrong"), 401}, {"/", basic("anna", "wrong"), 401}, {"/", basic("anna", "wrong"), 401}, {"/", basic("anna", "wrong"), 401},
		{"/", basic("anna", "right horse"), 429},
	} {
		w := ask(h, http.MethodGet, home+step.path, step.header)
		if w.Code != step.want || (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") || (w.Code == 429) != (w.Header().Get("Retry-After") == "60") {
			t.Errorf("Step %d: status %d, want %d, %v", n, w.Code, step.want, w.Header())
		}
		if w.Code != 200 && strings.Contains(w.Body.String(), "nudify") {
			t.Errorf("Step %d: %s", n, w.Body)
		}
	}
	if got := fmt.Sprint(h.report().Password.Refused); got != "6" {
		t.Errorf("%s refused", got)
	}
}
