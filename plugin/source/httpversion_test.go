package source

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestVersion(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const u = "https://user:secret@lists.example/l.txt?token=1"
	for _, tt := range []struct {
		name, etag, modified string
		want                 Version
	}{
		{"both", `"1"`, "Sun, 22 Nov 2026 00:00:00 GMT", `http 342a9589 "1" Sun, 22 Nov 2026 00:00:00 GMT`},
		{"weak", `W/"1"`, "", `http 342a9589 W/"1" -`},
		{"empty tag", `""`, "", `http 342a9589 "" -`},
		{"other form of time", "", "Sun Nov 22 00:00:00 2026", `http 342a9589 - Sun, 22 Nov 2026 00:00:00 GMT`},
		{"a day ahead", "", "Mon, 23 Nov 2026 11:59:59 GMT", `http 342a9589 - Mon, 23 Nov 2026 11:59:59 GMT`},
		{"more than a day ahead", `"1"`, "Mon, 23 Nov 2026 12:00:00 GMT", `http 342a9589 "1" -`},
		{"no time", `"1"`, "yesterday", `http 342a9589 "1" -`},
	} {
		h := http.Header{"Etag": {tt.etag}, "Last-Modified": {tt.modified}}
		v := readValidators(h, now)
		if got := v.version(u); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if back := parseVersion(v.version(u), u); back != v {
			t.Errorf("%s: %+v comes back as %+v", tt.name, v, back)
		}
		if other := parseVersion(v.version(u), u+"2"); other != (validators{}) {
			t.Errorf("%s: %+v for another URL", tt.name, other)
		}
	}
	for _, bad := range []string{`1`, `"`, `"a b"`, "\"a\n\"", `"é"`, `w/"1"`, `"1" `, `"1", "2"`, `"a"b"`, "*", `"` + strings.Repeat("x", 251) + `"`} {
		if v := readValidators(http.Header{"Etag": {bad}}, now); v != (validators{}) {
			t.Errorf("The tag %q is taken", bad)
		}
	}
	if a, b := (validators{}).version(u), (validators{}).version(u); a == b || parseVersion(a, u) != (validators{}) {
		t.Errorf("Replies without validators: %q and %q", a, b)
	}
}

// FuzzVersion: a version that is read from a damaged disk leads to header fields
// that are well-formed, or to none; and what is read is written as it was.
func FuzzVersion(f *testing.F) {
	const u = "https://lists.example/l.txt"
	for _, v := range []validators{{`"1"`, time.Unix(1_800_000_000, 0).UTC()}, {`W/"1"`, time.Time{}}, {"", time.Unix(1_800_000_000, 0).UTC()}, {}} {
		f.Add(string(v.version(u)))
	}
	f.Add("compiled in")
	f.Add("http " + checkSum(u) + " \"a\r\nX: y\" -")
	f.Add("http " + checkSum(u) + ` "" Sun, 22 Nov 9999 00:00:00 GMT`)
	f.Fuzz(func(t *testing.T, text string) {
		v := parseVersion(Version(text), u)
		header := http.Header{}
		v.ask(header)
		if etag := header.Get("If-None-Match"); etag != "" && !entityTag.MatchString(etag) {
			t.Errorf("If-None-Match: %q", etag)
		}
		if since := header.Get("If-Modified-Since"); since != "" {
			if _, err := http.ParseTime(since); err != nil {
				t.Errorf("If-Modified-Since: %q", since)
			}
		}
		if v == (validators{}) {
			return
		}
		again := v.version(u)
		if len(again) > maxVersion || parseVersion(again, u) != v {
			t.Errorf("%+v is written as %q", v, again)
		}
	})
}
