package likeness_test

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/builtin"
	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/likeness"
)

func name(t *testing.T, s string) dnsname.Name {
	t.Helper()
	n, err := dnsname.Parse(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return n
}

func TestRegistrable(t *testing.T) {
	for in, want := range map[string]string{
		"badsite.example": "badsite example", "www.badsite.co.uk": "badsite co.uk", "badsite.pages.dev": "badsite pages.dev",
		"a.b.badsite.pages.dev": "badsite pages.dev", "co.uk": "", "pages.dev": "", "example": "",
	} {
		label, suffix, ok := likeness.Registrable(dnsname.Name(in))
		if got := strings.TrimSpace(label + " " + suffix); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v", in, got, ok)
		}
	}
}

func TestSkeleton(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"clothoff", "cl0th0ff", true},
		{"clothoff", "clоthоff", true}, // Cyrillic
		{"clothoff", "dothoff", true},
		{"nudify", "nudlfy", true},
		{"nudify", "núdìfy", true},
		{"undress", "undre55", true},
		{"modern", "modem", true},
		{"undress", "sundress", false},
		{"notify", "nudify", false},
	} {
		label := func(s string) string { return strings.TrimSuffix(string(name(t, s+".example")), ".example") }
		if got := likeness.Skeleton(label(tt.a)) == likeness.Skeleton(label(tt.b)); got != tt.same {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

func TestScripts(t *testing.T) {
	for in, want := range map[string]string{
		"badsite":   "",
		"bücher":    "",
		"сайт":      "",                 // Russian with a letter that looks like none of Latin
		"раура":     "looks like paypa", // all Cyrillic
		"αβ":        "looks like ab",
		"bаdsite":   "mixes Cyrillic Latin",
		"сайт-site": "mixes Cyrillic Latin",
		"日本語サイトweb": "",
		"한국web":     "",
		"中文ㄅweb":    "",
		"한国ひ":       "mixes Han Hangul Hiragana",
		"nudify-24": "",
	} {
		label := strings.TrimSuffix(string(name(t, in+".example")), ".example")
		got := ""
		if mixed := likeness.Mixed(label); mixed != nil {
			got = "mixes " + strings.Join(mixed, " ")
		}
		if ascii, ok := likeness.Disguise(label); ok {
			got += "looks like " + ascii
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// oneEdit tries every edit.
func oneEdit(a, b string) bool {
	const letters = "ab-c"
	try := func(s string) bool { return s == b && s != a }
	for i := range len(a) + 1 {
		for _, c := range letters {
			if try(a[:i]+string(c)+a[i:]) || i < len(a) && try(a[:i]+string(c)+a[i+1:]) {
				return true
			}
		}
		if i < len(a) && try(a[:i]+a[i+1:]) || i+1 < len(a) && try(a[:i]+a[i+1:i+2]+a[i:i+1]+a[i+2:]) {
			return true
		}
	}
	return false
}

// TestOneEdit compares with trying every edit; and so the index of known names.
func TestOneEdit(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	label := func() string {
		b := make([]byte, 6+r.IntN(3))
		for i := range b {
			b[i] = "ab"[r.IntN(2)]
		}
		return string(b)
	}
	near := 0
	for range 500 {
		var known likeness.Known
		var all []string
		for range 4 {
			l := label()
			all = append(all, l)
			known.Add(dnsname.Name(l + ".example"))
		}
		l := label()
		want := false
		for _, k := range all {
			if got := likeness.OneEdit(k, l); got != oneEdit(k, l) {
				t.Fatalf("seed %d: %s and %s: %v", seed, k, l, got)
			}
			want = want || k == l || oneEdit(k, l)
		}
		if want {
			near++
		}
		if _, why, ok := known.Like(dnsname.Name(l + ".test")); ok != want {
			t.Fatalf("seed %d: %s of %v: %v %s", seed, l, all, ok, why)
		}
	}
	if near == 0 {
		t.Error("nothing was near")
	}
}

func TestKnown(t *testing.T) {
	var k likeness.Known
	for _, n := range []string{"childline.org.uk", "telegram.org", "x.com", "wired.com", "pages.dev"} {
		k.Add(dnsname.Name(n))
	}
	for in, want := range map[string]string{
		"telegram.vip": "telegram.org has the same label", "te1egram.org": "telegram.org looks the same", "telegran.org": "telegram.org differs by one letter",
		"childine.example": "childline.org.uk differs by one letter", "fired.com": "", "x.example": "", "page.dev": "", "badsite.example": "", "dev": "",
	} {
		known, why, ok := k.Like(name(t, in))
		if got := strings.TrimSpace(string(known) + " " + why); got != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if _, _, ok := new(likeness.Known).Like("telegram.org"); ok {
		t.Error("the zero value knows something")
	}
}

func TestPerson(t *testing.T) {
	for in, want := range map[string]string{
		"emma-watkins.example": "emma", "emmanude.example": "emma", "nude-emma.example": "emma", "jessicasmithson.example": "jessica",
		"jessica-nudes.example": "jessica", "michaeljonesdeepfake.example": "michael", "sarah-connor.fakes.example": "sarah",
		"nudify.example": "", "undress-ai.example": "", "deepnude.example": "", "anna.example": "", "annals.example": "", "emma.nude-app.example": "",
		"sundress-shop.example": "", "clothoff.example": "", "co.uk": "",
	} {
		got, ok := likeness.Person(name(t, in))
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// kin has the built-in list in it, and spares what must never be listed.
func kin(t testing.TB) (k *likeness.Kin, listed, spared []dnsname.Name) {
	t.Helper()
	k = new(likeness.Kin)
	names := func(text []byte, cut string) (all []dnsname.Name) {
		for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
			n, _, _ := strings.Cut(s.Text(), cut)
			if parsed, err := dnsname.Parse(n); err == nil && parsed.Labels() > 1 {
				all = append(all, parsed)
			}
		}
		if len(all) < 50 {
			t.Fatalf("only %d names", len(all))
		}
		return all
	}
	listed, spared = names(builtin.List(), " "), names(builtin.Lookalikes(), "\t")
	for _, n := range listed {
		if !k.Add(n) {
			t.Fatalf("%s is not taken", n)
		}
	}
	return k, listed, spared
}

func TestKin(t *testing.T) {
	k, _, spared := kin(t)
	k.Spare("clothoffai.fun")
	for in, want := range map[string]string{
		"clothoff.example":       "suffix of clothoff.app",
		"www.clothoff.example":   "suffix of clothoff.app",
		"clothoff.pages.dev":     "suffix of clothoff.app",
		"n8ked.example":          "suffix of n8ked.app",
		"ndfy.example":           "suffix of ndfy.app",
		"cloth-off.example":      "hyphens of clothoff.app",
		"undressai-app.example":  "affix of undress-ai.app",
		"clothoff2.example":      "digits of clothoff.app",
		"2clothoff-24.example":   "digits of clothoff.app",
		"c1othoff.example":       "homoglyph of clothoff.app",
		"clоthоff.example":       "homoglyph of clothoff.app",
		"getclothoffnow.example": "affix of clothoff.app",
		"undresses.example":      "",
		"cloothoff.example":      "typo of clothoff.app",
		"clohtoff.example":       "typo of clothoff.app",
		"slothoff.example":       "", // begins with another letter
		"sundress.example":       "",
		"laundress.example":      "",
		"foundress.example":      "",
		"sundressshop.example":   "",
		"n8kd.example":           "", // too short for anything but the same
		"nudfy.example":          "",
		"clothoffai.example":     "", // spared
		"clothoff.app":           "", // listed
		"www.clothoff.app":       "",
		"badsite.example":        "",
		"app":                    "",
	} {
		got, ok := k.Find(name(t, in))
		text := ""
		if ok {
			text = string(got.Reason) + " of " + string(got.Listed)
			if got.Score < 1 || got.Score > 100 || got.Why == "" || got.Name.Labels() < 2 {
				t.Errorf("%s: %+v", in, got)
			}
		}
		if text != want {
			t.Errorf("%s: %q, want %q", in, text, want)
		}
	}
	for _, n := range spared {
		k.Spare(n)
		if got, ok := k.Find(n); ok {
			t.Errorf("%s: %+v", n, got)
		}
	}
}

// TestLookalikes shows how far the rules go by themselves: of the names that must
// never be listed they take few for mirrors, although most were chosen to look so.
func TestLookalikes(t *testing.T) {
	k, _, spared := kin(t)
	for _, n := range spared {
		got, ok := k.Find(n)
		if ok && !map[dnsname.Name]bool{"clothoffai.fun": true, "theundress.com": true, "undressed.com": true}[n] {
			t.Errorf("%+v", got)
		}
	}
}

// TestKinOrder gives the same whatever the order of the list.
func TestKinOrder(t *testing.T) {
	a, listed, _ := kin(t)
	var b likeness.Kin
	for i := range listed {
		b.Add(listed[len(listed)-1-i])
	}
	for _, in := range []string{"nudify.example", "undressai-pro.example", "deep-nude.example", "cloothoff.example", "undressapp2.example"} {
		x, _ := a.Find(dnsname.Name(in))
		y, _ := b.Find(dnsname.Name(in))
		if x != y || x.Listed == "" {
			t.Errorf("%+v and %+v", x, y)
		}
	}
}

func TestKinBelow(t *testing.T) {
	var k likeness.Kin
	if k.Add("undress-app.platform.example") || k.Add("co.uk") {
		t.Error("taken for a domain that was registered")
	}
	if _, ok := k.Find("undress-app.example"); ok {
		t.Error("found")
	}
}

// FuzzLabels has any two names compared in every way.
func FuzzLabels(f *testing.F) {
	for _, s := range []string{"clothoff.example", "cl0th0ff.example", "xn--80ak6aa92e.example", "emma-watkins.example", "xn--a.example", "日本語.example", "a--b.co.uk"} {
		f.Add(s, "undressai.example")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, err := dnsname.Parse(a)
		if err != nil {
			return
		}
		y, err := dnsname.Parse(b)
		if err != nil {
			return
		}
		var kin likeness.Kin
		var known likeness.Known
		known.Add(y)
		added := kin.Add(y)
		if got, ok := kin.Find(x); ok && (!added || got.Listed != y || got.Name == y || got.Score <= 0) {
			t.Fatalf("%s and %s: %+v", x, y, got)
		}
		if got, _, ok := known.Like(x); ok && got != y {
			t.Fatalf("%s and %s: %s", x, y, got)
		}
		likeness.Person(x)
		for label := range strings.SplitSeq(string(x), ".") {
			if _, ok := likeness.Disguise(label); ok && likeness.Mixed(label) != nil {
				t.Fatalf("%s is of one script and of several", label)
			}
			if likeness.OneEdit(label, label) {
				t.Fatalf("%s differs from itself", label)
			}
		}
	})
}

// TestFuzzSeedsAreNames: a seed that is no name tests nothing.
func TestFuzzSeedsAreNames(t *testing.T) {
	name(t, "xn--80ak6aa92e.example")
}
