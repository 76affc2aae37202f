package source

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// textOf gives a text as Previous.
func textOf(text string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

// lineSet returns the lines of a text, sorted.
func lineSet(text string) []string { return slices.Sorted(strings.Lines(text)) }

// zoneTwo differs from zoneOne in a deletion, a change of action, and the end
// of the list.
var zoneTwo = []string{
	"@ NS localhost.",
	`_list.meta TXT "v=1 list=nudify expires=2026-12-07T00:00:00Z"`,
	"badsite.example CNAME .",
	"*.badsite.example CNAME .",
	"exact.example CNAME .",
	"new.example CNAME .",
}

const textTwo = `$ORIGIN rpz.example.
@ SOA localhost. hostmaster.example. 2 300 120 86400 60
_list.meta TXT "v=1 list=nudify expires=2026-12-07T00:00:00Z"
@ NS localhost.
badsite.example CNAME .
*.badsite.example CNAME .
exact.example CNAME .
new.example CNAME .
`

func TestIncremental(t *testing.T) {
	p := newPrimary(t, nil)
	p.key = &testKey
	p.publish(1, zoneOne...)
	p.publish(2, zoneTwo...)
	tr := p.transfer()
	tr.Previous = textOf(textOne)
	body, err := tr.Open(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if string(text) != textTwo || err != nil || body.Version != "2" || body.Timers.Refresh == 0 {
		t.Errorf("Version %s, %v:\n%s", body.Version, err, text)
	}
	if q := p.questions(); q != "SOA IXFR" {
		t.Errorf("Asked %s", q)
	}
	for limit, want := range map[int]error{len(textTwo): nil, len(textTwo) - 1: ErrTooLarge} {
		tr.MaxBytes = int64(limit)
		if _, err := readTransfer(t.Context(), tr, "1"); !errors.Is(err, want) {
			t.Errorf("Limit %d: %v, want %v", limit, err, want)
		}
	}
}

// TestIncrementalAnswers bends the answer to an IXFR and wants the same zone
// all the same, by the questions given.
func TestIncrementalAnswers(t *testing.T) {
	records := func(records ...dns.RR) func(*dns.Msg, []reply) []reply {
		return func(_ *dns.Msg, replies []reply) []reply {
			replies[0].Answer = records
			return replies[:1]
		}
	}
	rrs := func(records ...string) []dns.RR { return zoneRecords(t, records...) }
	one, two, three := zoneSOA(1), zoneSOA(2), zoneSOA(3)
	del := rrs(zoneOne[1], "ok.badsite.example CNAME rpz-passthru.", "exact.example CNAME *.")
	add := rrs(zoneTwo[1], "exact.example CNAME .", "new.example CNAME .")
	seq := func(parts ...any) (out []dns.RR) {
		for _, p := range parts {
			switch p := p.(type) {
			case *dns.SOA:
				out = append(out, p)
			case []dns.RR:
				out = append(out, p...)
			}
		}
		return out
	}
	const direct, fallback = "SOA IXFR", "SOA IXFR AXFR"
	tests := []struct {
		name  string
		bend  func(*dns.Msg, []reply) []reply
		asked string
	}{
		{"as it should be", records(seq(two, one, del, two, add, two)...), direct},
		{"as a whole zone", records(seq(two, rrs(zoneTwo...), two)...), direct},
		{"TTLs change, too", records(seq(two, one, del, rrs("badsite.example CNAME ."), two, rrs("badsite.example 5 CNAME ."), add, two)...), direct},
		{"letter case differs", records(seq(two, one, del[:2], rrs("EXACT.example CNAME *."), two, add, two)...), direct},
		{"NOTIMP", rcode(dns.RcodeNotImplemented), fallback},
		{"FORMERR", rcode(dns.RcodeFormatError), fallback},
		{"REFUSED", rcode(dns.RcodeRefused), fallback},
		{"hangs up", each(func(r *reply) { r.close = true }), fallback},
		{"unsigned", each(func(r *reply) { r.unsigned = true }), fallback},
		{"cut off", last(func(r *reply) { r.close = true }), fallback},
		{"no SOA", records(rrs(zoneTwo...)...), fallback},
		{"begins with another serial", records(seq(two, three, del, two, add, two)...), fallback},
		{"chain broken", records(seq(three, one, del, two, add, one, three, three)...), fallback},
		{"chain goes back", records(seq(two, one, del, one, add, two)...), fallback},
		{"chain goes past the end", records(seq(two, one, del, three, add, two)...), fallback},
		{"ends with another serial", records(seq(two, one, del, two, add, three)...), fallback},
		{"records behind the end", records(seq(two, one, del, two, add, two, add)...), fallback},
		{"deletes what is not there", records(seq(two, one, del, rrs("x CNAME ."), two, add, two)...), fallback},
		{"deletes twice", records(seq(two, one, del, del, two, add, two)...), fallback},
		{"adds what is there", records(seq(two, one, del, two, add, rrs("badsite.example CNAME ."), two)...), fallback},
		{"adds twice", records(seq(two, one, del, two, add, add, two)...), fallback},
		{"a record of another zone", records(seq(two, one, del, two, add, []dns.RR{foreignRecord}, two)...), fallback},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPrimary(t, nil)
			p.key = &testKey
			p.publish(1, zoneOne...)
			p.publish(2, zoneTwo...)
			p.bend = bent(dns.TypeIXFR, tt.bend)
			tr := p.transfer()
			tr.Previous = textOf(textOne)
			text, err := readTransfer(t.Context(), tr, "1")
			if err != nil || !slices.Equal(lineSet(text), lineSet(textTwo)) {
				t.Errorf("%v:\n%s", err, text)
			}
			if q := p.questions(); q != tt.asked {
				t.Errorf("Asked %s, want %s", q, tt.asked)
			}
		})
	}
}

