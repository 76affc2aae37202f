package list_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/rule"
)

// book is the rules of a list by their names, the plainest form there is.
type book map[dnsname.Name]list.Entry

func (b book) add(r rule.Rule) {
	e := b[r.Name]
	e.Name = r.Name
	if r.Action == rule.Pass {
		e.Pass |= r.Trigger
	} else {
		e.Block |= r.Trigger
	}
	b[r.Name] = e
}

// blocks says what a list does with a name: the longest rule that means it
// counts, an exception before a block of the same length.
func (b book) blocks(name dnsname.Name) bool {
	need := rule.Exact
	for suffix := range name.Suffixes() {
		switch e := b[suffix]; {
		case e.Pass&need != 0:
			return false
		case e.Block&need != 0:
			return true
		}
		need = rule.Below
	}
	return false
}

// names returns the names in the order of their reversed text.
func (b book) names() []dnsname.Name {
	return slices.SortedFunc(maps.Keys(b), func(x, y dnsname.Name) int { return strings.Compare(backwards(x), backwards(y)) })
}

func backwards(name dnsname.Name) string {
	text := []byte(name)
	slices.Reverse(text)
	return string(text)
}

// entries returns what Write takes.
func (b book) entries() iter.Seq[list.Entry] {
	var all []list.Entry
	for _, name := range b.names() {
		e := b[name]
		e.Open = e.Pass&rule.Below != 0
		for other, x := range b {
			e.Open = e.Open || x.Pass != 0 && other.IsBelow(name)
		}
		all = append(all, e)
	}
	return slices.Values(all)
}

// over says what the rules above a name do with it.
func (b book) over(name dnsname.Name) rule.Action {
	for p, ok := name.Parent(); ok; p, ok = p.Parent() {
		switch e := b[p]; {
		case e.Pass&rule.Below != 0:
			return rule.Pass
		case e.Block&rule.Below != 0:
			return rule.Block
		}
	}
	return rule.None
}

// rules returns the rules without those that an exception of the same name undoes,
// and without exceptions that undo nothing else.
func (b book) rules() []rule.Rule {
	var rules []rule.Rule
	for _, name := range b.names() {
		e := b[name]
		if t := e.Block &^ e.Pass; t != 0 {
			rules = append(rules, rule.Rule{Name: name, Trigger: t, Action: rule.Block})
		}
		if e.Pass != 0 && b.over(name) == rule.Block {
			rules = append(rules, rule.Rule{Name: name, Trigger: e.Pass, Action: rule.Pass})
		}
	}
	return rules
}

// labels are few, so that names lie below each other, and one text ends with
// another that no label ends with.
var labels = []string{"a", "b", "x-a", "xb"}

// randomBook returns a few rules with triggers and actions out of these.
func randomBook(r *rand.Rand, triggers []rule.Trigger, actions []rule.Action) book {
	b := book{}
	for range 1 + r.IntN(6) {
		name := "example"
		for range 1 + r.IntN(5) {
			name = labels[r.IntN(len(labels))] + "." + name
		}
		b.add(rule.Rule{Name: dnsname.Name(name), Trigger: triggers[r.IntN(len(triggers))], Action: actions[r.IntN(len(actions))]})
	}
	return b
}

// questions returns every name of a book, what is above, beside and below it.
func (b book) questions() []dnsname.Name {
	seen := map[dnsname.Name]bool{}
	for name := range b {
		for suffix := range name.Suffixes() {
			seen[suffix] = true
			for _, l := range append(labels, "z", "z.z") {
				seen[dnsname.Name(l)+"."+suffix] = true
			}
		}
	}
	return slices.Collect(maps.Keys(seen))
}

var (
	everyTrigger = []rule.Trigger{rule.Exact, rule.Below, rule.Subtree}
	everyAction  = []rule.Action{rule.Block, rule.Block, rule.Pass}
)

// header is one with every field that is carried over.
var header = list.Header{
	Title: "Example", ID: "demo.lists.example", Version: "7", Serial: 2026112201, Entries: 5,
	Issued: day(2026, 11, 22, 0, 0, 0), Modified: day(2026, 11, 22, 1, 0, 0), Expires: day(2026, 12, 6, 0, 0, 0),
	Homepage: "https://lists.example/", Appeals: "mailto:appeals@lists.example", License: "CC0-1.0",
}

