//go:build !unix

package feed

// mapping is whether files can be mapped here.
const mapping = false
