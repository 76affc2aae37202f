package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// A copy is a header of headerSize bytes of text and behind it the bytes of the
// list as they are, so that tail -c +8193 prints the list. The header is
//
//	nonudify copy 1
//	{"source": …, "size": …, "sum": …, …}
//	spaces up to its end, and there the hexadecimal SHA-256 of all before it
//
// where source is the SHA-256 of what identifies the list, and size and sum are
// those of the bytes behind.
const (
	headerSize  = 8 << 10
	headerMagic = "nonudify copy 1\n"
	headerEnd   = headerSize - 2*sha256.Size - 1 // where the header's own checksum begins
)

// Meta is what is kept with the bytes of a copy.
type Meta struct {
	// Version is the one that the source gave them, to ask it for a newer one. It
	// is left out when it is not UTF-8: then the source is asked for any.
	Version Version `json:"version,omitempty"`
	// From is the mirror that they came from. What is not Public of it is not kept.
	From      string    `json:"from,omitempty"`
	Modified  time.Time `json:"modified,omitzero"`
	Fetched   time.Time `json:"fetched,omitzero"`
	Signature []byte    `json:"signature,omitempty"`
	Timers    Timers    `json:"timers,omitzero"` // in nanoseconds
	Serial    uint32    `json:"serial,omitempty"`
	ListID    string    `json:"list-id,omitempty"`
	Entries   int       `json:"entries,omitempty"`
}

// header is what the JSON in a copy holds.
type header struct {
	Source string `json:"source"`
	Size   int64  `json:"size"`
	Sum    hexSum `json:"sum"`
	Meta
}

// encode returns the headerSize bytes of a header.
func (h header) encode() ([]byte, error) {
	if !utf8.ValidString(string(h.Version)) {
		h.Version = ""
	}
	h.From = Redact(h.From)
	h.Modified, h.Fetched = h.Modified.UTC(), h.Fetched.UTC()
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	room := headerEnd - len(headerMagic) - len("\n\n")
	if len(text) > room {
		return nil, fmt.Errorf("what is to be kept beside the list (its version, its signature, …) takes %d bytes, and %d are there", len(text), room)
	}
	b := bytes.Repeat([]byte(" "), headerSize)
	n := copy(b, headerMagic)
	n += copy(b[n:], text)
	b[n], b[headerEnd-1] = '\n', '\n'
	copy(b[headerEnd:], checksum(b))
	return b, nil
}

// checksum returns the last line of a header.
func checksum(b []byte) string { return fmt.Sprintf("%x\n", sha256.Sum256(b[:headerEnd])) }

// readHeader reads the header of a copy. The error is an ErrDamaged or that of r.
func readHeader(r io.ReaderAt) (h header, err error) {
	b := make([]byte, headerSize)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		if err == io.EOF {
			err = damaged("it ends within its header")
		}
		return h, err
	}
	if !bytes.HasPrefix(b, []byte(headerMagic)) {
		return h, damaged("its first line is not %q", headerMagic[:len(headerMagic)-1])
	}
	if string(b[headerEnd:]) != checksum(b) {
		return h, damaged("the checksum of its header does not fit")
	}
	if err := json.Unmarshal(b[len(headerMagic):headerEnd], &h); err != nil {
		return h, damaged("its header cannot be read: %v", err)
	}
	return h, nil
}

// damaged returns an ErrDamaged with words.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// hexSum is a SHA-256, in files as hexadecimal digits.
type hexSum [32]byte

// MarshalText implements encoding.TextMarshaler.
func (s hexSum) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(s[:])), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *hexSum) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("%d digits are not a SHA-256", len(text))
	}
	_, err := hex.Decode(s[:], text)
	return err
}