// written returns what Write makes of a book.
func written(t testing.TB, b book, c list.WriteConfig) (string, list.Written) {
	t.Helper()
	var out bytes.Buffer
	done, err := list.Write(&out, b.entries(), c)
	if err != nil && !errors.Is(err, list.ErrNothing) {
		t.Fatal(err)
	}
	return out.String(), done
}

// scanned reads a list back.
func scanned(t *testing.T, text string, f list.Format) (book, *list.Scanner) {
	t.Helper()
	b := book{}
	s := list.NewScanner(strings.NewReader(text), list.Config{
		Format: f, Refused: func(e *rule.LineError) { t.Errorf("refused: %v\n%s", e, text) },
	})
	for s.Scan() {
		b.add(s.Rule())
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return b, s
}

// TestWriteRoundTrip reads back random lists that a format can express in full:
// the rules are the same. Only records that a policy zone needs come on top.
func TestWriteRoundTrip(t *testing.T) {
	subtree := []rule.Trigger{rule.Subtree}
	both := []rule.Action{rule.Block, rule.Pass}
	block := []rule.Action{rule.Block}
	for _, tt := range []struct {
		to       list.Target
		triggers []rule.Trigger
		actions  []rule.Action
	}{
		{list.ToDomains, subtree, block},
		{list.ToHosts, subtree, block},
		{list.ToWildcard, subtree, block},
		{list.ToAdblock, everyTrigger, block},
		{list.ToDnsmasq, []rule.Trigger{rule.Below, rule.Subtree}, block},
		{list.ToDnsmasq, subtree, both},
		{list.ToUnbound, []rule.Trigger{rule.Exact, rule.Subtree}, block},
		{list.ToUnbound, subtree, both},
		{list.ToRPZ, everyTrigger, everyAction},
	} {
		r := rand.New(rand.NewPCG(1, uint64(tt.to)))
		for range 300 {
			b := randomBook(r, tt.triggers, tt.actions)
			text, done := written(t, b, list.WriteConfig{To: tt.to, Header: header})
			if len(b.rules()) == 0 {
				continue
			}
			if tt.to == list.ToUnbound && done.Left > 0 || done.Widened > 0 { // two halves of one name came together
				continue
			}
			if done.Any() {
				t.Fatalf("%v: lost %+v of %v\n%s", tt.to, done.Loss, b.rules(), text)
			}
			back, s := scanned(t, text, tt.to.Format())
			checkRead(t, s, done, text)
			if tt.to == list.ToRPZ {
				for _, rl := range b.rules() {
					e := back[rl.Name]
					if has := e.Block; rl.Action == rule.Block && rl.Trigger&^has != 0 || rl.Action == rule.Pass && rl.Trigger&^e.Pass != 0 {
						t.Fatalf("%v is missing of %v\n%s", rl, b.rules(), text)
					}
				}
				continue
			}
			if got := back.rules(); !slices.Equal(got, b.rules()) {
				t.Fatalf("%v: %v came back as %v\n%s", tt.to, b.rules(), got, text)
			}
		}
	}
}

// checkRead wants the header back, and as many rules as it says.
func checkRead(t *testing.T, s *list.Scanner, done list.Written, text string) {
	t.Helper()
	want := header
	want.Entries = s.Stats().Rules
	if s.Header() != want || done.Rules != s.Stats().Rules {
		t.Fatalf("%d rules written, header %+v\nread %d, header %+v\n%s", done.Rules, want, s.Stats().Rules, s.Header(), text)
	}
	auto := list.NewScanner(strings.NewReader(text), list.Config{})
	for auto.Scan() {
	}
	if auto.Format() != s.Format() {
		t.Fatalf("found to be %v and not %v:\n%s", auto.Format(), s.Format(), text)
	}
}

// TestWriteVerdicts asks random lists, and what their reader makes of each file:
// none blocks what the list lets pass, and where nothing is said to be lost they
// all say the same.
func TestWriteVerdicts(t *testing.T) {
	for _, to := range list.Targets() {
		for _, exact := range []bool{false, true} {
			if exact && to != list.ToDomains && to != list.ToHosts {
				continue
			}
			testVerdicts(t, list.WriteConfig{To: to, Header: header, Exact: exact})
		}
	}
}

func testVerdicts(t *testing.T, c list.WriteConfig) {
	r := rand.New(rand.NewPCG(2, uint64(c.To)))
	lossless, nothing := 0, 0
	for range 600 {
		b := randomBook(r, everyTrigger, everyAction)
		text, done := written(t, b, c)
		if text == "" {
			nothing++
			continue
		}
		for reader, blocks := range readers(t, text, c) {
			for _, q := range b.questions() {
				want, got := b.blocks(q), blocks(q)
				if got && !want || want && !got && !done.Any() {
					t.Fatalf("%v, as %s reads it: %s is blocked: %v, want %v; lost %+v\n%v\n%s", c.To, reader, q, got, want, done.Loss, b.rules(), text)
				}
			}
		}
		if !done.Any() {
			lossless++
		}
	}
	if nothing > 500 || lossless == 0 && !c.Exact {
		t.Errorf("%v: %d of 600 lists left nothing to write, %d lost nothing", c.To, nothing, lossless)
	}
}

// readers returns how those who read a file judge names.
func readers(t *testing.T, text string, c list.WriteConfig) map[string]func(dnsname.Name) bool {
	all := map[string]func(dnsname.Name) bool{}
	if f := c.To.Format(); f != list.Auto && f != list.Hashes && !c.Exact {
		back, _ := scanned(t, text, f)
		all["nonudify"] = back.blocks
	}
	if c.To == list.ToCDB {
		all["dnsdist"] = cdbReader(t, text)
		return all
	}
	lines := ruleLines(text)
	switch c.To {
	case list.ToHashes:
		all["nonudify"] = hashReader(t, text, c.Salt)
	case list.ToRPZ, list.ToKnot:
		all["a zone"] = zoneReader(lines)
	case list.ToAdblock:
		all["AdGuard"] = adguardReader(lines)
	default:
		if b := lineReader(lines, c); b != nil {
			all["the product"] = b.blocks
		}
	}
	return all
}

// ruleLines returns the lines that are no comments.
func ruleLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.ContainsAny(line[:1], "#!;$/") {
			lines = append(lines, line)
		}
	}
	return lines
}

