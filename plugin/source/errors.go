package source

import "errors"

// Why a source has nothing to offer, to be tested with errors.Is. What is none
// of these comes from the network, TLS or the file system.
var (
	ErrStatus    = errors.New("HTTP status is not 200")
	ErrContent   = errors.New("the server sent data of the wrong type")
	ErrEncoding  = errors.New("the compressed data cannot be read")
	ErrTooLarge  = errors.New("is too large")
	ErrRedirect  = errors.New("redirect refused")
	ErrPrivate   = errors.New("private address, and not one of the list's own hosts")
	ErrTimeout   = errors.New("took too long")
	ErrTransfer  = errors.New("the zone transfer failed")
	ErrOldSerial = errors.New("is an older edition")
	ErrNoCopy    = errors.New("no copy")
	ErrDamaged   = errors.New("the copy is damaged")
	ErrLocked    = errors.New("another process writes the copy")
)
