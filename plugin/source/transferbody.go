package source

import (
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/miekg/dns"
)

// pieces is a text that comes in pieces of whole lines, each valid until the
// next; io.EOF follows the last.
type pieces interface {
	next() ([]byte, error)
}

// pieceSize is the length in bytes from which on a piece is handed out.
const pieceSize = 32 << 10

// transferBody reads pieces.
type transferBody struct {
	*session
	pieces
	release func() // of what pieces reads
	rest    []byte // of the piece at hand
	left    int64  // bytes of text that may still come
	err     error
	closed  atomic.Bool
}

// Read returns an error other than io.EOF when the transfer fails on the way.
func (b *transferBody) Read(p []byte) (int, error) {
	for len(b.rest) == 0 && b.err == nil && len(p) > 0 {
		b.fill()
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, b.err
}

// fill gets the next piece, or sets the error that ends the text. What a text
// that is too large holds up to its limit is dropped with the rest.
func (b *transferBody) fill() {
	if b.err = b.ctx.Err(); b.err == nil {
		b.rest, b.err = b.next()
	}
	if b.left -= int64(len(b.rest)); b.left < 0 {
		b.rest, b.err = nil, fmt.Errorf("the text of the zone %w: more than %d bytes", ErrTooLarge, b.t.MaxBytes)
	}
	switch {
	case b.err == nil:
		return
	case b.closed.Load():
		b.err = fs.ErrClosed
	case b.err != io.EOF:
		b.err = b.explain(b.err)
	}
	b.Close()
}

// Close ends the transfer, if need be in the middle.
func (b *transferBody) Close() error {
	if !b.closed.Swap(true) {
		b.release()
		b.cancel()
	}
	return nil
}

// wholeZone is the text of a zone that comes as a whole: the SOA record, all
// others, the SOA record again (RFC 5936 §2.2).
type wholeZone struct {
	*answer
	*session
	soa  *dns.SOA
	buf  []byte
	done bool
}

func (w *wholeZone) next() ([]byte, error) {
	for !w.done && len(w.buf) < pieceSize {
		rr, err := w.answer.next()
		if err != nil {
			return nil, err
		}
		if soa, ok := w.isSOA(rr); ok {
			if w.done, err = true, w.finish(soa); err != nil {
				return nil, err
			}
			break
		}
		if w.buf, err = w.text.append(w.buf, rr); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTransfer, err)
		}
	}
	piece := w.buf
	w.buf = w.buf[:0]
	if len(piece) == 0 {
		return nil, io.EOF
	}
	return piece, nil
}

// finish makes sure that the zone ends with the record that it began with.
func (w *wholeZone) finish(soa *dns.SOA) error {
	if !dns.IsDuplicate(soa, w.soa) {
		return fmt.Errorf("%w: it began with serial %d and ended with serial %d or other data", ErrTransfer, w.soa.Serial, soa.Serial)
	}
	return w.end()
}
