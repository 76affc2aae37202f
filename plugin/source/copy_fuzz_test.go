package source

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
)

// FuzzLoad loads a file of arbitrary bytes, and one of an arbitrary header whose
// checksum fits: it is refused as damaged, or is exactly what its header says.
func FuzzLoad(f *testing.F) {
	c := &Copy{Dir: f.TempDir(), Source: "https://lists.example/nudify.txt"}
	defer c.Unlock()
	body := []byte("one.example\n")
	good := fmt.Sprintf(`{"source":%q,"size":%d,"sum":"%x"`, c.id(), len(body), sha256.Sum256(body))
	f.Add([]byte(good+`,"serial":1,"version":"x","signature":"AA=="}`), body, true)
	f.Add([]byte(good+`,"size":-8192}`), []byte{}, true)
	f.Add([]byte(good+`,"size":9223372036854775807}`), body, true)
	f.Add([]byte(good+`,"modified":"2026-11-22T00:00:00Z","timers":{"Refresh":1}}`), body, true)
	f.Add([]byte(good+`,"sum":null,"entries":-1}`), body, true)
	f.Add([]byte(`{}`), []byte{}, true)
	f.Add(withHeader(good+"}", nil), body, false)
	f.Add([]byte(headerMagic), body, false)
	f.Fuzz(func(t *testing.T, head, body []byte, fits bool) {
		text := append(head[:len(head):len(head)], body...)
		if fits {
			text = withHeader(string(head), body)
		}
		c := &Copy{Dir: t.TempDir(), Source: c.Source}
		if err := os.WriteFile(c.Path(), text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := c.Load()
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("Load: %v", err)
			}
			return
		}
		defer s.Close()
		got, err := io.ReadAll(s.Reader())
		if err != nil || string(got) != string(text[headerSize:]) || sha256.Sum256(got) != s.Sum || int64(len(got)) != s.Size {
			t.Errorf("Loaded %d bytes, %v, of %+v", len(got), err, s)
		}
	})
}
