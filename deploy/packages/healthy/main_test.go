package main

import (
	"net"
	"testing"
	"time"
)

// TestAsk takes any answer to its own question, and nothing else, for a sign of health.
func TestAsk(t *testing.T) {
	for name, test := range map[string]struct {
		reply   func(question []byte) []byte
		within  time.Duration
		healthy bool
	}{
		"refused": {func(q []byte) []byte { q[2], q[3] = 0x80, 0x05; return q }, 10 * time.Second, true},
		"another": {func(q []byte) []byte { q[0], q[2] = q[0]+1, 0x80; return q }, 10 * time.Second, false},
		"echo":    {func(q []byte) []byte { return q }, 10 * time.Second, false},
		"short":   {func(q []byte) []byte { q[2] = 0x80; return q[:11] }, 10 * time.Second, false},
		"silence": {nil, 10 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() {
				buf := make([]byte, 512)
				n, from, err := conn.ReadFrom(buf)
				if err == nil && test.reply != nil {
					conn.WriteTo(test.reply(buf[:n]), from)
				}
			}()
			if err := ask(conn.LocalAddr().String(), test.within); (err == nil) != test.healthy {
				t.Errorf("healthy %v: %v", test.healthy, err)
			}
		})
	}
}
