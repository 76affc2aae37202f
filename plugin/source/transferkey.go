package source

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// TSIGKey is a secret that a primary and its secondaries share to sign what they
// say to each other (TSIG, RFC 8945).
type TSIGKey struct {
	Name      string // canonical: lower-case, with a trailing dot
	Algorithm string // hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512
	Secret    string // base64
}

// hashes are the algorithms that are taken. RFC 8945 §6 also knows of MD5 and
// SHA-1, not to be used any more.
var hashes = map[string]func() hash.Hash{
	"hmac-sha224": sha256.New224,
	"hmac-sha256": sha256.New,
	"hmac-sha384": sha512.New384,
	"hmac-sha512": sha512.New,
}

// maxUnsigned is the number of messages in a row that a primary may leave
// unsigned (RFC 8945 §5.3.1).
const maxUnsigned = 99

// Validate returns what is wrong with a key, without its secret.
func (k TSIGKey) Validate() error {
	if _, ok := dns.IsDomainName(k.Name); !ok || k.Name != dns.CanonicalName(k.Name) || k.Name == "." {
		return fmt.Errorf("%.80q is not the name of a key, which is lower-case and ends in a dot", k.Name)
	}
	if hashes[k.Algorithm] == nil {
		return fmt.Errorf("key %s: algorithm %.80q is not one of hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512", k.Name, k.Algorithm)
	}
	if secret, err := base64.StdEncoding.DecodeString(k.Secret); err != nil || len(secret) == 0 {
		return fmt.Errorf("key %s: the secret is not base64, or empty", k.Name)
	}
	return nil
}

// String names the key without its secret, for logs and errors.
func (k TSIGKey) String() string { return k.Name + " (" + k.Algorithm + ")" }

// sign signs a question and returns it as it is to be sent, and its signature.
func (k TSIGKey) sign(q *dns.Msg) (wire []byte, mac string, err error) {
	q.SetTsig(k.Name, k.Algorithm+".", 300, time.Now().Unix())
	return dns.TsigGenerate(q, k.Secret, "", false)
}

// hmac returns a new digest with the key.
func (k TSIGKey) hmac() hash.Hash {
	secret, _ := base64.StdEncoding.DecodeString(k.Secret) // Validate has seen that it can be read
	return hmac.New(hashes[k.Algorithm], secret)
}

// chain checks the signatures of the messages of one answer. Each covers the
// one before it, that of the question first, and all messages without one in
// between; those the DNS library does not take.
type chain struct {
	key      TSIGKey
	mac      string    // the signature before, in hex
	digest   hash.Hash // of it and the unsigned messages behind it; nil without any
	unsigned int       // the number of them
	begun    bool      // the first message, which must be signed, is behind
}

// check checks the next message, as it came and as it was read. It changes
// wire.
func (c *chain) check(wire []byte, m *dns.Msg) error {
	tsig := m.IsTsig()
	switch {
	case tsig == nil && !c.begun:
		return fmt.Errorf("%w: an answer (%s) without a signature", ErrTransfer, dns.RcodeToString[m.Rcode])
	case tsig == nil:
		return c.skip(wire)
	case m.Rcode == dns.RcodeNotAuth && tsig.Error != dns.RcodeSuccess:
		return fmt.Errorf("%w: the primary does not accept the signature: %s", ErrTransfer,
			cmp.Or(dns.RcodeToString[int(tsig.Error)], fmt.Sprint("error ", tsig.Error)))
	case m.Rcode == dns.RcodeNotAuth: // the library checks no signature of such an answer
		return refusal(m.Rcode)
	}
	if err := dns.TsigVerifyWithProvider(wire, c, c.mac, c.begun); err != nil {
		return fmt.Errorf("%w: the signature of an answer does not hold: %w", ErrTransfer, err)
	}
	c.mac, c.digest, c.unsigned, c.begun = tsig.MAC, nil, 0, true
	return nil
}

// skip takes a message without a signature into the next one's.
func (c *chain) skip(wire []byte) error {
	if c.unsigned++; c.unsigned > maxUnsigned {
		return fmt.Errorf("%w: more than %d messages without a signature", ErrTransfer, maxUnsigned)
	}
	if c.digest == nil {
		mac, err := hex.DecodeString(c.mac)
		if err != nil {
			return err
		}
		c.digest = c.key.hmac()
		c.digest.Write([]byte{byte(len(mac) >> 8), byte(len(mac))})
		c.digest.Write(mac)
	}
	c.digest.Write(wire)
	return nil
}

// Verify is asked by the DNS library for the signature of msg, which begins
// with the signature before and its length.
func (c *chain) Verify(msg []byte, t *dns.TSIG) error {
	if dns.CanonicalName(t.Hdr.Name) != c.key.Name || !strings.EqualFold(t.Algorithm, c.key.Algorithm+".") {
		return fmt.Errorf("it is of the key %.255s (%.255s)", t.Hdr.Name, t.Algorithm)
	}
	digest := c.digest
	if digest == nil {
		digest = c.key.hmac()
	} else {
		msg = msg[2+len(c.mac)/2:]
	}
	digest.Write(msg)
	if mac, err := hex.DecodeString(t.MAC); err != nil || !hmac.Equal(mac, digest.Sum(nil)) {
		return dns.ErrSig
	}
	return nil
}

// Generate is the other half of dns.TsigProvider, which no answer needs.
func (*chain) Generate([]byte, *dns.TSIG) ([]byte, error) { return nil, errors.ErrUnsupported }
