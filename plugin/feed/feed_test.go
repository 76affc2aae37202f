package feed

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/nonudify/nonudify/plugin/source"
)

// site is a mirror whose content a test sets. The version is made of the
// content.
type site struct {
	text      string
	signature []byte
	timers    source.Timers
	err       error // that Open returns
	breaks    bool  // after half of the text
	opened    int
	sent      int // bodies
}

func (s *site) Open(_ context.Context, have source.Version) (source.Body, error) {
	s.opened++
	if s.err != nil {
		return source.Body{}, s.err
	}
	version := source.Version(fmt.Sprintf("v %x", sha256.Sum256([]byte(s.text))))
	if have == version {
		return source.Body{}, source.ErrNotModified
	}
	s.sent++
	var r io.Reader = strings.NewReader(s.text)
	if s.breaks {
		r = io.MultiReader(strings.NewReader(s.text[:len(s.text)/2]), failing{io.ErrUnexpectedEOF})
	}
	return source.Body{ReadCloser: io.NopCloser(r), Version: version, Timers: s.timers}, nil
}

func (s *site) mirror(name string) Mirror {
	return Mirror{Name: name, Opener: s, Signature: func(context.Context) ([]byte, error) { return s.signature, nil }}
}

// config is a feed of mirrors named m0, m1 and so on.
func config(sites ...*site) Config {
	c := Config{Name: "l", Load: LoadConfig{File: "l.txt"}, Shrink: 20}
	for i, s := range sites {
		c.Mirrors = append(c.Mirrors, s.mirror(fmt.Sprint("m", i)))
	}
	return c
}

// edition is the text of a list with a header.
func edition(id string, serial uint32, entries int, more ...string) string {
	var b strings.Builder
	if id != "" {
		fmt.Fprintf(&b, "# List-ID: %s\n", id)
	}
	if serial != 0 {
		fmt.Fprintf(&b, "# Serial: %d\n", serial)
	}
	for _, m := range more {
		fmt.Fprintf(&b, "# %s\n", m)
	}
	return b.String() + lines(entries)
}

// signer signs as a publisher does.
type signer struct {
	public  Key
	private minisign.PrivateKey
}

func newSigner(t *testing.T) signer {
	t.Helper()
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return signer{public, private}
}

func (s signer) sign(t *testing.T, text string) []byte {
	t.Helper()
	r := minisign.NewReader(strings.NewReader(text))
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	return r.SignWithComments(s.private, "trusted", "untrusted")
}

// publish puts a signed text on a site.
func (s signer) publish(t *testing.T, on *site, text string) {
	t.Helper()
	on.text, on.signature = text, s.sign(t, text)
}

// round does one and wants an error that is want; nil wants none.
func round(t *testing.T, f *Feed, want error) *List {
	t.Helper()
	l, err := f.Fetch(t.Context())
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Fatalf("Round: %v, want %v", err, want)
	}
	return l
}

