package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/sinkhole"
	"github.com/nonudify/nonudify/plugin/sinkhole/message"
)

// writtenOn is a day on which the numbers of the program are not too old.
var writtenOn = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// writePage writes the page as files on a day.
func writePage(t *testing.T, now time.Time, args ...string) (dir, stdout, stderr string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "www")
	var out, err bytes.Buffer
	e := &env{stdout: &out, stderr: &err, now: func() time.Time { return now }, bar: &progress{now: time.Now}}
	if code := e.run(append([]string{"page", "-o", dir}, args...)); code != fine {
		t.Fatalf("code %d: %s", code, err.String())
	}
	return dir, out.String(), err.String()
}

// TestPageFiles holds that just the files are there that were named, a page for each
// language, for all to read; the second time as well.
func TestPageFiles(t *testing.T) {
	want := []string{"Caddyfile", "apache.conf", "nginx.conf", "blocked/index.html", "blocked/nothing", "help/index.html"}
	for _, l := range message.Languages() {
		want = append(want, "blocked/"+l.String()+".html", "help/"+l.String()+".html")
	}
	slices.Sort(want)
	dir, stdout, _ := writePage(t, writtenOn, "-help", "https://help.isp.example/")
	if code, again, stderr := tool(t, nil, "page", "-o", dir, "-help", "https://help.isp.example/"); code != fine || again != stdout {
		t.Errorf("the second time: code %d, %s", code, stderr)
	}
	var named, found []string
	for line := range strings.Lines(stdout) {
		name, err := filepath.Rel(dir, strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		named = append(named, filepath.ToSlash(name))
	}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		found = append(found, name)
		info, err := d.Info()
		if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o444 != 0o444 {
			t.Errorf("%s: %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range [][]string{named, found} {
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestPageUntil holds that the page says when one of its numbers ends, and does not
// care for those that are not on it.
func TestPageUntil(t *testing.T) {
	file := write(t, "own.txt", "DE | child | Counsellor | 030 1234567 | | | 2026-06-01\nAT | child | Counsellor | 01 1234567 | | | 2026-05-24\n")
	for _, test := range []struct {
		now     time.Time
		args    []string
		want    string
		expired []string // of the file
	}{
		{writtenOn, []string{"-country", "DE"}, "2026-12-01", nil},
		{writtenOn, []string{"-country", "DE", "-country", "AT"}, "2026-11-24", nil},
		{time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), []string{"-country", "DE", "-country", "AT"}, "2026-12-01", []string{":2: the number is no longer shown since 2026-11-24"}},
		{time.Date(2126, 12, 1, 0, 0, 0, 0, time.UTC), []string{"-country", "DE"}, "", []string{":1: the number is no longer shown since 2026-12-01", ":2: the number is no longer shown since 2026-11-24"}},
	} {
		dir, _, stderr := writePage(t, test.now, append(test.args, "-helplines", file)...)
		html, err := os.ReadFile(filepath.Join(dir, "blocked", "index.html"))
		if err != nil {
			t.Fatal(err)
		}
		note := "nonudify: the phone numbers are good until " + test.want + ": have the files written again before that day\n"
		comment := "<!-- Written by nonudify page. Its phone numbers are good until " + test.want + ": write it again before that day. -->\n"
		if test.want == "" {
			note = "nonudify: warning: no phone number is shown: those that are known were checked too long ago\n"
			comment = "<!-- Written by nonudify page. No phone number is on it. -->\n"
		}
		for _, e := range slices.Backward(test.expired) {
			note = "nonudify: warning: " + file + e + ": check it, and write down the day\n" + note
		}
		if stderr != note || !strings.HasSuffix(string(html), comment) {
			t.Errorf("%v, %q: got %q, %q", test.now, test.args, stderr, html[len(html)-150:])
		}
		if number := strings.Contains(string(html), "030 1234567"); number != (test.want != "") {
			t.Errorf("%v: number shown: %v", test.now, number)
		}
	}
}

// TestPageNumbers holds what is said of files that show no number.
func TestPageNumbers(t *testing.T) {
	const noCountry = "nonudify: no country is given: the files show no country's phone numbers, not even emergency numbers; give "
	linked := write(t, "linked.txt", "AQ | child | Counsellor | | https://help.isp.example/\n")
	everywhere := write(t, "everywhere.txt", "* | child | Counsellor | +1 555 0100 | | | 2026-11-01\n")
	corefile := write(t, "Corefile", ". {\n nonudify\n}\n")
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, noCountry + "-country\n"},
		{[]string{"-own"}, noCountry + "-country\n"},
		{[]string{"-conf", corefile}, noCountry + "'country' in " + corefile + "\n"},
		{[]string{"-helplines", everywhere}, noCountry + "-country\nnonudify: the phone numbers are good until 2027-05-01: have the files written again before that day\n"},
		{[]string{"-country", "AQ", "-helplines", linked}, "nonudify: warning: no phone number is shown: none is known\n"},
	} {
		if _, _, stderr := writePage(t, writtenOn, test.args...); stderr != test.want {
			t.Errorf("%q: got %q, want %q", test.args, stderr, test.want)
		}
	}
}

var (
	styleElement  = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	scriptElement = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
)

// TestPageSettings holds that the settings of all servers let the style and the script
// of the pages through, and send the header that the page is to have.
func TestPageSettings(t *testing.T) {
	dir, _, _ := writePage(t, writtenOn, "-help", "https://help.isp.example/", "-reason", "censored")
	html, err := os.ReadFile(filepath.Join(dir, "help", "ar.html"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Content-Language", "text/html; charset=utf-8"}
	for field, values := range pageReply(t, "https://help.isp.example/").Header {
		if field != "Content-Length" && field != "Content-Language" {
			want = append(want, field, values[0])
		}
	}
	if len(want) < 20 {
		t.Errorf("only %q", want)
	}
	for _, element := range []*regexp.Regexp{styleElement, scriptElement} {
		sum := sha256.Sum256(element.FindSubmatch(html)[1])
		want = append(want, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	want = append(want, "451")
	for _, name := range settingsNames {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s lacks %s", name, w)
			}
		}
		for _, bad := range []string{"Set-Cookie", "Strict-Transport-Security", "Alt-Svc", "<no value>", "403"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
}

// pageReply returns the reply of the page itself in the place of a site that is
// blocked by law.
func pageReply(t *testing.T, help string) *http.Response {
	t.Helper()
	own, err := url.Parse(help)
	if err != nil {
		t.Fatal(err)
	}
	p, err := sinkhole.NewPage(sinkhole.PageConfig{})
	if err != nil {
		t.Fatal(err)
	}
	h := sinkhole.NewHandler(sinkhole.HandlerConfig{Page: p, Help: own, Reason: func(string) policy.Reason { return policy.Censored }})
	q := httptest.NewRequest(http.MethodGet, "http://blocked.example/", nil)
	q.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return w.Result()
}

// TestPageTags holds that whatever a browser may ask for leads to a page, and that no
// tag hides a longer one.
func TestPageTags(t *testing.T) {
	languages := map[string]bool{}
	for _, l := range message.Languages() {
		languages[l.String()] = true
	}
	seen := map[string]string{}
	last := tags()[0]
	for _, tag := range tags() {
		if !languages[tag.File] || len(tag.Tag) > len(last.Tag) || seen[tag.Tag] != "" {
			t.Errorf("%v after %v", tag, last)
		}
		seen[tag.Tag], last = tag.File, tag
	}
	for tag, want := range map[string]string{"no": "nb", "nn": "nb", "tl": "fil", "iw": "he", "in": "id", "zh": "zh-Hans", "zh-TW": "zh-Hant", "zh-HK": "zh-Hant", "pt": "pt"} {
		if seen[tag] != want {
			t.Errorf("%s: %q, want %q", tag, seen[tag], want)
		}
	}
	for tag := range languages {
		if seen[tag] != tag {
			t.Errorf("%s: %q", tag, seen[tag])
		}
	}
	s := settings{Tags: tags()}
	if pages := strings.Split(s.Pages(), "|"); len(pages) != len(languages)+1 {
		t.Errorf("pages %q", pages)
	}
	if got := slices.Sorted(maps.Keys(seen)); len(got) != len(strings.Split(s.Pattern(), "|")) {
		t.Errorf("pattern %q", s.Pattern())
	}
}