// TestIncrementalNothingNew: the IXFR itself may say that nothing is new, when
// another server of the primary's address answers it.
func TestIncrementalNothingNew(t *testing.T) {
	for serial, want := range map[uint32]error{1: ErrNotModified, 0: ErrOldSerial} {
		p := newPrimary(t, nil)
		p.publish(2, zoneTwo...)
		p.bend = bent(dns.TypeIXFR, each(func(r *reply) { r.Answer = []dns.RR{zoneSOA(serial)} }))
		tr := p.transfer()
		tr.Previous = textOf(textOne)
		if _, err := tr.Open(t.Context(), "1"); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// TestIncrementalPrevious: a text that is not what its version says is not
// built on.
func TestIncrementalPrevious(t *testing.T) {
	errGone := errors.New("gone")
	tests := map[string]func() (io.ReadCloser, error){
		"cannot be opened":     func() (io.ReadCloser, error) { return nil, errGone },
		"of another zone":      textOf(strings.Replace(textOne, "rpz.example.", "other.example.", 1)),
		"of another serial":    textOf(strings.Replace(textOne, " 1 300", " 7 300", 1)),
		"empty":                textOf(""),
		"lacks a line":         textOf(strings.Replace(textOne, "exact.example CNAME *.\n", "", 1)),
		"cut within a line":    textOf(strings.TrimSuffix(textOne, ".\n")),
		"with too long a line": textOf(textOne + strings.Repeat("x", maxTextLine) + "\n"),
		"with an added line":   textOf(textOne + "new.example CNAME .\n"),
	}
	for name, previous := range tests {
		p := newPrimary(t, nil)
		p.publish(1, zoneOne...)
		p.publish(2, zoneTwo...)
		tr := p.transfer()
		tr.Previous = previous
		text, err := readTransfer(t.Context(), tr, "1")
		if q := p.questions(); err != nil || q != "SOA IXFR AXFR" || !slices.Equal(lineSet(text), lineSet(textTwo)) {
			t.Errorf("A text %s: asked %s, %v:\n%s", name, q, err, text)
		}
	}
}

// TestIncrementalPreviousChanges: a text that is another when it is read the
// second time does not pass.
func TestIncrementalPreviousChanges(t *testing.T) {
	p := newPrimary(t, nil)
	p.publish(1, zoneOne...)
	p.publish(2, zoneTwo...)
	texts := []string{textOne, strings.Replace(textOne, "exact.example CNAME *.\n", "", 1)}
	tr := p.transfer()
	tr.Previous = func() (io.ReadCloser, error) {
		text := texts[0]
		texts = texts[1:]
		return textOf(text)()
	}
	if text, err := readTransfer(t.Context(), tr, "1"); !errors.Is(err, ErrTransfer) {
		t.Errorf("%v:\n%s", err, text)
	}
}

// TestDeltaLimits: the greatest change that is taken, by records and by bytes.
func TestDeltaLimits(t *testing.T) {
	taken := func(length int) int {
		d := delta{edits: map[string]edit{}}
		line := make([]byte, length)
		for n := 0; ; n++ {
			copy(line, fmt.Sprint(n))
			if err := d.edit(line, true); errors.Is(err, ErrTooLarge) {
				return n
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := taken(20); n != maxEdits {
		t.Errorf("%d lines of 20 bytes were taken, want %d", n, maxEdits)
	}
	if n := taken(1 << 20); n != maxEditBytes>>20+1 { // the one that passes the limit is the last
		t.Errorf("%d lines of 1 MiB were taken", n)
	}
	d := delta{edits: map[string]edit{}, count: maxEdits}
	if err := d.edit(nil, true); !errors.Is(err, ErrTooLarge) {
		t.Errorf("A record that is left out does not count: %v", err)
	}
}

// TestIncrementalIsWhole: whatever is edited over some versions of a zone, the
// changes make the same text, as a set of lines, as the zone as a whole.
func TestIncrementalIsWhole(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := newPrimary(t, nil)
		p.key, p.batch, p.signEvery = &testKey, 1+random.IntN(5), 1+random.IntN(3)
		zone := map[string]bool{}
		first := random.Uint32()
		serial := first
		steps := 2 + random.IntN(4)
		texts := map[uint32]string{}
		for range steps {
			randomEdits(random, zone)
			p.publish(serial, slices.Sorted(maps.Keys(zone))...)
			text, err := readTransfer(t.Context(), p.transfer(), "")
			if err != nil {
				t.Fatal(err)
			}
			texts[serial] = text
			serial += 1 + random.Uint32N(1<<28)
		}
		last := p.editions[len(p.editions)-1].soa.Serial
		p.questions()
		for have, text := range texts {
			if have == last {
				continue
			}
			tr := p.transfer()
			tr.Previous = textOf(text)
			got, err := readTransfer(t.Context(), tr, Version(fmt.Sprint(have)))
			if q := p.questions(); err != nil || q != "SOA IXFR" || !slices.Equal(lineSet(got), lineSet(texts[last])) {
				t.Fatalf("Seed %d, from %d to %d: asked %s, %v\n%s\nwant\n%s", seed, have, last, q, err, got, texts[last])
			}
		}
	}
}

// randomEdits adds and deletes records of a small zone, so that they meet.
func randomEdits(random *rand.Rand, zone map[string]bool) {
	for range random.IntN(12) {
		owner := fmt.Sprintf("n%d.example", random.IntN(10))
		record := owner + []string{" CNAME .", " CNAME *.", ` TXT "x"`, " A 192.0.2.1", ` TXT "v=1 expires=2026-12-06T00:00:00Z"`}[random.IntN(5)]
		if zone[record] {
			delete(zone, record)
		} else {
			zone[record] = true
		}
	}
}

// FuzzDelta: edits of any order, condensed, either are refused or make the text
// that they would make one by one.
func FuzzDelta(f *testing.F) {
	f.Add(uint16(0b1010), []byte{1, 128 + 1, 2, 128 + 3, 3})
	f.Add(uint16(1), []byte{128, 0, 128, 1, 129})
	f.Fuzz(func(t *testing.T, start uint16, edits []byte) {
		z := zoneText{rpzZone}
		name := func(i byte) string { return fmt.Sprintf("n%d.example CNAME .", i%16) }
		zone := map[string]bool{}
		for i := range byte(16) {
			if start>>i&1 == 1 {
				zone[name(i)] = true
			}
		}
		write := func(soa *dns.SOA) string {
			head, err := z.head(soa)
			if err != nil {
				t.Fatal(err)
			}
			return string(head) + strings.Join(append(slices.Sorted(maps.Keys(zone)), ""), "\n")
		}
		before := write(zoneSOA(1))
		d := delta{text: z, from: 1, soa: zoneSOA(2), edits: map[string]edit{}}
		consistent := true
		for _, b := range edits {
			line, add := name(b), b < 128
			consistent = consistent && zone[line] != add
			if err := d.edit([]byte(line+"\n"), add); err != nil {
				if consistent {
					t.Fatalf("%s: %v", line, err)
				}
				return
			}
			delete(zone, line)
			if add {
				zone[line] = true
			}
		}
		s := &session{t: Transfer{Previous: textOf(before)}}
		p, err := s.patch(&d)
		if err != nil {
			t.Fatal(err)
		}
		var after strings.Builder
		for err == nil {
			var piece []byte
			piece, err = p.next()
			after.Write(piece)
		}
		if consistent != (err == io.EOF) {
			t.Fatalf("Consistent %v, but %v", consistent, err)
		}
		if consistent && !slices.Equal(lineSet(after.String()), lineSet(write(zoneSOA(2)))) {
			t.Fatalf("%q, want %q", after.String(), write(zoneSOA(2)))
		}
	})
}
