package source

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// DefaultMaxBytes is the size up to which a list is taken unless its source says
// another, in bytes, both as it is transferred and unpacked: some 20 million
// names.
const DefaultMaxBytes = 512 << 20

// maxWindow is the memory in bytes that zstd data may ask for (RFC 9659 §3). The
// levels of the zstd program up to 19 stay within it.
const maxWindow = 8 << 20

// The first bytes of a packed file (RFC 1952 §2.3.1, RFC 8878 §3.1.1).
const (
	gzipMagic = "\x1f\x8b"
	zstdMagic = "\x28\xb5\x2f\xfd"
)

// Unpack returns what a file holds: unpacked if it begins as gzip or zstd data
// do, else as it is. Neither the file nor what it holds may be larger than limit
// bytes; 0 means DefaultMaxBytes. Closing it does not close r.
//
// Reading fails with ErrTooLarge, with ErrEncoding for data that are damaged or
// cut off or that other data follow, or with the error of r.
func Unpack(r io.Reader, limit int64) (io.ReadCloser, error) {
	in := bufio.NewReader(r)
	head, err := in.Peek(len(zstdMagic))
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case string(head) == zstdMagic:
		return newUnpacker(in, limit, openZstd), nil
	case strings.HasPrefix(string(head), gzipMagic):
		return newUnpacker(in, limit, openGzip), nil
	}
	return io.NopCloser(newCapped(in, limit)), nil
}

// decode undoes a content coding (RFC 9110 §8.4.1) as Unpack does.
func decode(r io.Reader, coding string, limit int64) (io.ReadCloser, error) {
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "", "identity":
		return io.NopCloser(newCapped(r, limit)), nil
	case "gzip", "x-gzip":
		return newUnpacker(r, limit, openGzip), nil
	case "zstd":
		return newUnpacker(r, limit, openZstd), nil
	}
	return nil, fmt.Errorf("%w: content coding %.80q was not asked for", ErrEncoding, coding)
}

// openGzip reads one gzip member or several (RFC 1952 §2.2).
func openGzip(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }

// openZstd reads one zstd frame or several (RFC 8878 §3.1), in the goroutine
// that reads, and in as little memory as the window allows.
func openZstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// newUnpacker limits both what is read and what comes out.
func newUnpacker(r io.Reader, limit int64, open func(io.Reader) (io.ReadCloser, error)) io.ReadCloser {
	u := &unpacker{in: packed{r: newCapped(r, limit)}, open: open}
	return struct {
		io.Reader
		io.Closer
	}{newCapped(u, limit), u}
}

// unpacker reads packed data and tells their errors from those of their reader.
type unpacker struct {
	in   packed
	open func(io.Reader) (io.ReadCloser, error)
	out  io.ReadCloser // nil until the first Read
	err  error         // kept: behind a wrong check sum the zstd decoder would go on
}

func (u *unpacker) Read(p []byte) (n int, err error) {
	if u.err != nil {
		return 0, u.err
	}
	if n, err = u.read(p); err != nil {
		u.err = u.reason(err)
	}
	return n, u.err
}

func (u *unpacker) read(p []byte) (int, error) {
	if u.out == nil {
		out, err := u.open(&u.in)
		if err != nil {
			return 0, err
		}
		u.out = out
	}
	return u.out.Read(p)
}

// reason returns what an error of the decoder comes from.
func (u *unpacker) reason(err error) error {
	switch {
	case u.in.err != nil && u.in.err != io.EOF: // also where the decoder takes it for the end
		return u.in.err
	case err == io.EOF && u.in.any:
		return io.EOF
	case err == io.EOF: // no data at all are not packed data
		err = io.ErrUnexpectedEOF
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		err = fmt.Errorf("they ask for more than %d MiB of memory", maxWindow>>20)
	}
	return fmt.Errorf("%w: %w", ErrEncoding, err)
}

// Close frees the memory of the decoder. Its error would be that of reading.
func (u *unpacker) Close() error {
	if u.out != nil {
		u.out.Close()
	}
	return nil
}

// packed remembers how its reader ended.
type packed struct {
	r   io.Reader
	any bool // a byte was read
	err error
}

func (p *packed) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.any = p.any || n > 0
	if err != nil {
		p.err = err
	}
	return n, err
}

// capped fails with ErrTooLarge behind the last byte that may be there.
type capped struct {
	r           io.Reader
	limit, left int64
}

func newCapped(r io.Reader, limit int64) *capped {
	if limit <= 0 {
		limit = DefaultMaxBytes
	}
	return &capped{r, limit, limit}
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, c.tooLarge()
	}
	if int64(len(p)) > c.left {
		p = p[:c.left+1] // one more byte tells that there are too many
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return n - 1, c.tooLarge()
	}
	return n, err
}

func (c *capped) tooLarge() error {
	return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, c.limit)
}
