package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
	"github.com/nonudify/nonudify/plugin/source"
)

// compiledOf returns a list, which is text, compiled with its header.
func compiledOf(t testing.TB, text string) string {
	t.Helper()
	l, err := Load(strings.NewReader(text), time.Time{}, LoadConfig{Addresses: true})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Compile(&b, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// rulesOf returns all rules of a list.
func rulesOf(l *List) []rule.Rule {
	return slices.Concat(slices.Collect(l.Set.All()), slices.Collect(l.Set.Addresses()))
}

const mixedText = "||badsite.example^\n||two.example^\n@@||help.badsite.example^\n"

// TestLoadCompiled loads a list compiled, and as text: they say the same, packed or not, and
// whoever wants to see each rule does.
func TestLoadCompiled(t *testing.T) {
	text := "! Title: a list\n! List-ID: a\n! Serial: 7\n! Issued: 2026-11-01T00:00:00Z\n! Expires: 4 days\n" + mixedText
	want, err := Load(strings.NewReader(text), time.Time{}, LoadConfig{})
	if err != nil {
		t.Fatal(err)
	}
	data := compiledOf(t, text)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(data))
	z.Close()
	for what, c := range map[string]LoadConfig{"auto": {}, "compiled": {Format: list.Compiled}, "seen": {Seen: func(rule.Rule, int, func() string, error) {}}} {
		for _, bytes := range []string{data, packed.String()} {
			l, err := Load(strings.NewReader(bytes), time.Time{}, c)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			header := want.Header
			header.Entries = 3
			if l.Header != header || l.Serial != 7 || l.Format != list.Compiled || l.Stats.Rules != 3 || l.Stats.Lines != 3 {
				t.Errorf("%s: %+v", what, l)
			}
			if !slices.Equal(rulesOf(l), rulesOf(want)) {
				t.Errorf("%s: %v, want %v", what, rulesOf(l), rulesOf(want))
			}
		}
	}
}

// TestLoadCompiledSeen: each rule is seen with its number, and what is refused is left out
// as in a text.
func TestLoadCompiledSeen(t *testing.T) {
	data := compiledOf(t, "badsite.example\nco.uk\nother.example\n")
	var seen, lines []string
	l, err := Load(strings.NewReader(data), time.Time{}, LoadConfig{
		File: "f", Check: new(policy.Guard), Refused: func(e *rule.LineError) { lines = append(lines, e.Error()) },
		Seen: func(r rule.Rule, line int, comment func() string, refused error) {
			seen = append(seen, fmt.Sprint(line, " ", r.Name, comment(), refused != nil))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"1 badsite.examplefalse", "2 other.examplefalse", "3 co.uktrue"}; !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "f:3: co.uk: ") || l.Stats.Refused != 1 || l.Stats.Rules != 2 || l.Set.Len() != 2 {
		t.Errorf("refused %q, %+v", lines, l.Stats)
	}
}

// TestLoadCompiledGuarded: a server blocks nothing that is protected, whoever compiled the
// list.
func TestLoadCompiledGuarded(t *testing.T) {
	guard, err := policy.NewGuard([]rule.Rule{{Name: "www.helpline.example", Trigger: rule.Subtree}})
	if err != nil {
		t.Fatal(err)
	}
	data := compiledOf(t, "badsite.example\nco.uk\nhelpline.example\na.www.helpline.example\nanything.ck\n")
	l, err := Load(strings.NewReader(data), time.Time{}, LoadConfig{Check: guard})
	if err != nil {
		t.Fatal(err)
	}
	for qname, want := range map[string]bool{
		"badsite.example.": true, "www.badsite.example.": true, "nhs.co.uk.": false, "co.uk.": false, "helpline.example.": false,
		"www.helpline.example.": false, "b.A.www.helpline.example.": false, "x.anything.ck.": false,
	} {
		var k set.Key
		k.Reset(qname)
		if got := l.Set.Match(&k).Action == rule.Block; got != want {
			t.Errorf("%s: blocked %v, want %v", qname, got, want)
		}
	}
}

// TestLoadCompiledRefuses: what is wrong with a compiled list, the error names.
func TestLoadCompiledRefuses(t *testing.T) {
	data := compiledOf(t, "badsite.example\n")
	tests := []struct {
		what string
		text string
		c    LoadConfig
		want error
	}{
		{"text", "badsite.example\n", LoadConfig{Format: list.Compiled}, list.ErrCompiled},
		{"nothing", "", LoadConfig{Format: list.Compiled}, list.ErrCompiled},
		{"another format", data, LoadConfig{Format: list.Domains}, list.ErrBinary},
		{"only begun", data[:30], LoadConfig{}, set.ErrDamaged},
		{"more behind it", data + "more", LoadConfig{}, set.ErrDamaged},
		{"said to be huge", data[:32] + strings.Repeat("\xff", 8) + data[40:], LoadConfig{}, source.ErrTooLarge},
		{"mostly refused, with addresses", compiledOf(t, "$TTL 60\n@ SOA localhost. root.localhost. 7 60 60 60 60\nco.uk CNAME .\ncom CNAME .\n24.0.2.0.192.rpz-ip CNAME .\n"), LoadConfig{Check: new(policy.Guard), Addresses: true}, list.ErrRefused},
		{"cut off", data[:len(data)-1], LoadConfig{}, set.ErrDamaged},
		{"one byte", strings.Replace(data, "Entries", "entries", 1), LoadConfig{}, set.ErrDamaged},
		{"version", strings.Replace(data, "list 1\n", "list 9\n", 1), LoadConfig{}, set.ErrVersion},
		{"too large", data, LoadConfig{MaxBytes: int64(len(data)) - 1}, source.ErrTooLarge},
		{"mostly refused", compiledOf(t, "co.uk\ncom\nbadsite.example\n"), LoadConfig{Check: new(policy.Guard), Refused: func(*rule.LineError) {}}, list.ErrRefused},
	}
	for _, tt := range tests {
		tt.c.File = "f"
		l, err := Load(strings.NewReader(tt.text), time.Time{}, tt.c)
		if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "f: ") || l == nil || l.Set != nil {
			t.Errorf("%s: %v, %v, want %v", tt.what, l, err, tt.want)
		}
	}
	if l, err := Load(strings.NewReader(data[:len(data)/2]+""), time.Time{}, LoadConfig{File: "f", Action: rule.Pass}); err == nil {
		t.Errorf("half of it: %v", l)
	}
	if _, err := Load(failing{os.ErrDeadlineExceeded}, time.Time{}, LoadConfig{}); !errors.Is(err, ErrRead) {
		t.Errorf("unreadable: %v, want %v", err, ErrRead)
	}
}

// TestReadSized reads what a list says it holds, in no more memory than it has and an
// eighth, and draws none for what it only says.
func TestReadSized(t *testing.T) {
	head := compiledOf(t, "badsite.example\n")[:32]
	for _, have := range []int{40, 64<<10 - 1, 64 << 10, 64<<10 + 1, 3 << 20, 40 << 20} {
		for _, says := range []int{have - 1, have, have + 1, 1 << 30} {
			data := append(binary.LittleEndian.AppendUint64([]byte(head), uint64(says)), make([]byte, have-40)...)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, err := readSized(bufio.NewReader(bytes.NewReader(data)), 1<<30)
			runtime.ReadMemStats(&after)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes that say to be %d: %d, %v", have, says, len(got), err)
			}
			most := uint64(min(says, 8*have)) * 5 / 4
			if drawn := after.TotalAlloc - before.TotalAlloc; drawn > most+128<<10 {
				t.Errorf("%d bytes that say to be %d: %d drawn, want at most %d", have, says, drawn, most)
			}
		}
	}
}

