package rpz

// Newer reports whether serial a is newer than serial b (RFC 1982 §3.2). The
// serials of zones go round: 0 is newer than 4294967295. Of two that are half
// the way round apart neither is newer.
func Newer(a, b uint32) bool { return int32(a-b) > 0 }
