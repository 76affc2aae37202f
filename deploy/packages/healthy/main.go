// Command healthy is the health check of the container image, which has no shell: exit
// code 0 if a resolver answers on 127.0.0.1, port 1053, or on the address that is given.
// It asks for a name of another class than IN, which CoreDNS refuses by itself: nobody
// else is asked, and an upstream that is down is no reason to end a resolver that still
// denies what it should.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

// question is "version.bind. CH TXT" (RFC 1035, section 4; RFC 4892, section 2).
const question = "\x4e\x55\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03"

func main() {
	address := "127.0.0.1:1053"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if err := ask(address, 3*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "healthy:", err)
		os.Exit(1)
	}
}

// ask returns no error if an answer comes in time, whatever it says.
func ask(address string, within time.Duration) error {
	conn, err := net.DialTimeout("udp", address, within)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(question)); err != nil {
		return err
	}
	buf := make([]byte, 512)
	n, err := conn.Read(buf)
	if err != nil {
		return err
	}
	if n < 12 || string(buf[:2]) != question[:2] || buf[2]&0x80 == 0 {
		return fmt.Errorf("%s sent something else than an answer", address)
	}
	return nil
}