// TestLoadCompiledAddresses: rules about addresses count where they are asked for, and the
// names can be exceptions.
func TestLoadCompiledAddresses(t *testing.T) {
	data := compiledOf(t, "$TTL 60\n@ SOA localhost. root.localhost. 7 60 60 60 60\nbadsite.example CNAME .\n24.0.2.0.192.rpz-ip CNAME .\n")
	for _, on := range []bool{false, true} {
		l, err := Load(strings.NewReader(data), time.Time{}, LoadConfig{Addresses: on, Check: new(policy.Guard)})
		if err != nil {
			t.Fatal(err)
		}
		if l.Set.HasAddresses() != on || l.Stats.Addresses != 1 || (l.Stats.Refused == 0) != on {
			t.Errorf("addresses %v: %v, %+v", on, l.Set.HasAddresses(), l.Stats)
		}
	}
	l, err := Load(strings.NewReader(data), time.Time{}, LoadConfig{Action: rule.Pass})
	if err != nil {
		t.Fatal(err)
	}
	for r := range l.Set.All() {
		if r.Action != rule.Pass {
			t.Errorf("%v in a list of exceptions", r)
		}
	}
}

// TestFeedCompiled: the guards of editions hold for a compiled list as for any other.
func TestFeedCompiled(t *testing.T) {
	s := &site{text: compiledOf(t, edition("a", 5, 90))}
	f := NewFeed(config(s))
	round(t, f, nil)
	for text, want := range map[string]error{
		edition("b", 6, 90): ErrListID, edition("a", 4, 90): source.ErrOldSerial, edition("a", 6, 9): ErrShrunk,
	} {
		s.text = compiledOf(t, text)
		round(t, f, want)
	}
	s.text = compiledOf(t, edition("a", 6, 91))
	if l := round(t, f, nil); l.Serial != 6 || l.Stats.Rules != 91 {
		t.Errorf("%+v", l)
	}
	key := newSigner(t)
	key.publish(t, s, compiledOf(t, edition("a", 7, 92)))
	c := config(s)
	c.Keys = []Key{key.public}
	round(t, NewFeed(c), nil)
	s.signature = key.sign(t, "something else")
	round(t, NewFeed(c), ErrSignature)
}

// namesBelow returns a list of n names below a domain, with a line that is refused.
func namesBelow(n int, domain string) string {
	var b strings.Builder
	b.WriteString("# List-ID: a\n# Serial: 5\nno name at all\n")
	for i := range n {
		fmt.Fprintf(&b, "name-%d.%s\n", i, domain)
	}
	return b.String()
}

