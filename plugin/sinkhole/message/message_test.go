package message

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// promised are the languages that people are promised: those of the European
// Union and those that the organisations behind the statement speak besides.
const promised = "bg cs da de el en es et fi fr ga hr hu it lt lv mt nl pl pt ro sk sl sv " +
	"nb is uk tr ar he sq bs sr mk ka ko ja zh-Hans zh-Hant hi bn ur id fil km sw pt-BR"

func TestLanguages(t *testing.T) {
	var have []string
	for _, l := range Languages() {
		have = append(have, l.String())
	}
	want := strings.Fields(promised)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("languages %v, want %v", have, want)
	}
	if Languages()[0].Tag != language.English {
		t.Errorf("the first language is %v, and what lacks a translation falls back to it", Languages()[0])
	}
	if files := sources(t); len(files) != len(want) {
		t.Errorf("%d catalogues for %d languages", len(files), len(want))
	}
}

// TestTable holds that whoever read a catalogue is named.
func TestTable(t *testing.T) {
	for line := range strings.Lines(languagesTable) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") || f[0] == "tag" {
			continue
		}
		switch dated := regexp.MustCompile(`^20\d\d-\d\d-\d\d$`).MatchString(f[4]); {
		case f[2] == "draft" && f[3] == "" && f[4] == "":
		case f[2] == "reviewed" && f[3] != "" && dated:
		default:
			t.Errorf("%s: status %q by %q on %q", f[0], f[2], f[3], f[4])
		}
	}
}

func TestMatch(t *testing.T) {
	for wanted, want := range map[string]string{
		"":                        "en",
		"de-AT,de;q=0.9,en;q=0.8": "de",
		"gsw-CH,de;q=0.5":         "de",
		"no":                      "nb",
		"nn-NO":                   "nb",
		"zh-TW":                   "zh-Hant",
		"zh-HK":                   "zh-Hant",
		"zh":                      "zh-Hans",
		"pt":                      "pt",
		"pt-PT":                   "pt",
		"pt-AO":                   "pt",
		"pt-BR":                   "pt-BR",
		"iw":                      "he",
		"in":                      "id",
		"tl":                      "fil",
		"sr-Latn-RS":              "sr",
		"sh":                      "sr",
		"ru-RU,ru;q=0.9":          "en", // not Bulgarian
		"fa":                      "en", // not Arabic
		"ku,en;q=0.5":             "en",
		"ru,uk;q=0.5":             "uk",
		"ca-ES,ca;q=0.9":          "es",
		"ms":                      "id",
		"es-419":                  "es",
		"fr-CA":                   "fr",
		"en-IN,hi;q=0.8":          "en",
		"xx,tlh":                  "en",
		"tlh, uk;q=0.1":           "uk",
		"eu-ES,eu;q=0.9,es;q=0.8": "es",
		"en-GB,en;q=0.9,ar;q=0.8": "en",
		"ar-MA;q=0.9,fr-MA;q=1":   "fr",
		"*":                       "en",
	} {
		tags, _, err := language.ParseAcceptLanguage(wanted)
		if got := Match(tags...); got.String() != want {
			t.Errorf("%q (%v, %v): %v, want %s", wanted, tags, err, got, want)
		}
	}
}

func TestDir(t *testing.T) {
	var rtl []string
	for _, l := range Languages() {
		if l.Dir() == "rtl" {
			rtl = append(rtl, l.String())
		}
	}
	if want := []string{"ar", "he", "ur"}; !slices.Equal(rtl, want) {
		t.Errorf("right to left: %v, want %v", rtl, want)
	}
}

func TestLookup(t *testing.T) {
	for tag, want := range map[string]string{"de": "de", "PT-br": "pt-BR", "zh-hant": "zh-Hant", "nb": "nb"} {
		if l, ok := Lookup(tag); !ok || l.String() != want {
			t.Errorf("%s: %v, %v", tag, l, ok)
		}
	}
	for _, tag := range []string{"", "xx", "de-DE", "d", "<script>"} {
		if l, ok := Lookup(tag); ok {
			t.Errorf("%q: found %v", tag, l)
		}
	}
}

