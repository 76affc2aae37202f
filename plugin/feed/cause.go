package feed

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"time"

	"github.com/nonudify/nonudify/plugin/list"
	"github.com/nonudify/nonudify/plugin/source"
)

// Cause is the result of a round in a word, for metrics: there are few, and
// none is made of anything that comes from outside.
type Cause string

// The results of rounds that were fine, and the causes of failure whose errors
// have no sentinel of their own.
const (
	New       Cause = "new"
	Unchanged Cause = "unchanged"

	causeNetwork Cause = "network"
	causeTimeout Cause = "timeout"
	causeTLS     Cause = "tls"
	causeClock   Cause = "clock"
	causeFile    Cause = "file"
)

// causes are in the order of what matters most: of several mirrors each has its
// own, and a bad signature is news where a mirror that is down is not.
var causes = []struct {
	err   error
	cause Cause
}{
	{ErrSignature, "signature"},
	{ErrListID, "list_id"},
	{ErrShrunk, "shrunk"},
	{source.ErrOldSerial, "serial"},
	{ErrEmpty, "empty"},
	{ErrTruncated, "truncated"},
	{source.ErrTooLarge, "size"},
	{list.ErrHTML, "content"}, {list.ErrBinary, "content"}, {source.ErrContent, "content"},
	{list.ErrRefused, "refused_lines"},
	{list.ErrNoSalt, "format"}, {list.ErrSalts, "format"}, {ErrBlinded, "format"},
	{source.ErrEncoding, "encoding"},
	{source.ErrPrivate, "redirect"}, {source.ErrRedirect, "redirect"},
	{source.ErrTransfer, "transfer"},
	{source.ErrStatus, "status"},
	{source.ErrTimeout, causeTimeout}, {context.DeadlineExceeded, causeTimeout},
	{ErrExpired, "expired"},
	{ErrNotSaved, "not_saved"},
}

// CauseOf returns the cause of a round's error.
func CauseOf(err error) Cause {
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.cause
		}
	}
	if c := causeOfTLS(err); c != "" {
		return c
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return causeTimeout
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return causeFile
	}
	return causeNetwork
}

// causeOfTLS tells a certificate that is not valid yet, or not any more, from
// the others: more often than not it is the clock of the machine that is wrong.
func causeOfTLS(err error) Cause {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		if c := invalid.Cert; c != nil && time.Now().Before(c.NotBefore) {
			return causeClock
		}
		return causeTLS
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return causeTLS
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return causeTLS
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return causeTLS
	}
	return ""
}
