package source

import "errors"

// Why a source has nothing to offer, to be tested with errors.Is. What is none
// of these comes from the network, TLS or the file system.
var (
	ErrStatus    = errors.New("the server answered with another status than 200")
	ErrContent   = errors.New("the server sent something that is no list")
	ErrEncoding  = errors.New("the compressed data cannot be read")
	ErrTooLarge  = errors.New("is too large")
	ErrRedirect  = errors.New("the server leads elsewhere in a way that is not followed")
	ErrPrivate   = errors.New("a private address that the configuration does not name")
	ErrTimeout   = errors.New("took too long")
	ErrTransfer  = errors.New("the zone transfer failed")
	ErrOldSerial = errors.New("the serial is older than the one at hand")
	ErrNoCopy    = errors.New("no copy")
	ErrDamaged   = errors.New("the copy is damaged")
	ErrLocked    = errors.New("another process writes the copy")
)