func TestFeedHeader(t *testing.T) {
	type try struct {
		text string
		want error
	}
	tests := []struct {
		name   string
		signed bool
		own    bool
		id     string
		tries  []try
	}{
		{"serials", false, false, "", []try{
			{edition("a", 5, 9), nil}, {edition("a", 4, 9), source.ErrOldSerial}, {edition("a", 5, 10), nil}, {edition("a", 6, 10), nil},
			{edition("a", 4294967295, 10), source.ErrOldSerial}, // by RFC 1982
			{edition("a", 2000000000, 10), nil}, {edition("a", 4000000000, 10), nil}, {edition("a", 7, 10), nil},
		}},
		{"identity", false, false, "", []try{
			{edition("a", 1, 9), nil}, {edition("b", 2, 9), ErrListID}, {edition("", 3, 9), nil}, {edition("b", 4, 9), nil},
		}},
		{"identity, signed", true, false, "", []try{
			{edition("a", 1, 9), nil}, {edition("b", 2, 9), ErrListID}, {edition("", 3, 9), ErrListID}, {edition("a", 4, 9), nil},
		}},
		{"configured identity", false, false, "a", []try{
			{edition("b", 1, 9), ErrListID}, {edition("", 1, 9), ErrListID}, {edition("a", 1, 9), nil}, {edition("b", 2, 9), ErrListID},
		}},
		{"no serial any more", false, false, "", []try{{edition("a", 5, 9), nil}, {edition("a", 0, 9), nil}}},
		{"no serial any more, signed", true, false, "", []try{{edition("a", 5, 9), nil}, {edition("a", 0, 9), source.ErrOldSerial}}},
		{"a file of the operator's own", false, true, "", []try{
			{edition("a", 5, 9), nil}, {edition("a", 4, 9), nil}, {edition("b", 1, 9), nil},
		}},
		{"a signed file", true, true, "", []try{
			{edition("a", 5, 9), nil}, {edition("a", 4, 9), source.ErrOldSerial}, {edition("b", 6, 9), ErrListID},
		}},
		{"shrinking", false, false, "", []try{
			{edition("", 0, 100), nil}, {edition("", 0, 79), ErrShrunk}, {edition("", 0, 80), nil}, {edition("", 0, 64), nil},
			{edition("", 0, 51), ErrShrunk}, {edition("", 0, 1000), nil},
		}},
		{"to nothing", false, false, "", []try{{edition("", 0, 2), nil}, {"# none any more\n", ErrEmpty}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, key := &site{}, newSigner(t)
			c := config(s)
			c.ListID, c.Own = tt.id, tt.own
			if tt.signed {
				c.Keys = []Key{key.public}
			}
			f := NewFeed(c)
			for i, try := range tt.tries {
				key.publish(t, s, try.text)
				l, err := f.Fetch(t.Context())
				if !errors.Is(err, try.want) || (err == nil) != (try.want == nil) {
					t.Fatalf("Edition %d: %v, want %v", i, err, try.want)
				}
				if l != nil && (l.Signature != nil) != tt.signed {
					t.Errorf("Edition %d: signature %v", i, l.Signature)
				}
			}
		})
	}
}

func TestFeedShrink(t *testing.T) {
	for _, tt := range []struct {
		shrink, after int
		want          error
	}{{0, 1, nil}, {NoFall, 100, nil}, {NoFall, 99, ErrShrunk}, {50, 50, nil}, {50, 49, ErrShrunk}, {99, 1, nil}} {
		s := &site{text: lines(100)}
		c := config(s)
		c.Shrink = tt.shrink
		f := NewFeed(c)
		round(t, f, nil)
		s.text = lines(tt.after) + "#\n"
		round(t, f, tt.want)
	}
}

func TestFeedSignature(t *testing.T) {
	pinned, next, foreign := newSigner(t), newSigner(t), newSigner(t)
	s := &site{}
	c := config(s)
	c.Keys = []Key{pinned.public, next.public}
	f := NewFeed(c)
	text := edition("a", 1, 9)
	legacy := minisign.Sign(pinned.private, []byte(text))
	tampered := bytes.Replace(pinned.sign(t, text), []byte("trusted comment: trusted"), []byte("trusted comment: trusteD"), 1)
	for _, tt := range []struct {
		name      string
		signature []byte
		want      error
	}{
		{"none", nil, ErrNoSignature},
		{"no signature", []byte("<html>not found</html>"), ErrSignature},
		{"too large", bytes.Repeat([]byte("x"), MaxSignature+1), ErrSignature},
		{"legacy", legacy, ErrLegacySignature},
		{"foreign", foreign.sign(t, text), ErrForeignKey},
		{"of other bytes", pinned.sign(t, text+"\n"), ErrSignature},
		{"another trusted comment", tampered, ErrSignature},
		{"pinned", pinned.sign(t, text), nil},
		{"signed anew", next.sign(t, text), source.ErrNotModified},
	} {
		s.text, s.signature = text, tt.signature
		if l, err := f.Fetch(t.Context()); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		} else if err != nil && tt.want != source.ErrNotModified && ResultOf(err) != "signature" {
			t.Errorf("%s: cause %s", tt.name, ResultOf(err))
		} else if l != nil && (l.Signature.KeyID != pinned.public.ID() || l.Signature.Comment != "trusted") {
			t.Errorf("%s: signed by %+v", tt.name, l.Signature)
		}
	}
}

