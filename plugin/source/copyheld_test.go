package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var exampleHeld = Held{
	Source: "https://lists.example/nudify.txt", List: "nudify", Sum: [32]byte{1, 2, 31: 255}, Serial: 2026112201,
	Entries: 70, Before: 100, Reason: "30 % fewer entries, more than 20 %",
	Seen: time.Date(2026, 11, 22, 3, 4, 5, 6, time.UTC),
}

// heldCopy returns a Copy with a directory.
func heldCopy(t *testing.T) *Copy {
	t.Helper()
	c := newCopy(t)
	if err := c.Lock(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHeld(t *testing.T) {
	c := heldCopy(t)
	if _, err := c.Held(); !errors.Is(err, ErrNoCopy) {
		t.Errorf("Held before Hold: %v", err)
	}
	h := exampleHeld
	for _, h.Serial = range []uint32{1, 2} {
		if err := c.Hold(h); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Held(); got != h || err != nil {
			t.Errorf("Held() = %+v, %v, want %+v", got, err, h)
		}
	}
	if err := c.Forget(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Held(); !errors.Is(err, ErrNoCopy) {
		t.Errorf("Held after Settle: %v", err)
	}
	if left := files(t, c.Dir, "*"); len(left) != 1 {
		t.Errorf("Left behind: %v", left)
	}
}

// TestApprove approves from outside, as the tool does, while c has the lock.
func TestApprove(t *testing.T) {
	c := heldCopy(t)
	if err := c.Hold(exampleHeld); err != nil {
		t.Fatal(err)
	}
	held, err := HeldIn(c.Dir)
	if err != nil || len(held) != 1 || held[0].Source != c.Source {
		t.Fatalf("HeldIn: %v, %v", held, err)
	}
	h, err := held[0].Held()
	if h != exampleHeld || err != nil {
		t.Errorf("Held() = %+v, %v", h, err)
	}
	if c.Approved(h.Sum) {
		t.Error("Approved before Approve")
	}
	for _, sum := range [][32]byte{{9}, h.Sum} { // the last one counts
		if err := held[0].Approve(sum); err != nil {
			t.Fatal(err)
		}
		if !c.Approved(sum) {
			t.Errorf("%x is not approved", sum)
		}
	}
	if c.Approved([32]byte{9}) || c.Approved([32]byte{}) {
		t.Error("Another edition is approved")
	}
	if err := c.Forget(); err != nil {
		t.Fatal(err)
	}
	if c.Approved(h.Sum) {
		t.Error("Approved after Settle")
	}
	if err := c.Forget(); err != nil {
		t.Errorf("Settle when nothing is held: %v", err)
	}
	if left := files(t, c.Dir, "*"); len(left) != 1 {
		t.Errorf("Left behind: %v", left)
	}
}

// TestApprovalSpoiled: what is not exactly an approval is none.
func TestApprovalSpoiled(t *testing.T) {
	c := heldCopy(t)
	sum := [32]byte{0xab}
	if err := c.Approve(sum); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.Dir, c.name()+".approved")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", string(good[:64]), strings.ToUpper(string(good)), string(good) + "\n", strings.Repeat(string(good), 2000), strings.Repeat("0", 64) + "\n"} {
		write(t, path, text, old)
		if c.Approved(sum) {
			t.Errorf("Approved by %.100q", text)
		}
	}
	write(t, path, string(good), old)
	if !c.Approved(sum) {
		t.Error("Not approved by what Approve wrote")
	}
	if err := os.Rename(path, path+".real"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+".real", path); err != nil {
		t.Skipf("No links on this file system: %v", err)
	}
	if c.Approved(sum) {
		t.Error("Approved by a link")
	}
}

func TestHeldSpoiled(t *testing.T) {
	c := heldCopy(t)
	path := filepath.Join(c.Dir, c.name()+".held")
	tests := []struct {
		text string
		want error
	}{
		{"", ErrDamaged},
		{`{"sum":"00"}`, ErrDamaged},
		{`{"source":"` + strings.Repeat("x", maxSmall-13) + `"}`, nil},
		{`{"source":"` + strings.Repeat("x", maxSmall-12) + `"}`, ErrTooLarge},
	}
	for _, tt := range tests {
		write(t, path, tt.text, old)
		_, err := c.Held()
		if !errors.Is(err, tt.want) {
			t.Errorf("%.20q: %v, want %v", tt.text, err, tt.want)
		}
		if copies, err := HeldIn(c.Dir); len(copies) != 1 || err != nil {
			t.Errorf("%.20q: HeldIn: %v, %v", tt.text, copies, err)
		}
	}
}

// TestHoldTooLarge: what could not be read back is not written.
func TestHoldTooLarge(t *testing.T) {
	c := heldCopy(t)
	if err := c.Hold(exampleHeld); err != nil {
		t.Fatal(err)
	}
	h := exampleHeld
	h.Reason = strings.Repeat("x", maxSmall)
	if err := c.Hold(h); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Hold: %v", err)
	}
	if got, err := c.Held(); got != exampleHeld || err != nil {
		t.Errorf("Held() = %+v, %v", got, err)
	}
	h.Reason = strings.Repeat("x", maxSmall-500)
	if err := c.Hold(h); err != nil {
		t.Errorf("Hold of what is just not too large: %v", err)
	}
	if got, err := c.Held(); got != h || err != nil {
		t.Errorf("Held: %v", err)
	}
}

// TestHeldCredentials: none of them get into a file that anyone may read.
func TestHeldCredentials(t *testing.T) {
	c := heldCopy(t)
	c2 := &Copy{Dir: c.Dir, Source: "https://user:secret@lists.example/nudify.txt?token=secret"}
	h := exampleHeld
	h.Source = c2.Source
	if err := c2.Hold(h); err != nil {
		t.Fatal(err)
	}
	held, err := HeldIn(c.Dir)
	if err != nil || len(held) != 1 {
		t.Fatalf("HeldIn: %v, %v", held, err)
	}
	if held[0].Source != "https://lists.example/nudify.txt" {
		t.Errorf("The source is %s", held[0].Source)
	}
	if err := held[0].Approve(h.Sum); err != nil || !c2.Approved(h.Sum) {
		t.Errorf("Approve for a source that is not known whole: %v", err)
	}
	save(t, c2, []byte("one.example\n"), Meta{})
	loaded(t, held[0])
	closed(t, c2.unlocker())
}

// TestHeldIn lists several, and nothing that only looks like it.
func TestHeldIn(t *testing.T) {
	dir := t.TempDir()
	if copies, err := HeldIn(dir); len(copies) != 0 || err != nil {
		t.Errorf("HeldIn of an empty directory: %v, %v", copies, err)
	}
	if _, err := HeldIn(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("HeldIn of none: %v", err)
	}
	for _, source := range []string{"b.example", "a.example"} {
		c := &Copy{Dir: dir, Source: source}
		if err := c.Hold(Held{Source: source}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"x.held", "a-0123456789abcdeg.held", "A-0123456789abcdef.held", "a-0123456789abcdef.list"} {
		write(t, filepath.Join(dir, name), "{}", old)
	}
	if err := os.Mkdir(filepath.Join(dir, "a-0123456789abcdef.held"), 0o700); err != nil {
		t.Fatal(err)
	}
	copies, err := HeldIn(dir)
	if err != nil || len(copies) != 2 || copies[0].Source != "a.example" || copies[1].Source != "b.example" {
		t.Errorf("HeldIn: %v, %v", copies, err)
	}
}
