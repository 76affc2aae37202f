//go:build !unix

package source

import "os"

// syncDir does nothing: Windows cannot sync a directory. NTFS writes renames to
// its journal in their order, so that a power cut may lose the last one but never
// leaves half a file.
func syncDir(*os.Root) error { return nil }