// TestFeedSignatureLater: a list whose signature comes a moment later is asked
// for again, though it has not changed.
func TestFeedSignatureLater(t *testing.T) {
	key, s := newSigner(t), &site{}
	c := config(s)
	c.Keys = []Key{key.public}
	f := NewFeed(c)
	key.publish(t, s, edition("a", 1, 9))
	round(t, f, nil)
	s.text = edition("a", 2, 10)
	round(t, f, ErrSignature)
	s.signature = key.sign(t, s.text)
	if l := round(t, f, nil); l.Header.Serial != 2 {
		t.Errorf("Serial %d", l.Header.Serial)
	}
}

// TestFeedMirrors: a mirror that has nothing good does not keep the next from
// being asked.
func TestFeedMirrors(t *testing.T) {
	key := newSigner(t)
	faults := map[string]func(*site){
		"down":        func(s *site) { s.err = io.ErrUnexpectedEOF },
		"breaks off":  func(s *site) { s.text, s.breaks = edition("a", 2, 99), true },
		"a page":      func(s *site) { key.publish(t, s, "<!DOCTYPE html><html><body>Sign in</body></html>") },
		"unsigned":    func(s *site) { s.text, s.signature = edition("a", 2, 10), nil },
		"older":       func(s *site) { key.publish(t, s, edition("a", 0, 10)) },
		"another":     func(s *site) { key.publish(t, s, edition("b", 3, 10)) },
		"empty":       func(s *site) { key.publish(t, s, "# nothing\n") },
		"shrunk":      func(s *site) { key.publish(t, s, edition("a", 2, 5)) },
		"cut off":     func(s *site) { key.publish(t, s, edition("a", 2, 9, "Entries: 100")) },
		"all refused": func(s *site) { key.publish(t, s, strings.Repeat("%%\n", 99)+"a.example\n") },
	}
	for name, fault := range faults {
		first, second := &site{}, &site{}
		key.publish(t, first, edition("a", 1, 9))
		key.publish(t, second, first.text)
		c := config(first, second)
		c.Keys = []Key{key.public}
		f := NewFeed(c)
		round(t, f, nil)
		fault(first)
		key.publish(t, second, edition("a", 2, 10))
		if l := round(t, f, nil); l.Stats.Rules != 10 {
			t.Errorf("%s: %d rules", name, l.Stats.Rules)
		}
		if round(t, f, source.ErrNotModified); first.sent > 5 {
			t.Errorf("%s: asked for the whole list %d times", name, first.sent)
		}
		second.err = os.ErrDeadlineExceeded
		l, err := f.Fetch(t.Context())
		if l != nil || err == nil || errors.Is(err, source.ErrNotModified) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s, and the other mirror down: %v", name, err)
		}
	}
}

// TestFeedStaleMirror: a mirror whose edition has expired is not the last word.
func TestFeedStaleMirror(t *testing.T) {
	first, second := &site{}, &site{}
	first.text = edition("a", 1, 9, "Expires: 2020-01-01")
	second.text = first.text
	f := NewFeed(config(first, second))
	round(t, f, nil)
	if err := f.Warning(); !errors.Is(err, ErrExpired) || ResultOf(err) != "expired" {
		t.Errorf("Warning: %v", err)
	}
	second.text = edition("a", 2, 9, "Expires: 2099-01-01")
	round(t, f, nil)
	if err := f.Warning(); err != nil {
		t.Errorf("Warning: %v", err)
	}
	if before := second.opened; first.opened != 2 || before != 1 {
		t.Errorf("Asked %d and %d times", first.opened, before)
	}
}

// TestFeedUnchanged: the same bytes are not built again, whatever the mirror
// says of their version.
func TestFeedUnchanged(t *testing.T) {
	first, second := &site{text: lines(9)}, &site{text: lines(9)}
	f := NewFeed(config(first, second))
	round(t, f, nil)
	built := f.current
	first.err = errAbsent
	round(t, f, source.ErrNotModified)
	if f.current != built || second.sent != 1 {
		t.Error("Built again")
	}
	round(t, f, source.ErrNotModified)
	if second.sent != 1 {
		t.Error("Sent again")
	}
}

// TestFeedRefusedOnce: what was refused for what it holds is not sent again
// while it stays as it is, and stays the error.
func TestFeedRefusedOnce(t *testing.T) {
	s := &site{text: lines(9)}
	f := NewFeed(config(s))
	round(t, f, nil)
	s.text = "# none\n"
	for range 3 {
		round(t, f, ErrEmpty)
	}
	if s.sent != 2 {
		t.Errorf("Sent %d times", s.sent)
	}
}

