//go:build !unix && !windows

package pace

import "time"

// processorTime returns 0: nobody knows, and nobody serves queries there.
func processorTime() time.Duration { return 0 }
