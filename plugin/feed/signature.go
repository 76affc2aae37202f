package feed

import (
	"errors"
	"fmt"
	"io"

	"aead.dev/minisign"
)

// Errors about a signature, to be tested with errors.Is. All of them are
// ErrSignature, too.
var (
	ErrSignature       = errors.New("the signature does not hold")
	ErrNoSignature     = fmt.Errorf("%w: there is none", ErrSignature)
	ErrLegacySignature = fmt.Errorf("%w: it is of the legacy kind; only prehashed ones (algorithm ED) are taken", ErrSignature)
	ErrForeignKey      = fmt.Errorf("%w: it was made with a key that is not pinned", ErrSignature)
)

// MaxSignature bounds a signature file in bytes: four lines, two of them
// comments.
const MaxSignature = 4 << 10

// Key is a minisign public key (jedisct1.github.io/minisign).
type Key = minisign.PublicKey

// ParseKey reads a public key: the line of base64 that begins with RW, or a
// whole .pub file.
func ParseKey(s string) (Key, error) {
	var k Key
	if err := k.UnmarshalText([]byte(s)); err != nil {
		return Key{}, fmt.Errorf("%.80q is not a minisign public key, which is one line of 56 characters beginning with RW", s)
	}
	return k, nil
}

// Signature is a signature that holds.
type Signature struct {
	KeyID   uint64 // of the key that made it
	Comment string // the trusted comment, which is signed too
}

// Verify reads all of r and checks a detached minisign signature of it: by one
// of the keys, prehashed (Ed25519 over BLAKE2b-512), trusted comment included.
// The error is an ErrSignature or that of r.
func Verify(r io.Reader, signature []byte, keys []Key) (Signature, error) {
	s, key, err := parseSignature(signature, keys)
	if err != nil {
		return Signature{}, err
	}
	m := minisign.NewReader(r)
	if _, err := io.Copy(io.Discard, m); err != nil {
		return Signature{}, err
	}
	if !m.Verify(key, signature) {
		return Signature{}, fmt.Errorf("%w: these are not the bytes, or not the trusted comment, that were signed", ErrSignature)
	}
	return Signature{KeyID: s.KeyID, Comment: s.TrustedComment}, nil
}

// parseSignature checks what can be told before the signed bytes are read, and
// returns the key that the signature names.
func parseSignature(text []byte, keys []Key) (s minisign.Signature, key Key, err error) {
	if len(text) == 0 {
		return s, key, ErrNoSignature
	}
	if len(text) > MaxSignature {
		return s, key, fmt.Errorf("%w: it is larger than %d bytes", ErrSignature, MaxSignature)
	}
	if err := s.UnmarshalText(text); err != nil {
		return s, key, fmt.Errorf("%w: it is not in the form of minisign", ErrSignature)
	}
	if s.Algorithm != minisign.HashEdDSA {
		return s, key, ErrLegacySignature
	}
	for _, k := range keys {
		if k.ID() == s.KeyID {
			return s, k, nil
		}
	}
	return s, key, fmt.Errorf("%w: %016X", ErrForeignKey, s.KeyID)
}
