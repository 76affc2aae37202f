package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Limits on what is read.
const (
	maxFile     = 256 << 10 // bytes
	maxChain    = 4         // certificates
	maxValidity = 90 * 24 * time.Hour
)

// Errors that Load wraps, to be tested with errors.Is.
var (
	ErrCertificate = errors.New("bad certificate of the authority")
	ErrKey         = errors.New("bad key of the authority")
)

// loadChain reads the chain and checks it as far as it goes.
func loadChain(path string) (chain, error) {
	data, err := read(path, func(fs.FileInfo) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	c, err := parseChain(data)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCertificate, path, err)
	}
	return c, nil
}

// parseChain takes certificates out of PEM, with any text between them.
func parseChain(data []byte) (chain, error) {
	var c chain
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a block of type %s: put certificates only into it", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(c)+1, err)
		}
		if c = append(c, cert); len(c) > maxChain {
			return nil, fmt.Errorf("holds more than %d certificates: put the intermediate and what signed it into it", maxChain)
		}
	}
	if len(c) == 0 {
		return nil, errors.New("holds no certificate in PEM")
	}
	return c, nil
}

// check holds the whole chain against the rules: an issuer that is constrained,
// what signed it in order, no root, and some time in which everything is valid.
func (c chain) check() error {
	for i, cert := range c {
		if err := c.checkPlace(i); err != nil {
			return fmt.Errorf("certificate %d (%s): %w", i+1, cert.Subject, err)
		}
	}
	if err := checkIssuer(c[0]); err != nil {
		return err
	}
	if err := checkConstraints(c[0]); err != nil {
		return err
	}
	if !c.notBefore().Before(c.notAfter()) {
		return errors.New("the chain is never valid as a whole: issue the intermediate for a time in which what signed it is valid")
	}
	if _, err := c[0].Verify(c.options(c.notBefore())); err != nil {
		return fmt.Errorf("clients would refuse the chain: %w", err)
	}
	return nil
}

// checkPlace checks the certificate at i for what holds for each of a chain.
func (c chain) checkPlace(i int) error {
	cert := c[i]
	switch {
	case bytes.Equal(cert.RawSubject, cert.RawIssuer):
		return errors.New("is a root: keep it offline and leave it out, devices have it already")
	case i > 0 && c[i-1].CheckSignatureFrom(cert) != nil:
		return errors.New("did not sign the certificate before it: begin with the intermediate, then what signed it")
	case cert.MaxPathLen >= 0 && cert.MaxPathLen < i:
		return errors.New("has no room for the authorities below it: issue it with a greater pathlen")
	}
	return nil
}

// checkIssuer is the rule for the intermediate, beside its name constraints: it
// issues certificates for servers, no further intermediates and nothing else,
// for 90 days in all.
func checkIssuer(c *x509.Certificate) error {
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	validity := c.NotAfter.Sub(c.NotBefore)
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return errors.New("is not of an authority: issue it with CA:TRUE")
	case !c.MaxPathLenZero:
		return errors.New("could make further authorities: issue it with pathlen:0")
	case !ok || key.Curve != elliptic.P256():
		return errors.New("has a key that is not ECDSA P-256: make one with ec_paramgen_curve:P-256")
	case c.KeyUsage&^x509.KeyUsageCRLSign != x509.KeyUsageCertSign:
		return errors.New("has the wrong key usage: issue it with keyCertSign and, at most, cRLSign")
	case !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) || len(c.UnknownExtKeyUsage) > 0:
		return errors.New("is not for servers alone: issue it with the extended key usage serverAuth only")
	case validity.Truncate(time.Minute) > maxValidity: // openssl reads the clock for each end
		return fmt.Errorf("is valid for %.0f days: issue one for at most %.0f", validity.Hours()/24, maxValidity.Hours()/24)
	}
	return nil
}

// loadKey reads the key of a certificate.
func loadKey(path string, of *x509.Certificate) (*ecdsa.PrivateKey, error) {
	data, err := read(path, guarded)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	defer clear(data)
	key, err := parseKey(data)
	if err == nil && !key.PublicKey.Equal(of.PublicKey) {
		err = errors.New("does not belong to the certificate: give the key that its request was made with")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKey, path, err)
	}
	return key, nil
}

// parseKey takes the one key out of PEM.
func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode(data)
	if block != nil && block.Type == "EC PARAMETERS" { // openssl ecparam writes the curve first
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New("holds no key in PEM")
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, errors.New("holds more than one key")
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["Proc-Type"] != "" {
		return nil, errors.New("is encrypted, and nobody is there to type a passphrase: write it without one (openssl pkey)")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if block.Type == "EC PRIVATE KEY" {
		key, err = x509.ParseECPrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("is not a private key in PKCS #8 or SEC 1")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("is not an ECDSA key: make one with ec_paramgen_curve:P-256")
	}
	return ec, nil
}

// read returns a small regular file that passes a check. The check is made on
// the opened file, which nobody can exchange.
func read(path string, check func(fs.FileInfo) error) ([]byte, error) {
	info, err := os.Stat(path) // opening a pipe would wait for its writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err == nil {
		err = check(info)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes", maxFile)}
	}
	return data, err
}