// denies reports whether a list blocks a name.
func denies(l *List, qname string) bool {
	var k set.Key
	k.Reset(qname)
	return l.Set.Match(&k).Action == rule.Block
}

// beside returns the files of the copy whose names end so.
func beside(t *testing.T, dir, suffix string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestFeedKeepsCompiled: a large list is kept compiled beside its copy, and the next start
// has all of it from there, if it is of the same bytes and the same guard.
func TestFeedKeepsCompiled(t *testing.T) {
	dir := t.TempDir()
	s := &site{text: namesBelow(minCompiled, "bad.example")}
	c := config(s)
	c.Load.Check = new(policy.Guard)
	f := withCopy(t, c, dir)
	first := round(t, f, nil)
	if len(beside(t, dir, ".compiled")) != 1 || first.Set.Mapped() == 0 && mapping {
		t.Fatalf("%q, %d bytes mapped", beside(t, dir, ".compiled"), first.Set.Mapped())
	}
	f, l := restart(t, f, nil)
	if (l.Set.Mapped() > 0) != mapping || !f.Fragile() && mapping {
		t.Fatal("After a restart the list is not mapped.")
	}
	if l.Header != first.Header || l.Format != first.Format || l.Stats != first.Stats || l.Serial != first.Serial || l.File != "l.txt" {
		t.Errorf("%+v, want %+v", l, first)
	}
	if len(l.Refused) != 1 || l.Refused[0].Error() != first.Refused[0].Error() {
		t.Errorf("refused: %v, want %v", l.Refused, first.Refused)
	}
	if !slices.Equal(rulesOf(l), rulesOf(first)) || !denies(l, "www.name-7.bad.example.") {
		t.Error("The rules are others.")
	}
	round(t, f, source.ErrNotModified)

	// Another guard: it is read from the text, and kept anew.
	f.Close()
	c.Load.Check, _ = policy.NewGuard([]rule.Rule{{Name: "name-7.bad.example", Trigger: rule.Subtree}})
	f = withCopy(t, c, dir)
	l, _, err := f.Restore()
	if err != nil || denies(l, "name-7.bad.example.") || !denies(l, "name-8.bad.example.") || l.Stats.Refused != 2 {
		t.Fatalf("another guard: %+v, %v", l, err)
	}

	// One that cannot say which it is: nothing is kept, and what is there goes.
	f.Close()
	c.Load.Check = anonymous{}
	f = withCopy(t, c, dir)
	if l, _, err = f.Restore(); err != nil || l.Set.Mapped() != 0 || len(beside(t, dir, ".compiled")) != 0 {
		t.Errorf("no identity: %v, %q", err, beside(t, dir, ".compiled"))
	}
	f.Close()
}

// anonymous is a Checker that is not an Identifier.
type anonymous struct{}

func (anonymous) Check(rule.Rule) error { return nil }

// TestFeedCompiledDamaged: what is wrong with the compiled file costs nothing but time.
func TestFeedCompiledDamaged(t *testing.T) {
	dir := t.TempDir()
	s := &site{text: namesBelow(minCompiled, "bad.example")}
	f := withCopy(t, config(s), dir)
	round(t, f, nil)
	file := beside(t, dir, ".compiled")[0]
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f, _ = restart(t, f, nil)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	var other bytes.Buffer // sound, but of another copy
	l, _ := Load(strings.NewReader("other.example\n"), time.Time{}, LoadConfig{})
	if err := l.Set.Compile(&other, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"cut": whole[:len(whole)/2], "empty": nil, "flipped": flipped, "other": other.Bytes()} {
		if err := os.Remove(file); err != nil { // never written in place: it may be mapped
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if f, l = restart(t, f, nil); l.Stats.Rules != minCompiled || !denies(l, "name-7.bad.example.") {
			t.Errorf("%s: %+v", what, l.Stats)
		}
		if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("%s: it was not made anew: %v", what, err)
		}
	}
	f.Close()
}

// TestFeedMapped: a list that is compiled itself is mapped where it is kept, and one that
// cannot be kept is held in memory.
func TestFeedMapped(t *testing.T) {
	dir := t.TempDir()
	s := &site{text: compiledOf(t, namesBelow(1000, "bad.example"))}
	f := withCopy(t, config(s), dir)
	l := round(t, f, nil)
	if (l.Set.Mapped() > 0) != mapping || len(beside(t, dir, ".compiled")) != 0 {
		t.Errorf("%d bytes mapped, files %q", l.Set.Mapped(), beside(t, dir, ".compiled"))
	}
	f, l = restart(t, f, nil)
	if (l.Set.Mapped() > 0) != mapping || !denies(l, "name-7.bad.example.") || l.Header.ID != "a" {
		t.Errorf("restored: %d bytes mapped, %+v", l.Set.Mapped(), l)
	}
	f.Close()
	if l := round(t, NewFeed(config(s)), nil); l.Set.Mapped() != 0 || !denies(l, "name-7.bad.example.") {
		t.Errorf("without a state directory: %d bytes mapped", l.Set.Mapped())
	}
}