// TestFallback shows what people see of a message that nobody has translated:
// English, and the rest in their language.
func TestFallback(t *testing.T) {
	german, _ := Lookup("de")
	c := load(german, []byte(`{"title": "Diese Seite ist gesperrt", "languages": {"one": "{{.Count}} Sprache"}}`))
	for _, tt := range []struct{ got, want string }{
		{c.Text("title", nil), "Diese Seite ist gesperrt"},
		{c.Text("me_fault", nil), In(Languages()[0]).Text("me_fault", nil)},
		{c.Count("languages", 1), "1 Sprache"},
		{c.Count("languages", 2), "2 languages"}, // a form is missing
		{c.Text("nothing", nil), "nothing"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// plain returns the messages of a catalogue's file as text by plural form, "other"
// where there is only one.
func plain(t *testing.T, tag string) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile(tag + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatalf("%s.json: %v", tag, err)
	}
	all := make(map[string]map[string]string)
	for key, m := range raw {
		all[key] = map[string]string{}
		switch m := m.(type) {
		case string:
			all[key]["other"] = m
		case map[string]any:
			for form, text := range m {
				if form != "description" {
					all[key][form] = fmt.Sprint(text)
				}
			}
		default:
			t.Errorf("%s.json: %s is a %T", tag, key, m)
		}
	}
	return all
}

var placeholder = regexp.MustCompile(`\{\{[^}]*\}\}`)

// TestCatalogues holds every catalogue against the English one.
func TestCatalogues(t *testing.T) {
	english := plain(t, "en")
	for _, l := range Languages() {
		own := plain(t, l.String())
		for key := range own {
			if english[key] == nil {
				t.Errorf("%v: %s: no such message", l, key)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(english)) {
			forms := own[key]
			if forms == nil {
				t.Errorf("%v: %s: missing", l, key)
			}
			if plural := len(english[key]) > 1; !plural && len(forms) > 1 {
				t.Errorf("%v: %s: has plural forms", l, key)
			}
			for form, text := range forms {
				for _, fault := range faults(english[key]["other"], text, form) {
					t.Errorf("%v: %s (%s): %s: %q", l, key, form, fault, text)
				}
			}
		}
	}
}

// dual are the plural forms that may say the number in a word of its own.
var dual = []string{"zero", "one", "two"}

// faults returns what is wrong with the translation of a text.
func faults(english, text, form string) (all []string) {
	want, have := placeholder.FindAllString(english, -1), placeholder.FindAllString(text, -1)
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) && !(len(have) == 0 && slices.Contains(dual, form)) {
		all = append(all, fmt.Sprintf("placeholders %v, want %v", have, want))
	}
	limit := 2
	if utf8.RuneCountInString(english) < 12 {
		limit = 3
	}
	if n := limit * utf8.RuneCountInString(english); utf8.RuneCountInString(text) > n {
		all = append(all, fmt.Sprintf("longer than %d characters", n))
	}
	if strings.TrimSpace(text) != text || text == "" || strings.Contains(text, "  ") || strings.ContainsAny(text, "<>\"\n\t") {
		all = append(all, "has blanks, markup or straight quotes where none belong")
	}
	if !norm.NFC.IsNormalString(text) {
		all = append(all, "is not in Unicode's form NFC")
	}
	return all
}

// TestPlural holds that no number makes a catalogue fall back to English.
func TestPlural(t *testing.T) {
	numbers := []any{1_000, 10_000, 1_000_000, 2_000_000, "0.5", "1.5", "1000000.0"}
	for n := range 210 {
		numbers = append(numbers, n)
	}
	for _, l := range Languages() {
		for _, key := range []string{"languages", "countries"} {
			for _, n := range numbers {
				_, tag, err := In(l).messages.LocalizeWithTag(&i18n.LocalizeConfig{MessageID: key, PluralCount: n, TemplateData: Values{"Count": n}})
				if err != nil || tag != l.Tag {
					t.Errorf("%v: %s of %v: in %v, %v", l, key, n, tag, err)
				}
			}
		}
	}
}

// TestAges holds that no translation loses the age that a service is for. StopNCII
// is for people of 18 who were 18 in the image.
func TestAges(t *testing.T) {
	digits := strings.NewReplacer("১", "1", "৮", "8", "१", "1", "८", "8", "١", "1", "٨", "8", "۱", "1", "۸", "8", "១", "1", "៨", "8")
	for _, l := range Languages() {
		for key, want := range map[string]int{"takeitdown": 1, "stopncii": 2, "under_18": 1, "from_18": 1} {
			if text := digits.Replace(In(l).Text(key, nil)); strings.Count(text, "18") < want {
				t.Errorf("%v: %s does not name the age: %q", l, key, text)
			}
		}
	}
}

// TestWords holds that no catalogue uses the words that hurt those who read
// them, or that name what they should not be shown.
func TestWords(t *testing.T) {
	bad := regexp.MustCompile(`(?i)nudify|porn|deepfake|undress|scandal|leaked|victim`)
	for _, l := range Languages() {
		for key, forms := range plain(t, l.String()) {
			for _, text := range forms {
				if w := bad.FindString(text); w != "" {
					t.Errorf("%v: %s: %q in %q", l, key, w, text)
				}
			}
		}
	}
}

// TestReadingAge measures the English text with the Automated Readability Index
// (Smith and Senter, 1967, AMRL-TR-66-220), which gives the grade of American
// schools that a text is for. Pupils of grade 4 to 5 are 9 to 11 years old.
func TestReadingAge(t *testing.T) {
	var sentences, words, characters float64
	for key, forms := range plain(t, "en") {
		text := placeholder.ReplaceAllString(forms["other"], "Name")
		if !strings.ContainsAny(text, ".?!:") {
			continue // a label, no sentence
		}
		for _, sentence := range regexp.MustCompile(`[.?!:]`).Split(text, -1) {
			n := 0
			for _, word := range strings.FieldsFunc(sentence, func(r rune) bool { return !isLetter(r) }) {
				n++
				characters += float64(utf8.RuneCountInString(word))
			}
			if n > 20 {
				t.Errorf("%s: a sentence of %d words", key, n)
			}
			if n > 0 {
				sentences++
				words += float64(n)
			}
		}
	}
	grade := 4.71*characters/words + 0.5*words/sentences - 21.43
	t.Logf("%.0f sentences, %.1f words each, %.2f characters a word: grade %.1f", sentences, words/sentences, characters/words, grade)
	if grade > 5 {
		t.Errorf("the English text is for grade %.1f, want at most 5 (age 10 to 11)", grade)
	}
}

func isLetter(r rune) bool {
	return r == '’' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}
