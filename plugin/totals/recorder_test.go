package totals

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var denied = Key{List: "nudify", Reason: "filtered", Action: "nxdomain"}

// client returns the address of the client of a number.
func client(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// still returns a recorder whose keeper does not run, and the errors that it reports.
func still(t *testing.T, state string, now time.Time) (r *Recorder, reported *[]error) {
	t.Helper()
	reported = new([]error)
	r = unkept(state, func(err error) { *reported = append(*reported, err) }, now)
	return r, reported
}

// the returns what is kept of a day.
func the(t *testing.T, state, day string) *Day {
	t.Helper()
	d, err := read(filepath.Join(state, Dir), day)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// counted returns the queries and clients of a Key.
func counted(t *testing.T, state, day string, k Key) (uint64, int) {
	t.Helper()
	c := the(t, state, day).find(k)
	if c == nil {
		return 0, 0
	}
	return c.Queries, c.Clients
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const today = "2026-11-22"

// TestCrowd: a crowd never tells of more clients than there are, and seldom of fewer
// where it matters.
func TestCrowd(t *testing.T) {
	for _, c := range []struct{ clients, most, least int }{
		{0, 0, 0}, {1, 0, 0}, {19, 0, 0}, {23, 20, 20}, {49, 20, 20}, {56, 50, 50}, {110, 100, 100}, {199, 100, 100}, {1500, 1000, 1000}, {20_000, 1000, 1000},
	} {
		low := 0
		const days = 10
		for range days {
			d := newDay(today)
			for range 2 { // however often each asks
				for i := range c.clients {
					d.count(denied, client(i))
				}
			}
			got := 0
			if cell := (*d.cells.Load())[denied]; cell != nil {
				got = cell.clients.least()
			}
			if got > c.most {
				t.Fatalf("%d clients: at least %d", c.clients, got)
			}
			if got < c.least {
				low++
			}
		}
		if low > 2 { // hardly ever by chance
			t.Errorf("%d clients: fewer than %d in %d of %d days", c.clients, c.least, low, days)
		}
	}
}

// TestCrowdIPv6: a device with many addresses is one client, and so is its home.
func TestCrowdIPv6(t *testing.T) {
	d := newDay(today)
	places := map[uint64]bool{}
	for i := range 1000 {
		b := netip.MustParseAddr("2001:db8:0:1100::").As16()
		b[7], b[14], b[15] = byte(i), byte(i>>8), byte(i)
		places[d.place(netip.AddrFrom16(b))] = true
	}
	if len(places) != 1 {
		t.Errorf("%d clients", len(places))
	}
	if d.place(netip.MustParseAddr("2001:db8:0:1200::1")) == d.place(netip.MustParseAddr("2001:db8:0:1100::1")) {
		t.Error("two homes are one client")
	}
	if d.place(netip.MustParseAddr("::ffff:10.0.0.1")) != d.place(client(1)) {
		t.Error("an address of IPv4 is another client in the form of IPv6")
	}
	if d.place(client(1)) == d.place(client(2)) || d.place(client(1)) == newDay(today).place(client(1)) {
		t.Error("the hash is of no use")
	}
	d.place(netip.Addr{})
}

// TestCountAllocs: who counts waits for nobody and leaves no garbage.
func TestCountAllocs(t *testing.T) {
	r, _ := still(t, t.TempDir(), noon)
	r.Count(denied, client(0))
	n := 0
	six := netip.MustParseAddr("2001:db8::1")
	if allocs := testing.AllocsPerRun(1000, func() { n++; r.Count(denied, client(n)); r.Count(denied, six) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestAdded: what is counted is added to the file, by one process after the other and
// by several at once, and nothing else is in it.
func TestAdded(t *testing.T) {
	state := t.TempDir()
	first, _ := still(t, state, noon)
	second, _ := still(t, state, noon)
	for i := range 60 {
		first.Count(denied, client(i))
		second.Count(denied, client(i))
		second.Count(Key{"nudify", "filtered", "shadow"}, client(7))
	}
	for range 3 { // the second time there is nothing to write
		first.save(true)
		second.save(true)
	}
	first.Count(denied, client(1))
	first.save(true)
	if queries, clients := counted(t, state, today, denied); queries != 121 || clients != 50 {
		t.Errorf("%d queries of at least %d clients", queries, clients)
	}
	if queries, clients := counted(t, state, today, Key{"nudify", "filtered", "shadow"}); queries != 60 || clients != 0 {
		t.Errorf("shadow: %d queries of at least %d clients", queries, clients)
	}
	third, _ := still(t, state, noon) // after a restart
	third.Count(denied, client(1))
	third.save(true)
	if queries, clients := counted(t, state, today, denied); queries != 122 || clients != 50 {
		t.Errorf("after a restart: %d queries of at least %d clients", queries, clients)
	}
	text, err := os.ReadFile(filepath.Join(state, Dir, today+".json"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
 "format": "nonudify-totals/v1",
 "day": "2026-11-22",
 "counts": [
  {"list": "nudify", "reason": "filtered", "action": "nxdomain", "queries": 122, "clients": 50},
  {"list": "nudify", "reason": "filtered", "action": "shadow", "queries": 60, "clients": 0}
 ],
 "editions": null
}`
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(want)); err != nil {
		t.Fatal(err)
	}
	swapped := strings.Replace(compact.String(), `"counts":[`, `"counts":[SECOND,`, 1) // which one comes first is left to chance
	one := `{"list":"nudify","reason":"filtered","action":"shadow","queries":60,"clients":0}`
	swapped = strings.Replace(strings.Replace(swapped, ","+one, "", 1), "SECOND", one, 1)
	var squeezed bytes.Buffer
	if err := json.Compact(&squeezed, text); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(squeezed.String()); got != compact.String() && got != swapped {
		t.Errorf("the file:\n%s\nwant:\n%s", got, compact.String())
	}
	for _, name := range []string{filepath.Join(state, Dir)} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
			t.Errorf("%v %v", info.Mode(), err)
		}
	}
}

// TestParallel: many count while the keeper writes and days end, and nothing is lost or
// counted twice.
func TestParallel(t *testing.T) {
	state := t.TempDir()
	r, reported := still(t, state, noon)
	const each = 2000
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range each {
				r.Count(Key{fmt.Sprint("list", i%7), "filtered", "nxdomain"}, client(g*each+i))
			}
		})
	}
	now := noon
	for range 20 {
		now = now.Add(12 * time.Hour)
		r.roll(now)
		r.save(true)
	}
	all.Wait()
	r.save(true) // those that are over, once more
	days, err := Read(state, noon, now)
	if err != nil {
		t.Fatal(err)
	}
	sum := uint64(0)
	for _, d := range days {
		for _, c := range d.Counts {
			sum += c.Queries
		}
	}
	if sum != 4*each || len(*reported) != 0 {
		t.Errorf("%d queries, want %d; %v", sum, 4*each, *reported)
	}
	if len(r.over) > 2 {
		t.Errorf("%d days are kept in memory", len(r.over))
	}
}

// TestTooManyKeys: beyond the limit queries are counted together, in memory and in the
// file.
func TestTooManyKeys(t *testing.T) {
	state := t.TempDir()
	for i, want := range []uint64{0, 100, 201} { // each process has Keys of its own
		r, _ := still(t, state, noon)
		count := MaxCounts - 1
		if i > 0 {
			count = 50
		}
		for n := range count {
			r.Count(Key{fmt.Sprintf("list%d-%d", i, n), "filtered", "nxdomain"}, client(n))
		}
		if i > 0 {
			for range 50 + i - 1 {
				r.Count(Others, client(1))
			}
		}
		r.save(true)
		if queries, _ := counted(t, state, today, Others); queries != want {
			t.Errorf("process %d: %d queries are counted together, want %d", i, queries, want)
		}
	}
	r, _ := still(t, t.TempDir(), noon)
	for n := range 2 * MaxCounts {
		r.Count(Key{List: fmt.Sprint(n)}, client(n))
	}
	if n := len(*r.today.Load().cells.Load()); n != MaxCounts {
		t.Errorf("%d Keys in memory", n)
	}
	if n := len(the(t, state, today).Counts); n != MaxCounts {
		t.Errorf("%d Keys in the file", n)
	}
}

// TestEditions: an edition is told of once, from its first moment on, also of a day on
// which it did not change.
func TestEditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		state := t.TempDir()
		var p Pool
		s := p.Acquire(state)
		in := func(serial uint32) []*Edition {
			return []*Edition{{List: "nudify", ID: "nudify.example", Serial: serial}}
		}
		s.InForce(in(1))
		time.Sleep(time.Hour)
		reloaded := p.Acquire(state)
		reloaded.InForce(in(1))
		s.Release()
		time.Sleep(time.Hour)
		reloaded.InForce(in(2))
		reloaded.InForce(in(2))
		time.Sleep(24 * time.Hour)
		reloaded.Release()
		show := func(day string) string {
			text, err := json.Marshal(the(t, state, day).Editions)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if got, want := show("2026-11-22"), `[{"list":"nudify","id":"nudify.example","serial":1,"from":"2026-11-22T12:00:00Z"},`+
			`{"list":"nudify","id":"nudify.example","serial":2,"from":"2026-11-22T14:00:00Z"}]`; got != want {
			t.Errorf("%s", got)
		}
		if got, want := show("2026-11-23"), `[{"list":"nudify","id":"nudify.example","serial":2,"from":"2026-11-22T14:00:00Z"}]`; got != want {
			t.Errorf("the next day: %s", got)
		}
	})
}

// TestTooManyEditions: the latest are kept.
func TestTooManyEditions(t *testing.T) {
	d := newDay(today)
	for n := range MaxEditions + 5 {
		d.note(&Edition{List: "a", Serial: uint32(n)})
	}
	if len(d.editions) != MaxEditions || d.editions[0].Serial != 5 {
		t.Errorf("%d editions from serial %d on", len(d.editions), d.editions[0].Serial)
	}
}

// TestKeeper: it writes every five minutes, at midnight, and at the end, and ends then.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		state := t.TempDir()
		var p Pool
		s := p.Acquire(state)
		s.Count(denied, client(1))
		time.Sleep(4*time.Minute + 30*time.Second)
		if _, err := read(filepath.Join(state, Dir), today); !errors.Is(err, os.ErrNotExist) {
			t.Error("it is written at once", err)
		}
		time.Sleep(time.Minute)
		if n, _ := counted(t, state, today, denied); n != 1 {
			t.Errorf("after five minutes: %d", n)
		}
		time.Sleep(time.Until(time.Date(2026, 11, 22, 23, 59, 59, 999e6, time.UTC)))
		s.Count(denied, client(2))
		time.Sleep(time.Second)
		s.Count(denied, client(3))
		synctest.Wait()
		if n, _ := counted(t, state, today, denied); n != 2 {
			t.Errorf("at midnight: %d", n)
		}
		s.Release()
		if n, _ := counted(t, state, "2026-11-23", denied); n != 1 {
			t.Errorf("at the end: %d", n)
		}
		s.Count(denied, client(4)) // by a query that is still under way
	})
}

// TestReload: what was counted before a reload is not lost, and one recorder goes on.
func TestReload(t *testing.T) {
	state := t.TempDir()
	var p Pool
	before := p.Acquire(state)
	for i := range 30 {
		before.Count(denied, client(i))
	}
	after := p.Acquire(state + "/./")
	before.Release()
	for i := range 30 {
		after.Count(denied, client(i+25))
	}
	if after.Recorder != before.Recorder {
		t.Error("there are two recorders")
	}
	after.Release()
	day := time.Now()
	days, err := Read(state, day.AddDate(0, 0, -1), day)
	if err != nil || len(days) == 0 {
		t.Fatal(days, err)
	}
	queries := uint64(0)
	for _, d := range days { // it may be midnight
		queries += d.find(denied).Queries
	}
	if queries != 60 || len(p.recorders) != 0 {
		t.Errorf("%d queries, %d recorders", queries, len(p.recorders))
	}
}

// TestClock: a clock that is set back or forth makes days of their own, and one that
// says 1970 is not believed.
func TestClock(t *testing.T) {
	state := t.TempDir()
	r, reported := still(t, state, time.Unix(100, 0))
	var p Pool
	s := &Share{Recorder: r, pool: &p}
	r.shares[s] = true
	s.editions = []*Edition{{List: "a", Serial: 1, From: time.Unix(100, 0)}}
	r.today.Load().note(s.editions[0])
	r.Count(denied, client(1))
	r.roll(time.Unix(200, 0))
	r.save(true)
	if len(*reported) != 1 || !errors.Is((*reported)[0], ErrClock) {
		t.Errorf("reported: %v", *reported)
	}
	for _, step := range []struct{ to, day string }{
		{"2026-11-22T12:00:00Z", today}, {"2031-01-01T00:00:00Z", "2031-01-01"}, {"2026-11-22T13:00:00Z", today}, {"1970-01-01T00:00:00Z", today}, {"2026-11-21T23:00:00Z", "2026-11-21"},
	} {
		now, err := time.Parse(time.RFC3339, step.to)
		if err != nil {
			t.Fatal(err)
		}
		r.roll(now)
		r.Count(denied, client(1))
		r.save(true)
	}
	for day, want := range map[string]uint64{today: 4, "2031-01-01": 1, "2026-11-21": 1} {
		if n, _ := counted(t, state, day, denied); n != want {
			t.Errorf("%s: %d, want %d", day, n, want)
		}
	}
	if from := the(t, state, today).Editions[0].From; !from.Equal(noon) {
		t.Errorf("in force since %v", from)
	}
	if len(*reported) != 1 {
		t.Errorf("reported: %v", *reported)
	}
}

// TestUnwritable: what cannot be written is kept and tried again, for some days.
func TestUnwritable(t *testing.T) {
	state := t.TempDir()
	blocked := filepath.Join(state, Dir)
	if err := os.WriteFile(blocked, nil, 0o644); err != nil { // where the directory should be
		t.Fatal(err)
	}
	r, reported := still(t, state, noon)
	now := noon
	for range maxUnwritten + 3 {
		r.Count(denied, client(1))
		r.save(true)
		now = now.AddDate(0, 0, 1)
		r.roll(now)
	}
	r.save(true)
	lost := slices.DeleteFunc(slices.Clone(*reported), func(err error) bool { return !strings.HasSuffix(err.Error(), "are lost") })
	if len(lost) != 3 || len(r.over) != maxUnwritten {
		t.Errorf("%v\n%d days in memory", *reported, len(r.over))
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	r.save(true)
	days, err := Read(state, noon, now)
	if err != nil || len(days) != maxUnwritten {
		t.Errorf("%d days are written: %v", len(days), err)
	}
	if r.failing != "" {
		t.Error("it still fails", r.failing)
	}
}

// TestFailing: what fails is reported once, tried again each minute, and reported again
// when it fails after it has gone well.
func TestFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		state := t.TempDir()
		blocked := filepath.Join(state, Dir)
		block := func() {
			if err := errors.Join(os.RemoveAll(blocked), os.WriteFile(blocked, nil, 0o644)); err != nil {
				t.Error(err)
			}
		}
		var reported []error
		p := Pool{Report: func(err error) { reported = append(reported, err) }}
		s := p.Acquire(state)
		block()
		s.Count(denied, client(1))
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(reported) != 1 {
			t.Errorf("reported: %v", reported)
		}
		if err := os.Remove(blocked); err != nil {
			t.Fatal(err)
		}
		time.Sleep(look + time.Second)
		synctest.Wait()
		if n, _ := counted(t, state, today, denied); n != 1 {
			t.Errorf("a minute later: %d", n)
		}
		block()
		s.Count(denied, client(1))
		time.Sleep(time.Hour)
		s.Release()
		if len(reported) != 2 {
			t.Errorf("reported: %v", reported)
		}
	})
}

// TestDamaged: a file that cannot be read is set aside, and told of.
func TestDamaged(t *testing.T) {
	good := `{"format":"nonudify-totals/v1","day":"2026-11-22","counts":[{"list":"a","reason":"filtered","action":"nodata","queries":3,"clients":20}],"editions":null}`
	for name, text := range map[string]string{
		"empty": "", "half": good[:60], "other": `{"format":"v2","day":"2026-11-22"}`, "day": strings.Replace(good, today, "2026-11-21", 1),
		"unknown": strings.Replace(good, `"list"`, `"client"`, 1), "clients": strings.Replace(good, "20}", "21}", 1), "twice": good + good, "huge": strings.Repeat(" ", maxFile+1),
		"null": `{"format":"nonudify-totals/v1","day":"2026-11-22","counts":[null]}`, "nothing": `{"format":"nonudify-totals/v1","day":"2026-11-22","editions":[null]}`,
		"counts": `{"format":"nonudify-totals/v1","day":"2026-11-22","counts":[` + strings.Repeat("null,", MaxCounts) + `null]}`,
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			path := filepath.Join(state, Dir, today+".json")
			if err := os.Mkdir(filepath.Join(state, Dir), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(state, noon, noon); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("read: %v", err)
			}
			r, reported := still(t, state, noon)
			r.Count(denied, client(1))
			r.save(true)
			if d := the(t, state, today); !d.Damaged || d.find(denied).Queries != 1 {
				t.Errorf("%+v", d)
			}
			if aside, err := os.ReadFile(path + ".damaged-1"); err != nil || string(aside) != text {
				t.Errorf("set aside: %v", err)
			}
			if len(*reported) != 1 || !errors.Is((*reported)[0], ErrDamaged) {
				t.Errorf("reported: %v", *reported)
			}
			r.Count(denied, client(1))
			r.save(true)
			if d := the(t, state, today); !d.Damaged || d.find(denied).Queries != 2 {
				t.Errorf("afterwards: %+v", d)
			}
		})
	}
}

// TestDamagedOften: no more than nine damaged files of a day are kept, and the counts
// wait in memory then.
func TestDamagedOften(t *testing.T) {
	state := t.TempDir()
	path := filepath.Join(state, Dir, today+".json")
	r, reported := still(t, state, noon)
	for range maxAside + 2 {
		r.Count(denied, client(1))
		r.save(true)
		if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.Count(denied, client(1))
	r.save(true)
	last := (*reported)[len(*reported)-1]
	if !errors.Is(last, ErrDamaged) || !strings.Contains(last.Error(), "9 damaged files") {
		t.Errorf("reported: %v", last)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.save(true)
	if n, _ := counted(t, state, today, denied); n != 2 {
		t.Errorf("%d queries, want those of the two times since", n)
	}
}

// TestPrune: the oldest days go, with what is left of them.
func TestPrune(t *testing.T) {
	state := t.TempDir()
	dir := filepath.Join(state, Dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	day := noon.AddDate(0, 0, -MaxDays-2)
	for range MaxDays + 2 {
		name := day.Format(time.DateOnly)
		for _, rest := range []string{".json", ".json.damaged-1", ".0123456789abcdef.new"}[:1+rand.IntN(3)] {
			if err := os.WriteFile(filepath.Join(dir, name+rest), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		day = day.AddDate(0, 0, 1)
	}
	for _, other := range []string{"totals.lock", "README", "2026-13-01.json"} {
		if err := os.WriteFile(filepath.Join(dir, other), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, reported := still(t, state, noon)
	r.Count(denied, client(1))
	r.save(true)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	days := map[string]bool{}
	others := 0
	for _, e := range entries {
		if _, err := time.Parse(time.DateOnly, e.Name()[:min(10, len(e.Name()))]); err != nil {
			others++
			continue
		}
		days[e.Name()[:10]] = true
	}
	if oldest := noon.AddDate(0, 0, 1-MaxDays).Format(time.DateOnly); len(days) != MaxDays || !days[today] || !days[oldest] || others != 3 || len(*reported) != 0 {
		t.Errorf("%d days and %d other files are left; %v", len(days), others, *reported)
	}
}

// TestLocked: another process that writes is waited for.
func TestLocked(t *testing.T) {
	state := t.TempDir()
	r, reported := still(t, state, noon)
	r.Count(denied, client(1))
	other, _ := still(t, state, noon)
	unlock, err := other.lock()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { r.save(true); close(done) }()
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	<-done
	if n, _ := counted(t, state, today, denied); n != 1 || len(*reported) != 0 {
		t.Errorf("%d; %v", n, *reported)
	}
}

func BenchmarkCount(b *testing.B) {
	r := unkept(b.TempDir(), nil, noon)
	for i := 0; b.Loop(); i++ {
		r.Count(denied, client(i&0xffff))
	}
}