func TestFeedPacked(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	fmt.Fprint(w, edition("a", 1, 5000))
	w.Close()
	key, s := newSigner(t), &site{}
	key.publish(t, s, b.String()) // what is signed is the file as it is
	c := config(s)
	c.Keys = []Key{key.public}
	if l := round(t, NewFeed(c), nil); l.Stats.Rules != 5000 {
		t.Errorf("%d rules", l.Stats.Rules)
	}
	c.Load.MaxBytes = int64(b.Len())
	round(t, NewFeed(c), source.ErrTooLarge)
	c.Load.MaxBytes--
	round(t, NewFeed(c), source.ErrTooLarge)
}

// withCopy is a feed that keeps copies in dir.
func withCopy(t *testing.T, c Config, dir string) *Feed {
	t.Helper()
	c.Copy = &source.Copy{Dir: dir, Source: "l"}
	f := NewFeed(c)
	t.Cleanup(func() { f.Close() })
	return f
}

// restart closes a feed and restores another from its copy.
func restart(t *testing.T, f *Feed, want error) (*Feed, *List) {
	t.Helper()
	f.Close()
	again := withCopy(t, f.Config, f.Copy.Dir)
	l, _, err := again.Restore()
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Fatalf("Restore: %v, want %v", err, want)
	}
	return again, l
}

func TestFeedRestore(t *testing.T) {
	key, s := newSigner(t), &site{}
	key.publish(t, s, edition("a", 5, 100))
	c := config(s)
	c.Keys = []Key{key.public}
	f := withCopy(t, c, t.TempDir())
	if l, _, err := f.Restore(); l != nil || err != nil {
		t.Fatalf("Without a copy: %v, %v", l, err)
	}
	round(t, f, nil)
	f, l := restart(t, f, nil)
	if l.Header.Serial != 5 || l.Stats.Rules != 100 || l.Signature == nil {
		t.Fatalf("Restored %+v", l)
	}
	round(t, f, source.ErrNotModified) // the validators are on disk, too
	if s.sent != 1 {
		t.Errorf("Sent %d times", s.sent)
	}
	key.publish(t, s, edition("a", 4, 100))
	round(t, f, source.ErrOldSerial)
	key.publish(t, s, edition("a", 6, 79))
	round(t, f, ErrShrunk)

	// A key that is not pinned any more makes the copy useless.
	f.Keys = []Key{newSigner(t).public}
	if _, l := restart(t, f, ErrForeignKey); l != nil {
		t.Error("Restored with a foreign key")
	}
	// So does another list.
	f.Keys, f.ListID = []Key{key.public}, "b"
	restart(t, f, ErrListID)
}

// TestFeedRestoreUnsigned: a copy from the time before there was a key is not
// loaded.
func TestFeedRestoreUnsigned(t *testing.T) {
	s := &site{text: lines(9)}
	f := withCopy(t, config(s), t.TempDir())
	round(t, f, nil)
	f.Keys = []Key{newSigner(t).public}
	restart(t, f, ErrNoSignature)
}

func TestFeedDamagedCopy(t *testing.T) {
	s := &site{text: lines(9)}
	f := withCopy(t, config(s), t.TempDir())
	round(t, f, nil)
	file, err := os.OpenFile(f.Copy.Path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("X"), 8192+4); err != nil {
		t.Fatal(err)
	}
	file.Close()
	f, _ = restart(t, f, source.ErrDamaged)
	round(t, f, nil)
	restart(t, f, nil)
}

