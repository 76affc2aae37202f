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
	"github.com/nonudify/nonudify/plugin/set"
	"github.com/nonudify/nonudify/plugin/source"
)

// Result is what came of a round, in a word for metrics: there are few, and none
// is made of anything that comes from outside.
type Result string

// The results of rounds that were fine, the causes of failure, and those of
// warnings. What has no cause of its own is of the network.
const (
	ResultNew       Result = "new"
	ResultUnchanged Result = "unchanged"

	CauseNetwork   Result = "network"
	CauseTimeout   Result = "timeout"
	CauseTLS       Result = "tls"
	CauseClock     Result = "clock"
	CauseStatus    Result = "status"
	CauseRedirect  Result = "redirect"
	CauseEncoding  Result = "encoding"
	CauseSize      Result = "size"
	CauseContent   Result = "content"
	CauseRefused   Result = "refused_lines"
	CauseTruncated Result = "truncated"
	CauseEmpty     Result = "empty"
	CauseFormat    Result = "format"
	CauseSignature Result = "signature"
	CauseListID    Result = "list_id"
	CauseSerial    Result = "serial"
	CauseShrunk    Result = "shrunk"
	CauseTransfer  Result = "transfer"
	CauseFile      Result = "file"

	CauseExpired  Result = "expired"
	CauseNotSaved Result = "not_saved"
)

// causes are in the order of what matters most: of several mirrors each has its
// own, and a bad signature is news where a mirror that is down is not.
var causes = []struct {
	err   error
	cause Result
}{
	{ErrSignature, CauseSignature},
	{ErrListID, CauseListID},
	{ErrShrunk, CauseShrunk},
	{source.ErrOldSerial, CauseSerial},
	{ErrEmpty, CauseEmpty},
	{ErrTruncated, CauseTruncated},
	{source.ErrTooLarge, CauseSize}, {set.ErrFull, CauseSize}, {set.ErrAddresses, CauseSize},
	{list.ErrHTML, CauseContent}, {list.ErrBinary, CauseContent}, {source.ErrContent, CauseContent},
	{list.ErrRefused, CauseRefused},
	{list.ErrCompiled, CauseFormat}, {set.ErrVersion, CauseFormat}, {set.ErrDamaged, CauseFormat}, {list.ErrNoSalt, CauseFormat}, {list.ErrSalts, CauseFormat}, {ErrBlinded, CauseFormat},
	{source.ErrEncoding, CauseEncoding},
	{source.ErrPrivate, CauseRedirect}, {source.ErrRedirect, CauseRedirect},
	{source.ErrTransfer, CauseTransfer},
	{source.ErrStatus, CauseStatus},
	{source.ErrTimeout, CauseTimeout}, {context.DeadlineExceeded, CauseTimeout},
	{ErrExpired, CauseExpired},
	{ErrNotSaved, CauseNotSaved},
	{ErrUnread, CauseFile},
}

// ResultOf returns the cause of a round's error.
func ResultOf(err error) Result {
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.cause
		}
	}
	if c := causeOfTLS(err); c != "" {
		return c
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return CauseTimeout
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return CauseFile
	}
	return CauseNetwork
}

// results returns the causes of several errors.
func results(err error) []Result {
	errs, ok := errors.AsType[several](err)
	if !ok {
		errs = several{err}
	}
	var rs []Result
	for _, err := range errs {
		if err != nil {
			rs = append(rs, ResultOf(err))
		}
	}
	return rs
}

// causeOfTLS tells a certificate that is not valid yet, or not any more, from
// the others: more often than not it is the clock of the machine that is wrong.
func causeOfTLS(err error) Result {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		if c := invalid.Cert; c != nil && time.Now().Before(c.NotBefore) {
			return CauseClock
		}
		return CauseTLS
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return CauseTLS
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return CauseTLS
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return CauseTLS
	}
	return ""
}