// lineReader reads the formats whose lines stand for themselves, nil for others.
func lineReader(lines []string, c list.WriteConfig) book {
	b := book{}
	for _, line := range lines {
		r := rule.Rule{Trigger: rule.Subtree, Action: rule.Block}
		var name string
		switch {
		case c.Exact:
			r.Trigger, name = rule.Exact, strings.TrimPrefix(line, "0.0.0.0 ")
		case c.To == list.ToPihole:
			var ok bool
			if name, ok = strings.CutPrefix(line, "||"); !ok {
				r.Trigger = rule.Exact
			}
			name = strings.TrimSuffix(name, "^")
		case c.To == list.ToDNSCrypt:
			var ok bool
			if name, ok = strings.CutPrefix(line, "="); ok {
				r.Trigger = rule.Exact
			}
		case c.To == list.ToRouterOS:
			_, name, _ = strings.Cut(line, " name=")
			var ok bool
			if name, ok = strings.CutSuffix(name, " match-subdomain=yes"); !ok {
				r.Trigger = rule.Exact
			}
		default:
			return nil
		}
		r.Name = dnsname.Name(name)
		b.add(r)
	}
	return b
}

// hashReader looks for the hash of each suffix.
func hashReader(t *testing.T, text string, salt rule.Salt) func(dnsname.Name) bool {
	held := map[rule.Hash]bool{}
	s := list.NewScanner(strings.NewReader(text), list.Config{Format: list.Hashes})
	for s.Scan() {
		held[s.Hash()] = true
	}
	if s.Err() != nil || len(held) != s.Header().Entries || s.Header().Salt != salt {
		t.Fatalf("%v, %d hashes, %+v", s.Err(), len(held), s.Header())
	}
	return func(name dnsname.Name) bool {
		for suffix := range name.Suffixes() {
			if held[rule.HashName(salt, suffix)] {
				return true
			}
		}
		return false
	}
}

// zoneReader answers as a server answers from a zone (RFC 1034 §4.3.2, RFC 4592):
// by the name itself if it exists, else by the asterisk of the closest name above
// that does.
func zoneReader(lines []string) func(dnsname.Name) bool {
	records, exists := map[string]string{}, map[string]bool{}
	for _, line := range lines {
		owner, target, ok := strings.Cut(line, " CNAME ")
		if !ok {
			continue
		}
		if records[owner] != "" {
			panic("two records of " + owner)
		}
		records[owner] = target
		for suffix := range dnsname.Name(owner).Suffixes() {
			exists[string(suffix)] = true
		}
	}
	blocks := func(owner string) bool { return records[owner] == "." || records[owner] == "*." }
	return func(name dnsname.Name) bool {
		if exists[string(name)] {
			return blocks(string(name))
		}
		for suffix := range name.Suffixes() {
			if exists[string(suffix)] {
				return blocks("*." + string(suffix))
			}
		}
		return false
	}
}

