package rpz

import (
	"math"
	"testing"
)

func TestNewer(t *testing.T) {
	const half = 1 << 31
	tests := []struct {
		a, b uint32
		want bool
	}{
		{1, 0, true},
		{0, 1, false},
		{0, 0, false},
		{2026112202, 2026112201, true},
		{0, math.MaxUint32, true},
		{math.MaxUint32, 0, false},
		{half - 1, 0, true},
		{0, half - 1, false},
		{half, 0, false}, // not defined by the RFC, so neither is newer
		{0, half, false},
		{half + 1, 0, false},
		{0, half + 1, true},
		{44, 2147483693, true}, // past the end, by way of half
	}
	for _, tt := range tests {
		if got := Newer(tt.a, tt.b); got != tt.want {
			t.Errorf("Newer(%d, %d) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}
