package source

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/nonudify/nonudify/plugin/source/sourcetest"
)

func gzipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

func zstdded(text string, options ...zstd.EOption) []byte {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, append(options, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		panic(err)
	}
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

func joinBytes(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// flipped returns data with a bit of one byte changed, counted from the end.
func flipped(data []byte, fromEnd int) []byte {
	data = bytes.Clone(data)
	data[len(data)-fromEnd] ^= 0x10
	return data
}

const text = "badsite.example\nother.example\n"

// packings are data and what is in them, or why nothing is.
var packings = []struct {
	name, coding string
	data         []byte
	want         string
	is           error
}{
	{"gzip", "gzip", gzipped(text), text, nil},
	{"empty gzip", "gzip", gzipped(""), "", nil},
	{"two members", "gzip", joinBytes(gzipped("badsite.example\n"), gzipped("other.example\n")), text, nil},
	{"gzip cut off", "gzip", gzipped(text)[:20], "", ErrEncoding},
	{"gzip without its end", "gzip", gzipped(text)[:len(gzipped(text))-1], "", ErrEncoding},
	{"gzip with a wrong sum", "gzip", flipped(gzipped(text), 6), "", ErrEncoding},
	{"garbage behind gzip", "gzip", append(gzipped(text), "garbage"...), "", ErrEncoding},
	{"much garbage behind gzip", "gzip", append(gzipped(text), strings.Repeat("garbage", 99)...), "", ErrEncoding},
	{"gzip of a bomb", "gzip", gzipped(strings.Repeat("x", 1<<20)), "", ErrTooLarge},
	{"zstd", "zstd", zstdded(text), text, nil},
	{"two frames", "zstd", joinBytes(zstdded("badsite.example\n"), zstdded("other.example\n")), text, nil},
	{"zstd cut off", "zstd", zstdded(text)[:12], "", ErrEncoding},
	{"zstd without its end", "zstd", zstdded(text)[:len(zstdded(text))-1], "", ErrEncoding},
	{"zstd with a wrong sum", "zstd", flipped(zstdded(text), 1), "", ErrEncoding},
	{"garbage behind zstd", "zstd", append(zstdded(text), "garbage"...), "", ErrEncoding},
	{"a byte behind zstd", "zstd", append(zstdded(text), 'x'), "", ErrEncoding},
	{"zstd of a bomb", "zstd", zstdded(strings.Repeat("x", 1<<20)), "", ErrTooLarge},
	{"large window", "zstd", []byte(zstdMagic + "\x00\x68\x01\x00\x00"), "", nil},          // 8 MiB, an empty raw block
	{"larger window", "zstd", []byte(zstdMagic + "\x00\x69\x01\x00\x00"), "", ErrEncoding}, // 9 MiB
	{"huge window", "zstd", []byte(zstdMagic + "\x00\xff\x01\x00\x00"), "", ErrEncoding},
	{"huge single segment", "zstd", []byte(zstdMagic + "\xe0\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00"), "", ErrEncoding},
}

func TestUnpack(t *testing.T) {
	for _, tt := range packings {
		for how, r := range map[string]io.Reader{
			"": bytes.NewReader(tt.data), "by bytes": iotest.OneByteReader(bytes.NewReader(tt.data)),
			"with the end": iotest.DataErrReader(bytes.NewReader(tt.data)),
		} {
			u, err := Unpack(r, 1<<19)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(u)
			if !errors.Is(err, tt.is) || tt.is == nil && (string(got) != tt.want || err != nil) {
				t.Errorf("%s %s: %d bytes, %v, want %v", tt.name, how, len(got), err, tt.is)
			}
			if n, again := u.Read(make([]byte, 1)); err != nil && (n > 0 || again == nil || again == io.EOF) {
				t.Errorf("%s %s: after the error: %d bytes, %v", tt.name, how, n, again)
			}
			if err := u.Close(); err != nil {
				t.Errorf("%s %s: %v", tt.name, how, err)
			}
		}
	}
}

// TestUnpackPlain: what is not packed is not touched.
func TestUnpackPlain(t *testing.T) {
	for _, plain := range []string{"", "x", "\x1f", "\x28\xb5", "\x28\xb5\x2f", text, "\x50\x2a\x4d\x18\x00\x00\x00\x00"} {
		u, err := Unpack(strings.NewReader(plain), 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(u); string(got) != plain || err != nil {
			t.Errorf("%q: %q, %v", plain, got, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Unpack(iotest.ErrReader(broken), 0); err != broken {
		t.Errorf("A broken reader: %v", err)
	}
}

// TestUnpackLimits: each side may reach the limit and not exceed it.
func TestUnpackLimits(t *testing.T) {
	random := strings.Repeat("0123456789abcdef", 64)
	for _, tt := range []struct {
		name  string
		data  []byte
		limit int
	}{
		{"plain", []byte(random), 1024},
		{"gzip", gzipped(random), 1024},
		{"zstd", zstdded(random), 1024},
		// Nothing comes out of these, so that only their own size counts.
		{"gzip packed", bytes.Repeat(gzipped(""), 50), 50 * len(gzipped(""))},
		{"zstd packed", append(zstdded(""), bytes.Repeat([]byte(zstdMagic+"\x00\x00\x01\x00\x00"), 50)...), 450 + len(zstdded(""))},
	} {
		for _, d := range []int{0, -1} {
			u, err := Unpack(bytes.NewReader(tt.data), int64(tt.limit+d))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(u)
			if (d == 0) != (err == nil) || d < 0 && (!errors.Is(err, ErrTooLarge) || len(got) > tt.limit-1) {
				t.Errorf("%s, limit %+d: %d bytes, %v", tt.name, d, len(got), err)
			}
		}
	}
}

// TestUnpackReader: the error of the reader stays what it is, also where the
// decoder would take it for the end of the data.
func TestUnpackReader(t *testing.T) {
	broken := errors.New("broken")
	for _, data := range [][]byte{gzipped(text), zstdded(text), []byte(text)} {
		for _, failure := range []error{broken, io.ErrUnexpectedEOF} {
			for n := 4; n <= len(data); n++ {
				u, err := Unpack(io.MultiReader(bytes.NewReader(data[:n]), iotest.ErrReader(failure)), 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAll(u); err != failure {
					t.Errorf("After %d of %d bytes: %v, want %v", n, len(data), err, failure)
				}
				u.Close()
			}
		}
	}
}

// TestUnpackMemory: the largest window costs a few times its size, no more, and
// not more goroutines.
func TestUnpackMemory(t *testing.T) {
	data := zstdded(strings.Repeat(text, 1<<20), zstd.WithWindowSize(maxWindow))
	goroutines := runtime.NumGoroutine()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	u, err := Unpack(bytes.NewReader(data), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if _, err := io.CopyN(io.Discard, u, int64(len(text))); err != nil {
		t.Error(err)
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines, %d before", now, goroutines)
	}
	n, err := io.Copy(io.Discard, u)
	runtime.ReadMemStats(&after)
	if n != int64(len(text)<<20-len(text)) || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*maxWindow {
		t.Errorf("%d bytes were allocated", used)
	}
}

// TestHTTPCoding: a body is unpacked as its header says.
func TestHTTPCoding(t *testing.T) {
	s := sourcetest.New(t)
	h := HTTP{URL: s.URL("/l.txt"), Client: NewClient(lanClient(s)), MaxBytes: 1 << 19}
	serve := func(data []byte, codings ...string) (string, error) {
		s.Set("/l.txt", sourcetest.Reply{Body: data, Header: http.Header{"Content-Encoding": codings}})
		defer s.WaitClosed()
		got, _, err := fetchAll(t, h, "")
		return got, err
	}
	for _, tt := range packings {
		t.Run(tt.name, func(t *testing.T) {
			got, err := serve(tt.data, tt.coding)
			if tt.is != nil {
				wantError(t, err, tt.is, "/l.txt: ")
			} else if got != tt.want || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	for _, coding := range []string{"X-GZIP", " gzip "} {
		if got, err := serve(gzipped(text), coding); got != text || err != nil {
			t.Errorf("%s: %q, %v", coding, got, err)
		}
	}
	if got, err := serve([]byte(text), "identity"); got != text || err != nil {
		t.Errorf("identity: %q, %v", got, err)
	}
	for _, codings := range [][]string{{"br"}, {"deflate"}, {"gzip, gzip"}, {"gzip", "zstd"}, {"identity, gzip"}, {"gzip,"}, {strings.Repeat("x", 999)}} {
		_, err := serve(gzipped(text), codings...)
		wantError(t, err, ErrEncoding, "was not asked for")
	}
	for _, coding := range []string{"gzip", "zstd"} {
		_, err := serve([]byte(text), coding)
		wantError(t, err, ErrEncoding, "/l.txt: the compressed data cannot be read: ")
		_, err = serve(nil, coding)
		wantError(t, err, ErrEncoding, "/l.txt: the compressed data cannot be read: ")
	}
}

// FuzzUnpack: whatever the bytes are, the limit holds, an error is one of those
// promised, and what is not packed comes out as it went in.
func FuzzUnpack(f *testing.F) {
	for _, tt := range packings {
		if len(tt.data) < 1<<10 {
			f.Add(tt.data)
		}
	}
	f.Add([]byte(text))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 12
		u, err := Unpack(bytes.NewReader(data), limit)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		got, err := io.ReadAll(u)
		if len(got) > limit || err != nil && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrEncoding) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		packed := bytes.HasPrefix(data, []byte(gzipMagic)) || bytes.HasPrefix(data, []byte(zstdMagic))
		if !packed && !bytes.Equal(got, data[:min(len(data), limit)]) {
			t.Errorf("%q came out as %q", data, got)
		}
	})
}