// adguardReader lets the most important rule decide, exceptions first.
func adguardReader(lines []string) func(dnsname.Name) bool {
	rules := map[bool]map[bool]book{false: {false: {}, true: {}}, true: {false: {}, true: {}}}
	for _, line := range lines {
		line, important := strings.CutSuffix(line, "$important")
		line, pass := strings.CutPrefix(strings.TrimSuffix(line, "^"), "@@")
		r := rule.Rule{Action: rule.Block}
		for _, p := range []struct {
			prefix string
			rule.Trigger
		}{{"||*.", rule.Below}, {"||", rule.Subtree}, {"|", rule.Exact}} {
			if name, ok := strings.CutPrefix(line, p.prefix); ok {
				r.Name, r.Trigger = dnsname.Name(name), p.Trigger
				break
			}
		}
		rules[important][pass].add(r)
	}
	return func(name dnsname.Name) bool {
		for _, important := range []bool{true, false} {
			for _, pass := range []bool{true, false} {
				if rules[important][pass].blocks(name) {
					return !pass
				}
			}
		}
		return false
	}
}

// cdbReader looks a name up as dnsdist does, the longest suffix first.
func cdbReader(t *testing.T, text string) func(dnsname.Name) bool {
	if got, ok := cdbGet(t, text, "header"); !ok || !strings.HasPrefix(got, "# Title: Example\n") {
		t.Fatalf("header %q, %v", got, ok)
	}
	return func(name dnsname.Name) bool {
		for suffix := range name.Suffixes() {
			var key strings.Builder
			for label := range strings.SplitSeq(string(suffix), ".") {
				key.WriteByte(byte(len(label)))
				key.WriteString(label)
			}
			if value, ok := cdbGet(t, text, key.String()+"\x00"); ok {
				return value == "block"
			}
		}
		return false
	}
}

// cdbGet reads a constant database as cr.yp.to/cdb/cdb.txt describes it.
func cdbGet(t *testing.T, db, key string) (value string, ok bool) {
	t.Helper()
	number := func(at uint32) uint32 { return binary.LittleEndian.Uint32([]byte(db[at : at+4])) }
	h := uint32(5381)
	for i := range len(key) {
		h = (h<<5 + h) ^ uint32(key[i])
	}
	table, slots := number(h%256*8), number(h%256*8+4)
	for i := range slots {
		slot := table + (h>>8+i)%slots*8
		at := number(slot + 4)
		if at == 0 {
			return "", false
		}
		keySize, size := number(at), number(at+4)
		if number(slot) == h && db[at+8:at+8+keySize] == key {
			return db[at+8+keySize : at+8+keySize+size], true
		}
	}
	return "", false
}

