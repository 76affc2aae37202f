package feed

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nonudify/nonudify/plugin/set"
)

// resident returns how many bytes of the mapped files in a directory are in memory.
func resident(t *testing.T, dir string) (bytes int) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ours := false
	for s := bufio.NewScanner(f); s.Scan(); {
		var kb int
		if first, _, _ := strings.Cut(s.Text(), " "); !strings.HasSuffix(first, ":") { // a mapping, and no line about one
			ours = strings.Contains(s.Text(), dir)
		} else if n, _ := fmt.Sscanf(s.Text(), "Rss: %d kB", &kb); n == 1 && ours {
			bytes += kb << 10
		}
	}
	return bytes
}

// TestMappedResident restores a list of 200,000 names and asks for others. What the server
// must have in memory is the filter, less than 2 bytes a name; of the file there is only
// what the filter did not rule out, which the system can drop at any time.
func TestMappedResident(t *testing.T) {
	const names = 200_000
	dir := t.TempDir()
	f := withCopy(t, config(&site{text: namesBelow(names, "bad.example")}), dir)
	round(t, f, nil)
	_, l := restart(t, f, nil)
	opened := resident(t, dir)
	if l.Set.Mapped() == 0 || opened > l.Set.Mapped()/2 {
		t.Errorf("opened: %d bytes of %d are in memory", opened, l.Set.Mapped())
	}
	if got := l.Set.Bytes(); got > 2*names {
		t.Errorf("%d bytes are held, want no more than 2 a name", got)
	}
	absent := 0
	for i := range 4096 {
		var k set.Key
		k.Reset(fmt.Sprintf("www.site-%d.example.", i))
		absent += l.Set.Match(&k).Absent
	}
	t.Logf("a name takes %.2f bytes, and %.2f in the file; %.2f of it in memory when opened, %.2f after 4,096 names that are not listed, of which %d got past the filter",
		float64(l.Set.Bytes())/names, float64(l.Set.Mapped())/names, float64(opened)/names, float64(resident(t, dir))/names, absent)
}
