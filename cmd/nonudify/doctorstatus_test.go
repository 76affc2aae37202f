package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/status"
)

// TestDoctorStatus has the resolver tell what is wrong, and says what to do about it.
func TestDoctorStatus(t *testing.T) {
	t.Parallel()
	now := made().Add(24 * time.Hour)
	good := status.List{Name: "good", Here: true, Remote: true, MustBe: true, Signed: true, KeyID: "0123456789ABCDEF", Success: now}
	with := func(change func(*status.List)) status.Report {
		l := good
		l.Name = "demo"
		change(&l)
		return status.Report{Lists: []status.List{good, l}}
	}
	for _, tt := range []struct {
		test   string
		report status.Report
		want   string
	}{
		{"well", status.Report{Lists: []status.List{good}}, "fine   signature: list good is signed by key 0123456789ABCDEF"},
		{"refused", with(func(l *status.List) { l.Error, l.Cause = "wrong key", "signature" }),
			"wrong  list: the resolver says: List demo: the last try to refresh it failed (wrong key). The last good edition goes on serving, and nothing is lost. Its publisher or a mirror is at fault: write to the publisher"},
		{"stale", with(func(l *status.List) { l.Error, l.Cause, l.Success = "no network", "network", now.Add(-48*time.Hour) }),
			"(no network). New sites are not on it. 'nonudify fetch -conf "},
		{"held", with(func(l *status.List) { l.Error, l.Cause = "90 % less", "shrunk" }), "wrong  list: the resolver says: List demo: a new edition has lost many entries"},
		{"missing", with(func(l *status.List) { l.Here, l.Error, l.Cause = false, "no network", "network" }),
			"wrong  list: the resolver says: List demo: it could not be had yet (no network). Nothing on it is blocked. 'nonudify fetch -conf "},
		{"expired", with(func(l *status.List) { l.Expires = now.Add(-time.Hour) }), "wrong  list: the resolver says: List demo: its publisher wanted it to be used no longer than"},
		{"unsaved", with(func(l *status.List) { l.Unsaved = true }), "wrong  state: the resolver says: List demo: it could not be kept in the state directory"},
		{"unread", with(func(l *status.List) { l.Unread = true }), "wrong  disk: the resolver says: List demo: "},
		{"not signed", with(func(l *status.List) { l.Signed = false }), "wrong  signature: list demo is in use and not signed by a key that it must be signed by. 'nonudify fetch -conf "},
		{"need not be signed", with(func(l *status.List) { l.Signed, l.MustBe = false, false }), "hint   signature: nobody has to sign list demo: whoever answers for its server can put any name on it. If its publisher signs it, add 'key PUBLIC-KEY'"},
		{"waits", status.Report{Servers: []status.Server{{Names: []string{"dns://.:53"}}}}, "wrong  filter: the resolver says: Server block dns://.:53 waits for a list"},
		{"prefixes", status.Report{Prefixes: []status.PrefixFile{{File: "optin.clients", Error: "line 7"}}}, "wrong  clients: the resolver says: File optin.clients: it is not used as it is now (line 7). What it held before goes on. Mend the file"},
		{"certificate", status.Report{CertEnds: now.Add(time.Hour)}, "wrong  page: the resolver says: The certificate of the authority ends on "},
		{"front", status.Report{Fronts: []status.Front{{Server: "dns://.:53"}}}, "hint   front: the resolver says: The UDP front of dns://.:53 is configured and not there"},
	} {
		t.Run(tt.test, func(t *testing.T) {
			t.Parallel()
			page := httptest.NewServer(status.NewHandler(status.Config{Report: func() status.Report { return tt.report }, Now: func() time.Time { return now }}))
			defer page.Close()
			lines := examinedAt(t, strings.TrimPrefix(page.URL, "http://"))
			wants(t, lines, tt.want)
		})
	}
}

// examinedAt examines a resolver that is well, with a status page at some place.
func examinedAt(t *testing.T, place string) []string {
	t.Helper()
	p := &patient{answers: well()}
	return healthy(t, conf(p.start(t), "block own.example\nstatus "+place, "forward . "+(&patient{}).start(t))).run(t)
}

// TestDoctorStatusSaid tells once what doctor has seen by itself.
func TestDoctorStatusSaid(t *testing.T) {
	t.Parallel()
	r := &status.Report{Warnings: []status.Warning{
		{Code: status.Expired, List: "old", Text: "List old: …"}, {Code: status.Held, List: "old", Text: "List old: …"}, {Code: status.Waiting, Text: "Server block …"},
	}}
	x := healthy(t, "")
	x.wrong("list", "", "list old has expired at …")
	x.wrong("list", "", "an edition of old is held back: …")
	x.wrong("filter", "", "127.0.0.1:53 waits for a list …")
	x.lookAtReport(r)
	if len(x.found) != 4 {
		t.Errorf("%v", x.found)
	}
	r.Warnings[0].List, r.Warnings[1].List = "other", "other"
	x.lookAtReport(r)
	if len(x.found) != 6 {
		t.Errorf("%v", x.found)
	}
}

// TestDoctorStatusOfServer knows each warning that a server can send.
func TestDoctorStatusOfServer(t *testing.T) {
	for _, code := range status.Codes() {
		if warnings[code].check == "" {
			t.Errorf("%s is not known", code)
		}
	}
	x := healthy(t, "")
	x.lookAtReport(&status.Report{Warnings: []status.Warning{{Code: "new", Text: "Something new."}}})
	if got := fmt.Sprint(x.found); got != "[fine   status: the resolver tells how its lists are wrong  status: the resolver says: Something new]" {
		t.Error(got)
	}
}

// TestDoctorStatusPlace has nobody, or somebody else, at the place of the status, or none.
func TestDoctorStatusPlace(t *testing.T) {
	t.Parallel()
	nobody := nobodyAt(t)
	wants(t, examinedAt(t, nobody), "wrong  status: the resolver does not tell how its lists are: http://"+nobody+": no server answers")
	other := httptest.NewServer(nil)
	defer other.Close()
	wants(t, examinedAt(t, strings.TrimPrefix(other.URL, "http://")), "wrong  status: the resolver does not tell how its lists are: "+other.URL+": 404 Not Found")
	another := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") }))
	defer another.Close()
	wants(t, examinedAt(t, strings.TrimPrefix(another.URL, "http://")), "wrong  status: the resolver does not tell how its lists are: "+another.URL+": what answers there is no status page of nonudify")
	wants(t, examinedAt(t, nobody+" password "+write(t, "password", "")), "hint   status: doctor does not ask the resolver how its lists are: http://"+nobody+" wants a password. 'nonudify status -conf ")

	hint := "hint   status: the resolver does not tell how its lists are. Add 'status 127.0.0.1:8053'"
	p := &patient{answers: well()}
	wants(t, healthy(t, conf(p.start(t), "block own.example", "forward . "+(&patient{}).start(t))).run(t), hint)
	for _, properties := range []string{"block own.example", "block own.example\nstatus " + nobody} { // where no resolver runs, that alone is said
		for _, line := range healthy(t, conf(nobodyAt(t), properties, "forward . "+(&patient{}).start(t))).run(t) {
			if strings.Contains(line, " status: ") {
				t.Errorf("%s: %s", properties, line)
			}
		}
	}
}
