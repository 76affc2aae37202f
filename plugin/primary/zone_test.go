package primary

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/nonudify/nonudify/plugin/dnsname"
	"github.com/nonudify/nonudify/plugin/policy"
	"github.com/nonudify/nonudify/plugin/rpz"
	"github.com/nonudify/nonudify/plugin/rule"
	"github.com/nonudify/nonudify/plugin/set"
)

const origin = "rpz.example."

// content returns one list of rules as rule.Rule.String writes them, and texts.
func content(t testing.TB, rules string, about ...string) Content {
	t.Helper()
	l := policy.List{Name: "l", Set: listSet(t, rules)}
	return Content{Rules: policy.New(policy.Config{Lists: []policy.List{l}}).Flat(""), About: about, Mbox: "dns.isp.example."}
}

func listSet(t testing.TB, rules string) *set.Set {
	t.Helper()
	var b set.Builder
	for line := range strings.SplitSeq(rules, ",") {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		if f[1] == "address" {
			b.Add(rule.Rule{Prefix: netip.MustParsePrefix(f[2]), Trigger: rule.Address, Action: map[string]rule.Action{"block": rule.Block, "pass": rule.Pass}[f[0]]})
			continue
		}
		b.Add(rule.Rule{
			Name:    dnsname.Name(f[2]),
			Trigger: map[string]rule.Trigger{"exact": rule.Exact, "below": rule.Below, "subtree": rule.Subtree}[f[1]],
			Action:  map[string]rule.Action{"block": rule.Block, "pass": rule.Pass}[f[0]],
		})
	}
	s, err := b.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// published is a zone with one share, in a pool of its own.
type published struct {
	t    testing.TB
	pool Pool
	*Share
	dir string
}

func newPublished(t testing.TB, dir string) *published {
	p := &published{t: t, dir: dir}
	p.Share = p.pool.Acquire(Config{Origin: origin, Dir: dir}, nil)
	t.Cleanup(func() { p.pool.Release(p.Share) })
	return p
}

// say publishes and returns the serial.
func (p *published) say(c Content) uint32 {
	p.t.Helper()
	<-p.Publish(c)
	return p.Status().Serial
}

// restart ends the zone and begins it anew.
func (p *published) restart() {
	p.pool.Release(p.Share)
	p.Share = p.pool.Acquire(Config{Origin: origin, Dir: p.dir}, nil)
}

// fetch returns all that is sent.
func fetch(t testing.TB, s *Share, serial uint32) []dns.RR {
	t.Helper()
	ch, err := s.Transfer(serial)
	if err != nil {
		t.Fatal(err)
	}
	var all []dns.RR
	for rrs := range ch {
		all = append(all, rrs...)
	}
	return all
}

// texts returns records as a zone file has them.
func texts(rrs []dns.RR) []string {
	lines := make([]string, len(rrs))
	for i, rr := range rrs {
		lines[i] = strings.ReplaceAll(rr.String(), "\t", " ")
	}
	return lines
}

// follower is a secondary that does what RFC 1995 and RFC 5936 say, to the letter.
type follower struct {
	t       testing.TB
	serial  uint32
	records map[string]bool
	full    int // transfers of each kind
	partly  int
}

func soaSerial(rr dns.RR) (uint32, bool) {
	if rr.Header().Rrtype != dns.TypeSOA {
		return 0, false
	}
	switch rr := rr.(type) {
	case bound:
		return rr.Serial, true
	case *dns.SOA:
		return rr.Serial, true
	}
	return 0, false
}

// refresh brings the follower to the edition of the zone.
func (f *follower) refresh(s *Share) {
	f.t.Helper()
	rrs := fetch(f.t, s, f.serial)
	newest, ok := soaSerial(rrs[0])
	if !ok {
		f.t.Fatalf("The first record is %v", rrs[0])
	}
	if len(rrs) == 1 {
		if rpz.Newer(newest, f.serial) {
			f.t.Fatalf("Serial %d is all that came to one with %d", newest, f.serial)
		}
		return
	}
	if last, ok := soaSerial(rrs[len(rrs)-1]); !ok || last != newest {
		f.t.Fatalf("The last record is %v", rrs[len(rrs)-1])
	}
	if from, ok := soaSerial(rrs[1]); ok && f.serial != 0 {
		f.apply(from, newest, rrs[1:])
		f.partly++
		return
	}
	f.full++
	f.serial, f.records = newest, map[string]bool{}
	for _, rr := range rrs[1 : len(rrs)-1] {
		f.add(rr)
	}
}

func (f *follower) add(rr dns.RR) {
	f.t.Helper()
	if f.records[rr.String()] {
		f.t.Fatalf("%v comes twice", rr)
	}
	f.records[rr.String()] = true
}

// apply applies differences in sequence.
func (f *follower) apply(from, newest uint32, rrs []dns.RR) {
	f.t.Helper()
	adding := true // as if the one before were at its end
	for _, rr := range rrs {
		serial, bound := soaSerial(rr)
		switch {
		case bound && adding && serial != f.serial:
			f.t.Fatalf("The differences go on from %d, not %d", serial, f.serial)
		case bound:
			f.serial, adding = serial, !adding
		case adding:
			f.add(rr)
		case !f.records[rr.String()]:
			f.t.Fatalf("%v is to be taken out, and is not there", rr)
		default:
			delete(f.records, rr.String())
		}
	}
	if f.serial != newest {
		f.t.Fatalf("The differences from %d end at %d, not %d", from, f.serial, newest)
	}
}

// model returns the records of a content at the apex and below, made without the
// code under test, but for the rules of the flat zone.
func model(c Content) map[string]bool {
	lines := map[string]bool{}
	add := func(text string) {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		lines[rr.String()] = true
	}
	add(origin + " 60 IN NS localhost.")
	for _, text := range c.About {
		add("_list.meta." + origin + " 60 IN TXT \"" + text + "\"")
	}
	for e := range c.Rules.All() {
		star := map[rule.Trigger]string{rule.Below: "*."}[e.Trigger]
		target := "."
		if e.Action == rule.Pass {
			target = "rpz-passthru."
		} else if e.Open {
			target = "*."
		}
		add(fmt.Sprintf("%s%s.%s 60 IN CNAME %s", star, e.Name, origin, target))
	}
	for r := range c.Rules.Addresses() {
		add(fmt.Sprintf("%s.%s 60 IN CNAME %s", rpz.Owner(r), origin, map[rule.Action]string{rule.Block: ".", rule.Pass: "rpz-passthru."}[r.Action]))
	}
	return lines
}

// TestEdits makes a thousand changes at random, with rollbacks and restarts, while
// one secondary follows each of them, one some, and one begins anew every time.
func TestEdits(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	p := newPublished(t, t.TempDir())
	rules := map[string]string{}
	var before []Content
	step := func() Content {
		if len(before) > 3 && r.IntN(10) == 0 {
			return before[r.IntN(len(before))]
		}
		for range 1 + r.IntN(6) {
			if r.IntN(4) == 0 {
				prefix := fmt.Sprintf([]string{"192.0.%d.0/24", "192.0.2.%d/32", "2001:db8:%d::/48"}[r.IntN(3)], r.IntN(10))
				if r.IntN(3) == 0 {
					delete(rules, prefix)
				} else {
					rules[prefix] = []string{"block", "block", "pass"}[r.IntN(3)] + " address " + prefix
				}
				continue
			}
			name := fmt.Sprintf("%s.n%d.example", []string{"a", "b", "a-b", "c.a", "d.c.a"}[r.IntN(5)], r.IntN(30))
			if r.IntN(3) == 0 {
				delete(rules, name)
			} else {
				rules[name] = []string{"block", "block", "pass"}[r.IntN(3)] + " " + []string{"exact", "below", "subtree"}[r.IntN(3)] + " " + name
			}
		}
		var about []string
		if r.IntN(3) > 0 {
			about = []string{fmt.Sprintf("v=1 list=l serial=%d", r.IntN(3))}
		}
		return content(t, strings.Join(slices.Collect(maps.Values(rules)), ","), about...)
	}
	every, some := &follower{t: t}, &follower{t: t}
	serial := uint32(0)
	for i := range 1000 {
		c := step()
		before = append(before, c)
		if now := p.say(c); now != serial && serial != 0 && !rpz.Newer(now, serial) {
			t.Fatalf("Edit %d: serial %d after %d", i, now, serial)
		}
		serial = p.Status().Serial
		want := model(c)
		anew := &follower{t: t}
		followers := []*follower{every, anew}
		if r.IntN(20) == 0 {
			followers = append(followers, some)
		}
		for _, f := range followers {
			f.refresh(p.Share)
			if f.serial != serial || !maps.Equal(f.records, want) {
				t.Fatalf("Edit %d, serial %d: a secondary has serial %d and\n%q, want\n%q", i, serial, f.serial,
					slices.Sorted(maps.Keys(f.records)), slices.Sorted(maps.Keys(want)))
			}
		}
		if r.IntN(20) == 0 {
			p.restart()
			if again := p.say(c); again != serial {
				t.Fatalf("Edit %d: serial %d after a restart with the same rules, was %d", i, again, serial)
			}
		}
	}
	t.Logf("Each edition: %d full, %d incremental; some: %d, %d", every.full, every.partly, some.full, some.partly)
	if every.full != 1 || every.partly < 900 || some.partly < 20 {
		t.Errorf("Transfers: %d full and %d incremental; %d and %d", every.full, every.partly, some.full, some.partly)
	}
}

func TestTransfer(t *testing.T) {
	p := newPublished(t, "")
	if _, err := p.Transfer(0); !errors.Is(err, ErrNotReady) {
		t.Errorf("Before there is an edition: %v", err)
	}
	first := p.say(content(t, "block subtree a.example,block exact b.example", `v=1 list="x" \`))
	soa := func(serial uint32) string {
		return fmt.Sprintf("%s 60 IN SOA localhost. dns.isp.example. %d 300 120 2592000 60", origin, serial)
	}
	want := []string{
		soa(first), origin + " 60 IN NS localhost.", `_list.meta.` + origin + ` 60 IN TXT "v=1 list=\"x\" \\"`,
		"a.example." + origin + " 60 IN CNAME .", "*.a.example." + origin + " 60 IN CNAME .", "b.example." + origin + " 60 IN CNAME *.", soa(first),
	}
	for _, serial := range []uint32{0, first - 1, first - 1000, first + 1<<31 + 1} {
		if got := texts(fetch(t, p.Share, serial)); !slices.Equal(got, want) {
			t.Errorf("To one with serial %d:\n%q, want\n%q", serial, got, want)
		}
	}
	for _, serial := range []uint32{first, first + 1, first + 1000} {
		if got := texts(fetch(t, p.Share, serial)); !slices.Equal(got, want[:1]) {
			t.Errorf("To one with serial %d: %q", serial, got)
		}
	}
	second := p.say(content(t, "block subtree a.example,pass subtree ok.a.example", `v=1 list="x" \`))
	third := p.say(content(t, "block subtree a.example,pass subtree ok.a.example,block exact c.example"))
	want = []string{
		soa(third),
		soa(first), "a.example." + origin + " 60 IN CNAME .", "b.example." + origin + " 60 IN CNAME *.",
		soa(second), "a.example." + origin + " 60 IN CNAME *.", "ok.a.example." + origin + " 60 IN CNAME rpz-passthru.", "*.ok.a.example." + origin + " 60 IN CNAME rpz-passthru.",
		soa(second), `_list.meta.` + origin + ` 60 IN TXT "v=1 list=\"x\" \\"`,
		soa(third), "c.example." + origin + " 60 IN CNAME *.",
		soa(third),
	}
	if got := texts(fetch(t, p.Share, first)); !slices.Equal(got, want) {
		t.Errorf("Incremental:\n%q, want\n%q", got, want)
	}
	if got := texts(fetch(t, p.Share, second)); !slices.Equal(got, append(want[:1:1], want[8:]...)) {
		t.Errorf("From the second edition:\n%q", got)
	}
	if got := p.Status().Transfers; got != [Transfers]uint64{3, 2, 4, 0, 1} {
		t.Errorf("Counted %v", got)
	}
}

// TestLeftOut: what cannot be said is counted.
func TestLeftOut(t *testing.T) {
	longest := strings.Repeat(strings.Repeat("a", 49)+".", 4) + strings.Repeat("a", 53)
	fits := longest[len(longest)-241:] // with .rpz.example. 254
	p := newPublished(t, "")
	p.say(content(t, "block subtree "+longest+",block subtree "+fits+",block exact _list.meta,block subtree x.rpz-ip"))
	s := p.Status()
	if s.Records != 1 || s.LeftOut != 2+1+1+2 {
		t.Errorf("%d records and %d left out", s.Records, s.LeftOut)
	}
	for _, rr := range fetch(t, p.Share, 0) {
		if _, ok := dns.IsDomainName(rr.Header().Name); !ok {
			t.Errorf("%v is no record", rr)
		}
	}
}

func TestNext(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	for _, tt := range []struct {
		last uint32
		now  int64
		want uint32
	}{
		{0, 1_800_000_000, 1_800_000_000}, {1_700_000_000, 1_800_000_000, 1_800_000_000},
		{1_800_000_000, 1_800_000_000, 1_800_000_001},      // in the same second
		{1_800_000_000, 1_700_000_000, 1_800_000_001},      // the clock went back
		{2_026_112_205, 1_800_000_000, 2_026_112_206},      // serials made of dates
		{1<<32 - 1, 1<<32 - 5, 1},                          // beyond the end, which is not 0
		{1<<32 - 10, 5_000_000_000, 5_000_000_000 - 1<<32}, // round the end, in 2128
		{0, 1 << 32, 1},
	} {
		got := next(tt.last, at(tt.now))
		if got != tt.want || tt.last != 0 && !rpz.Newer(got, tt.last) {
			t.Errorf("next(%d, %d) = %d, want %d", tt.last, tt.now, got, tt.want)
		}
	}
}

// TestRestarts has the serial survive what can happen to the state directory.
func TestRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p := newPublished(t, dir)
		one, two := content(t, "block exact a.example"), content(t, "block exact b.example")
		first := p.say(one)
		file := filepath.Join(dir, fileOf(dir, origin).Base())
		now := func(what string, c Content, same bool, deltas int) {
			t.Helper()
			last := p.Status()
			time.Sleep(10 * time.Second)
			p.restart()
			serial := p.say(c)
			if same != (serial == last.Serial) || !same && !rpz.Newer(serial, last.Serial) || p.Status().Deltas != deltas {
				t.Errorf("%s: serial %d after %d, %d deltas", what, serial, last.Serial, p.Status().Deltas)
			}
		}
		now("the same", one, true, 0)
		if p.say(two) == first || p.Status().Deltas != 1 {
			t.Errorf("No new edition: %+v", p.Status())
		}
		now("the same with a history", two, true, 1)
		now("other rules", one, false, 0)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, damaged := range [][]byte{nil, data[:len(data)-1], append(slices.Clone(data), 0), slices.Concat([]byte("X"), data[1:])} {
			if err := os.WriteFile(file, damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			now(fmt.Sprint("damaged ", i), one, false, 0)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		now("lost", one, false, 0)
		if err := (&saved{Origin: origin, Serial: 4_000_000_000, Sum: make([]byte, len(sum{}))}).save(dir); err != nil {
			t.Fatal(err)
		}
		p.restart()
		if serial := p.say(one); serial != 4_000_000_001 && !rpz.Newer(serial, 4_000_000_000) {
			t.Errorf("Serial %d after 4000000000", serial)
		}
	})
}

// TestUnsaved: a zone whose history cannot be kept is served, and kept as soon as
// it can be.
func TestUnsaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(dir, nil, 0o644); err != nil { // in the place of the directory
		t.Fatal(err)
	}
	errs := make(chan error, 10)
	pool := Pool{Report: func(_ string, e Event) {
		if e.Err != nil {
			errs <- e.Err
		}
	}}
	s := pool.Acquire(Config{Origin: origin, Dir: dir}, nil)
	defer pool.Release(s)
	one := content(t, "block exact a.example")
	<-s.Publish(one)
	if st := s.Status(); st.Serial == 0 || !st.Unsaved || len(errs) == 0 {
		t.Errorf("%+v, %d errors", st, len(errs))
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	<-s.Publish(one)
	if st := s.Status(); st.Unsaved {
		t.Errorf("Still not kept: %+v", st)
	}
}

// TestStateFileRemove: what is not there may be taken away.
func TestStateFileRemove(t *testing.T) {
	f := fileOf(t.TempDir(), origin)
	if err := f.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Read(10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Still there: %v", err)
	}
}

// TestNotifyAll: each share's secondaries are told, whichever is the newest.
func TestNotifyAll(t *testing.T) {
	var pool Pool
	told := make(chan string, 10)
	tell := func(who string) func() error { return func() error { told <- who; return nil } }
	shares := []*Share{
		pool.Acquire(Config{Origin: origin}, tell("one")), pool.Acquire(Config{Origin: origin}, tell("two")), pool.Acquire(Config{Origin: origin}, nil),
	}
	<-shares[0].Publish(content(t, "block exact a.example"))
	if one, two := <-told, <-told; one != "one" || two != "two" {
		t.Errorf("Told %s and %s", one, two)
	}
	for _, s := range shares {
		pool.Release(s)
	}
}

// TestMailbox: no step leads from an edition to one with another mailbox in its
// SOA record.
func TestMailbox(t *testing.T) {
	var pool Pool
	s := pool.Acquire(Config{Origin: origin}, nil)
	defer pool.Release(s)
	<-s.Publish(content(t, "block exact a.example"))
	c := content(t, "block exact a.example,block exact b.example")
	<-s.Publish(c)
	if n := len(s.zone.edition.Load().history); n != 1 {
		t.Fatalf("%d steps", n)
	}
	c.Mbox = "other.example."
	<-s.Publish(c)
	if n := len(s.zone.edition.Load().history); n != 0 {
		t.Errorf("%d steps over another SOA record", n)
	}
}

// TestHistoryLimits: history is bounded by editions and by bytes.
func TestHistoryLimits(t *testing.T) {
	var history []delta
	for i := range uint32(maxDeltas + 10) {
		history = extend(history, &delta{from: i, to: i + 1, gone: make([]byte, 10)})
	}
	if len(history) != maxDeltas || history[0].from != 10 || since(history, 9) != nil || len(since(history, 10)) != maxDeltas {
		t.Errorf("%d deltas from %d on", len(history), history[0].from)
	}
	history = extend(history, &delta{from: 110, to: 111, come: make([]byte, maxHistory-15)})
	if len(history) != 2 {
		t.Errorf("%d deltas beside a large one", len(history))
	}
	if history = extend(history, nil); history != nil {
		t.Errorf("%d deltas after one that was too large", len(history))
	}
	many := func(yield func(record) bool) {
		for i := range maxHistory / 10 {
			if !yield(record{kind: nxdomain, name: fmt.Sprintf("n%07d.example", i)}) {
				return
			}
		}
	}
	none := func(func(record) bool) {}
	for _, d := range []func() (*delta, survey){func() (*delta, survey) { return diff(none, many) }, func() (*delta, survey) { return diff(many, none) }} {
		if got, _ := d(); got != nil {
			t.Errorf("A delta of %d bytes is kept", got.size())
		}
	}
	if d, s := diff(many, many); d == nil || d.records != 0 || s.records != maxHistory/10 {
		t.Errorf("The same twice: %+v, %d records", d, s.records)
	}
}

// TestShares: the newest share that is left says what is published, and a zone
// outlives the server that began it.
func TestShares(t *testing.T) {
	var pool Pool
	c := Config{Origin: origin}
	old := pool.Acquire(c, nil)
	<-old.Publish(content(t, "block exact a.example"))
	first := old.Status().Serial
	other := pool.Acquire(c, nil)
	<-old.Publish(content(t, "block exact a.example")) // other has said nothing yet
	if old.Status().Serial != first {
		t.Error("A share that says nothing has changed the zone")
	}
	<-other.Publish(content(t, "block exact b.example"))
	second := old.Status().Serial
	<-old.Publish(content(t, "block exact c.example"))
	if old.Status().Serial != second || !rpz.Newer(second, first) {
		t.Error("An older share has changed the zone")
	}
	pool.Release(other)
	pool.Release(other)
	<-old.Publish(content(t, "block exact c.example"))
	if s := old.Status(); !rpz.Newer(s.Serial, second) || s.Deltas != 2 {
		t.Errorf("The share that is left is not heard: %+v", s)
	}
	pool.Release(old)
	<-old.Publish(content(t, "block exact c.example")) // does not hang
	if len(pool.zones) != 0 {
		t.Error("The zone is still there")
	}
	if _, err := old.Transfer(0); !errors.Is(err, ErrNotReady) {
		t.Errorf("A transfer from a zone that has ended: %v", err)
	}
}