// TestFeedApprove: an edition that is held back is taken once it is approved,
// and only that one.
func TestFeedApprove(t *testing.T) {
	s := &site{text: edition("a", 1, 100)}
	f := withCopy(t, config(s), t.TempDir())
	round(t, f, nil)
	s.text = edition("a", 2, 10)
	round(t, f, ErrShrunk)
	if f.Prompt() {
		t.Error("Approved by nobody")
	}
	held, err := f.Copy.Held()
	if err != nil || held.Entries != 10 || held.Before != 100 || held.Serial != 2 || held.List != "l" ||
		held.Reason != "has shrunk and is held back: from 100 to 10 entries, by more than 20 percent" {
		t.Fatalf("Held: %+v, %v", held, err)
	}
	if err := f.Copy.Approve(held.Sum); err != nil {
		t.Fatal(err)
	}
	if !f.Prompt() {
		t.Error("The approval is not seen")
	}
	approved := s.text
	s.text = edition("a", 3, 5)
	round(t, f, ErrShrunk) // another one
	s.text = approved
	f, _ = restart(t, f, nil) // the approval outlives the program
	if l := round(t, f, nil); l.Stats.Rules != 10 {
		t.Errorf("%d rules", l.Stats.Rules)
	}
	if _, err := f.Copy.Held(); !errors.Is(err, source.ErrNoCopy) || f.Prompt() || f.Copy.Approved(held.Sum) {
		t.Errorf("Still held: %v", err)
	}
	s.text = edition("a", 4, 100)
	round(t, f, nil)
	s.text = approved
	round(t, f, source.ErrOldSerial)
}

// TestFeedHeldForgotten: what was held back is forgotten with the next edition
// that is good.
func TestFeedHeldForgotten(t *testing.T) {
	s := &site{text: lines(100)}
	f := withCopy(t, config(s), t.TempDir())
	round(t, f, nil)
	s.text = lines(10)
	round(t, f, ErrShrunk)
	f, _ = restart(t, f, nil)
	s.text = lines(101)
	round(t, f, nil)
	if _, err := f.Copy.Held(); !errors.Is(err, source.ErrNoCopy) {
		t.Errorf("Still held: %v", err)
	}
}

// TestFeedNotSaved: a list that cannot be kept serves all the same, and is kept
// later.
func TestFeedNotSaved(t *testing.T) {
	s := &site{text: lines(9)}
	dir := t.TempDir()
	busy := &source.Copy{Dir: dir, Source: "l"}
	if err := busy.Lock(); err != nil {
		t.Fatal(err)
	}
	f := withCopy(t, config(s), dir)
	if _, _, err := f.Restore(); err != nil {
		t.Fatal(err)
	}
	round(t, f, nil)
	if err := f.Warning(); !errors.Is(err, ErrNotSaved) || !errors.Is(err, source.ErrLocked) {
		t.Errorf("Warning: %v", err)
	}
	if err := busy.Unlock(); err != nil {
		t.Fatal(err)
	}
	s.text = lines(10)
	round(t, f, nil)
	if err := f.Warning(); err != nil {
		t.Errorf("Warning: %v", err)
	}
	if _, l := restart(t, f, nil); l.Stats.Rules != 10 {
		t.Errorf("%d rules", l.Stats.Rules)
	}
}

// TestFeedPrimaries: a NOTIFY may come from any primary, and from nobody else.
func TestFeedPrimaries(t *testing.T) {
	c := config(&site{text: lines(9)}, &site{})
	known := map[int]string{0: "192.0.2.1", 1: "2001:db8::1"}
	for i := range c.Mirrors {
		c.Mirrors[i].Addresses = func(context.Context) ([]netip.Addr, error) {
			if known[i] == "" {
				return nil, errAbsent
			}
			return []netip.Addr{netip.MustParseAddr(known[i])}, nil
		}
	}
	f := NewFeed(c)
	if f.MayNotify(netip.MustParseAddr("192.0.2.1")) {
		t.Error("Nobody is known yet")
	}
	round(t, f, nil) // which asks the first one only
	known[0], known[1] = "", "2001:db8::2"
	round(t, f, source.ErrNotModified)
	for addr, want := range map[string]bool{
		"192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.2.2": false, "2001:db8::1": false, "2001:db8::2": true,
	} {
		if got := f.MayNotify(netip.MustParseAddr(addr)); got != want {
			t.Errorf("MayNotify(%s) = %v", addr, got)
		}
	}
}

func TestFeedEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewFeed(config(&site{text: lines(9)})).Fetch(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPlan(t *testing.T) {
	header := func(issued, expires string) *List {
		l := new(List)
		l.Header.Issued, _ = time.Parse(time.DateOnly, issued)
		l.Header.Expires, _ = time.Parse(time.DateOnly, expires)
		return l
	}
	zone := func(refresh, retry time.Duration) *List {
		return &List{Timers: source.Timers{Refresh: refresh, Retry: retry}}
	}
	for _, tt := range []struct {
		refresh            time.Duration
		list               *List
		every, retry, most time.Duration
	}{
		{0, nil, time.Hour, 10 * time.Second, 15 * time.Minute},
		{0, new(List), time.Hour, 10 * time.Second, 15 * time.Minute},
		{time.Second, nil, time.Second, 10 * time.Second, time.Minute},
		{5 * time.Minute, header("2026-11-01", "2026-11-15"), 5 * time.Minute, 10 * time.Second, 5 * time.Minute},
		{48 * time.Hour, nil, 48 * time.Hour, 10 * time.Second, 15 * time.Minute},
		{0, header("2026-11-01", "2026-11-15"), 24 * time.Hour, 10 * time.Second, 15 * time.Minute},
		{0, header("2026-11-01", "2026-11-02"), 6 * time.Hour, 10 * time.Second, 15 * time.Minute},
		{0, header("2026-11-02", "2026-11-02"), 15 * time.Minute, 10 * time.Second, 15 * time.Minute},
		{0, header("2026-11-03", "2026-11-02"), 15 * time.Minute, 10 * time.Second, 15 * time.Minute},
		{0, zone(time.Second, time.Second), 30 * time.Second, 10 * time.Second, 30 * time.Second},
		{0, zone(time.Hour, 5*time.Minute), time.Hour, 5 * time.Minute, 15 * time.Minute},
		{0, zone(1<<31*time.Second, 1<<31*time.Second), 24 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		{time.Second, zone(time.Hour, time.Hour), time.Second, 10 * time.Second, time.Minute},
	} {
		f := NewFeed(Config{Refresh: tt.refresh})
		got := f.Plan(tt.list)
		if want := (Schedule{tt.every, tt.retry, tt.most, true}); got != want {
			t.Errorf("%v, %+v: %+v, want %+v", tt.refresh, tt.list, got, want)
		}
	}
}

func TestScheduleWait(t *testing.T) {
	s := Schedule{Every: time.Hour, Retry: 10 * time.Second, Most: time.Minute}
	for failures, want := range map[int]time.Duration{
		0: time.Hour, 1: 10 * time.Second, 2: 20 * time.Second, 3: 40 * time.Second, 4: time.Minute, 1 << 30: time.Minute,
	} {
		if got := s.wait(failures); got != want {
			t.Errorf("%d failures: %v, want %v", failures, got, want)
		}
	}
	s.Jitter = true
	least, most := s.wait(0), s.wait(0)
	for range 1000 {
		least, most = min(least, s.wait(0)), max(most, s.wait(0))
	}
	if least < 54*time.Minute || most > 66*time.Minute || most-least < time.Minute {
		t.Errorf("Between %v and %v", least, most)
	}
	if got := (Schedule{Every: 1 << 62}).wait(0); got != maxWait {
		t.Errorf("%v", got)
	}
}

// TestFeedExpires: a zone expires when its primary has not been heard for as
// long as its SOA record says, another list when its header says so.
func TestFeedExpires(t *testing.T) {
	s := &site{text: lines(9), timers: source.Timers{Expire: time.Hour}}
	f := NewFeed(config(s))
	if !f.Expires().IsZero() {
		t.Error("Nothing is there to expire")
	}
	round(t, f, nil)
	if left := time.Until(f.Expires()); left < 59*time.Minute || left > time.Hour {
		t.Errorf("The zone expires in %v", left)
	}
	r := NewRefresher[List](f, f.Plan)
	s.text = edition("a", 1, 9, "Expires: 2026-12-06")
	if _, err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.Status().Expires.Format(time.DateOnly); got != "2026-12-06" {
		t.Errorf("The list expires on %s", got)
	}
}

// TestFeedHeldAnew: every edition that is held back is news, not only the
// first.
func TestFeedHeldAnew(t *testing.T) {
	s := &site{text: lines(100)}
	f := NewFeed(config(s))
	r := NewRefresher[List](f, f.Plan)
	for i, tt := range []struct {
		entries int
		news    bool
	}{{100, false}, {50, true}, {50, false}, {10, true}, {10, false}} {
		s.text = lines(tt.entries)
		if c, _ := r.Refresh(t.Context()); (c.Err != nil) != tt.news {
			t.Errorf("Round %d: %v", i, c.Err)
		}
	}
}
