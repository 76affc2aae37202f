package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

var errNone = errors.New("no answer")

// Unanswered reports whether an error of Ask says that there was no answer at all.
func Unanswered(err error) bool { return errors.Is(err, errNone) }

// Ask sends one query over "udp" or "tcp", and returns what is wrong with the answer,
// or that there was none in time.
func Ask(ctx context.Context, network string, addr netip.AddrPort, q Query, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr.String())
	if err != nil {
		return fmt.Errorf("%s: %w: %w", q.Name(), errNone, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var buffer [2 + bufferLen]byte
	const id = 0x2a2a
	n := q.put(buffer[2:], id, 0)
	sent := append([]byte(nil), buffer[2:2+n]...)
	message := buffer[2 : 2+n]
	if network == "tcp" { // RFC 1035 §4.2.2
		binary.BigEndian.PutUint16(buffer[:], uint16(n))
		message = buffer[:2+n]
	}
	if _, err := conn.Write(message); err != nil {
		return err
	}
	reply, err := receive(conn, network, buffer[:])
	if err != nil {
		return fmt.Errorf("%s: %w: %w", q.Name(), errNone, err)
	}
	if err := check(sent, reply, q.blocked); err != nil {
		return fmt.Errorf("%s: %w", q.Name(), err)
	}
	return nil
}

// receive reads one message.
func receive(conn io.Reader, network string, buffer []byte) ([]byte, error) {
	if network != "tcp" {
		n, err := conn.Read(buffer)
		return buffer[:n], err
	}
	if _, err := io.ReadFull(conn, buffer[:2]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(buffer))
	if n > len(buffer) {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	_, err := io.ReadFull(conn, buffer[:n])
	return buffer[:n], err
}