// fixtureBook is the list of the golden files.
func fixtureBook() book {
	b := book{}
	for _, r := range []rule.Rule{
		{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "x-badsite.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "far.below.badsite.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "shared.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "help.shared.example", Trigger: rule.Subtree, Action: rule.Pass},
		{Name: "fake.help.shared.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "one.host.example", Trigger: rule.Exact, Action: rule.Block},
		{Name: "customers.example", Trigger: rule.Below, Action: rule.Block},
		{Name: "split.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "split.example", Trigger: rule.Exact, Action: rule.Pass},
		{Name: "deep.x.split.example", Trigger: rule.Exact, Action: rule.Pass},
		{Name: "xn--bcher-kva.example", Trigger: rule.Subtree, Action: rule.Block},
	} {
		b.add(r)
	}
	return b
}

// TestWriteGolden holds each target against its file.
func TestWriteGolden(t *testing.T) {
	for _, to := range list.Targets() {
		salt := rule.Salt{1, 2, 3}
		text, done := written(t, fixtureBook(), list.WriteConfig{To: to, Header: header, Salt: salt})
		if again, _ := written(t, fixtureBook(), list.WriteConfig{To: to, Header: header, Salt: salt}); again != text {
			t.Errorf("%v: two files of the same list differ", to)
		}
		if to == list.ToCDB {
			text = fmt.Sprintf("%d bytes, %x\n", len(text), text[2048:])
		}
		text += fmt.Sprintf("# %+v\n", done)
		file := filepath.Join("../../testdata/golden/write", to.String()+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%v differs from its golden file; if that is meant, run with -update\n%s", to, text)
		}
	}
}

// TestWriteHeader has headers that are empty, and such as would break a line.
func TestWriteHeader(t *testing.T) {
	b := book{}
	b.add(rule.Rule{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block})
	for _, to := range list.Targets() {
		for what, h := range map[string]list.Header{
			"empty": {},
			"odd": {
				ID: "x\"; /system reset\n$INCLUDE y", Title: "a\nb.example\r\n\x00", Version: strings.Repeat("v", 300), Homepage: "\\",
				Issued: time.Date(2026, 11, 22, 1, 0, 0, 0, time.FixedZone("", 3600)),
			},
		} {
			text, done := written(t, b, list.WriteConfig{To: to, Header: h})
			if to.Format() == list.Auto || to == list.ToHashes {
				if strings.Contains(text, "\n$") || strings.Contains(text, "comment=\"x") {
					t.Errorf("%v, %s:\n%s", to, what, text)
				}
				continue
			}
			back, s := scanned(t, text, to.Format())
			if len(back) != 1 || s.Header().Entries != done.Rules || s.Header().Issued != h.Issued.UTC() {
				t.Errorf("%v, %s: %+v\n%s", to, what, s.Header(), text)
			}
		}
	}
}

// TestComments has the comments of a header be those that a list in the domains format
// begins with, but for a salt.
func TestComments(t *testing.T) {
	b := book{}
	b.add(rule.Rule{Name: "badsite.example", Trigger: rule.Subtree, Action: rule.Block})
	h := header
	h.Entries = 1
	want, _ := written(t, b, list.WriteConfig{To: list.ToDomains, Header: h})
	h.Salt, h.HasSalt = rule.Salt{1}, true
	if got := string(h.Comments()) + "badsite.example\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestWriteRoom has names that only just fit into a format, and some that do not.
func TestWriteRoom(t *testing.T) {
	long := func(n int) dnsname.Name { // n characters
		text := strings.Repeat(strings.Repeat("a", 49)+".", 5) + "example"
		return dnsname.Name(text[len(text)-n:])
	}
	deep := func(n int) dnsname.Name { return dnsname.Name(strings.Repeat("a.", n-1) + "example") }
	for _, tt := range []struct {
		to    list.Target
		name  dnsname.Name
		unfit int
	}{
		{list.ToRPZ, long(240), 0}, // *. name .nudify.rpz and the root: 2+240+1+10+2
		{list.ToRPZ, long(241), 1},
		{list.ToRPZ, "x.rpz-ip", 1},
		{list.ToRPZ, "rpz-x.example", 0},
		{list.ToRPZ, "_list.meta", 1},
		{list.ToRPZ, "x._list.meta", 0},
		{list.ToHashes, "example", 1},
		{list.ToHashes, deep(16), 0},
		{list.ToHashes, deep(17), 1},
		{list.ToDomains, long(253), 0},
		{list.ToHosts, "localhost.localdomain", 1},
		{list.ToHosts, "localhost.example", 0},
	} {
		b := book{}
		b.add(rule.Rule{Name: tt.name, Trigger: rule.Subtree, Action: rule.Block})
		b.add(rule.Rule{Name: "other.example", Trigger: rule.Subtree, Action: rule.Block})
		if _, done := written(t, b, list.WriteConfig{To: tt.to}); done.Unfit != tt.unfit {
			t.Errorf("%v: %s of %d characters: %+v", tt.to, tt.name, len(tt.name), done)
		}
	}
}

// TestWriteErrors has lists that cannot be written.
func TestWriteErrors(t *testing.T) {
	long := dnsname.Name(strings.Repeat(strings.Repeat("a", 49)+".", 4) + strings.Repeat("b", 40) + ".example")
	b := book{}
	b.add(rule.Rule{Name: long, Trigger: rule.Subtree, Action: rule.Pass})
	if _, err := list.Write(io.Discard, b.entries(), list.WriteConfig{To: list.ToRPZ}); !errors.Is(err, list.ErrNothing) {
		t.Errorf("an exception alone that does not fit: %v", err)
	}
	b.add(rule.Rule{Name: "example", Trigger: rule.Subtree, Action: rule.Block})
	if done, err := list.Write(io.Discard, b.entries(), list.WriteConfig{To: list.ToRPZ}); err != nil || done.Loss != (list.Loss{Exceptions: 1, Narrowed: 1}) {
		t.Errorf("an exception that does not fit and is needed: %+v, %v", done, err)
	}
	for _, to := range list.Targets() {
		if _, err := list.Write(io.Discard, (book{}).entries(), list.WriteConfig{To: to}); !errors.Is(err, list.ErrNothing) {
			t.Errorf("%v: nothing: %v", to, err)
		}
		full := fmt.Errorf("disk full")
		if _, err := list.Write(failing{full}, fixtureBook().entries(), list.WriteConfig{To: to}); !errors.Is(err, full) {
			t.Errorf("%v: %v", to, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestTarget has the names of all targets there and back.
func TestTarget(t *testing.T) {
	for _, to := range list.Targets() {
		var back list.Target
		if text, err := to.MarshalText(); err != nil || back.UnmarshalText(text) != nil || back != to {
			t.Errorf("%v came back as %v, %v", to, back, err)
		}
	}
	var to list.Target
	if err := to.UnmarshalText([]byte("auto")); err == nil || !strings.Contains(err.Error(), "domains, hosts") || !strings.Contains(err.Error(), "cdb") {
		t.Errorf("got %v", err)
	}
	if got := list.Target(0).String() + list.Target(200).String(); got != "target(0)target(200)" {
		t.Errorf("got %s", got)
	}
}

// TestWriteOpened writes random lists into zones of so long a name that many of their
// names have no room: none blocks what the list lets pass, an exception without room
// is counted, and so is what is left out above it.
func TestWriteOpened(t *testing.T) {
	opened := 0
	for room := 11; room < 24; room += 3 {
		r := rand.New(rand.NewPCG(3, uint64(room)))
		origin := dnsname.Name(strings.Repeat("o.", (255-len("*.")-2-room)/2)[room%2:])
		origin = dnsname.Name(strings.Trim(string(origin), "."))
		for range 300 {
			b := randomBook(r, everyTrigger, everyAction)
			text, done := written(t, b, list.WriteConfig{To: list.ToRPZ, Origin: origin})
			if text == "" {
				continue
			}
			blocks := zoneReader(ruleLines(text))
			for _, q := range b.questions() {
				want, got := b.blocks(q), blocks(q)
				if got && !want || want && !got && !done.Any() {
					t.Fatalf("%s is blocked: %v, want %v; lost %+v\n%v\n%s", q, got, want, done.Loss, b.rules(), text)
				}
			}
			if done.Exceptions > 0 && done.Left+done.Narrowed > 0 {
				opened++
			}
		}
	}
	if opened < 10 {
		t.Errorf("only %d lists had an exception without room below a block", opened)
	}
}

// TestWriteOpenedAlone leaves out no more than has to be: neither what another
// exception opens already, nor what is beside it.
func TestWriteOpenedAlone(t *testing.T) {
	long := dnsname.Name(strings.Repeat(strings.Repeat("a", 49)+".", 4) + "b.fine.example")
	b := book{}
	for _, r := range []rule.Rule{
		{Name: "example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "fine.example", Trigger: rule.Subtree, Action: rule.Pass},
		{Name: "b.fine.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: "x.b.fine.example", Trigger: rule.Subtree, Action: rule.Block},
		{Name: long, Trigger: rule.Exact, Action: rule.Pass},
	} {
		b.add(r)
	}
	origin := dnsname.Name(strings.Repeat("o.", 20) + "rpz")
	text, done := written(t, b, list.WriteConfig{To: list.ToRPZ, Origin: origin})
	if want := (list.Loss{Narrowed: 1, Exceptions: 1}); done.Loss != want {
		t.Errorf("lost %+v, want %+v\n%s", done.Loss, want, text)
	}
	blocks := zoneReader(ruleLines(text))
	for name, want := range map[dnsname.Name]bool{
		"other.example": true, "fine.example": false, "x.fine.example": false, "b.fine.example": true, "y.b.fine.example": false, "y.x.b.fine.example": true, long: false,
	} {
		if blocks(name) != want {
			t.Errorf("%s is blocked: %v\n%s", name, !want, text)
		}
	}
}
