package list

import (
	"bufio"
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"github.com/nonudify/nonudify/plugin/dnsname"
)

// ErrTooLarge says that a list does not fit into a constant database.
var ErrTooLarge = errors.New("too large for a constant database, which has at most 4 GiB")

// A constant database (cr.yp.to/cdb/cdb.txt) is 256 pointers, then the records,
// then 256 hash tables. A record is the lengths of its key and of its value, then
// the two; a pointer is where a table begins and how many slots it has, of which
// half are used; a slot is the hash of a key and where its record begins. All
// numbers are 32 bits, the least significant byte first.
const (
	cdbTables  = 256
	cdbRecords = 8 * cdbTables // where they begin
)

// The values, and the key of the list's header, which is no name: the length of
// its first label would be 104 (RFC 1035 §2.3.4).
var (
	cdbBlock  = []byte("block")
	cdbPass   = []byte("pass")
	cdbHeader = []byte("header")
)

// cdbLayout says where the tables of a database are.
type cdbLayout struct {
	names [cdbTables]uint64 // records in each table
	end   uint64            // of the records
}

// add enters a record.
func (y *cdbLayout) add(key, value []byte) {
	y.names[cdbHash(key)%cdbTables]++
	y.end += uint64(8 + len(key) + len(value))
}

// size returns the length of the file.
func (y *cdbLayout) size() uint64 {
	n := y.end
	for _, count := range y.names {
		n += 8 * 2 * count
	}
	return n
}

// cdbHash is the hash of a key.
func cdbHash(key []byte) uint32 {
	h := uint32(5381)
	for _, c := range key {
		h = h<<5 + h ^ uint32(c)
	}
	return h
}

// database writes a constant database: its keys are names on the wire, its values
// "block" and "pass", and each means the name and what is below it. The longest one
// counts, which is the one that dnsdist finds first.
func (l listing) database(out *bufio.Writer) (done Written, err error) {
	var y cdbLayout
	y.end = cdbRecords
	done.Loss, done.Idle, err = l.records(func(key, value []byte) error {
		done.Rules++
		y.add(key, value)
		return nil
	})
	if err = done.check(err); err != nil {
		return done, err
	}
	header, err := l.header("#", done)
	if err != nil {
		return done, err
	}
	y.add(cdbHeader, header)
	if y.size() > math.MaxUint32 {
		return done, ErrTooLarge
	}
	at := y.end
	for _, n := range y.names {
		cdbPair(out, uint32(at), uint32(2*n))
		at += 8 * 2 * n
	}
	if err := l.writeRecords(out, header); err != nil {
		return done, err
	}
	return done, l.writeTables(out, &y, header)
}

// maxWire is the length of the longest name in octets on the wire (RFC 1035 §2.3.4).
const maxWire = 255

// records calls f with the key and the value of each name. They are valid until
// it returns.
func (l listing) records(f func(key, value []byte) error) (lost Loss, idle int, err error) {
	var buf [maxWire]byte
	return l.nodes(func(n node) error {
		value := cdbBlock
		if n.pass != 0 {
			value = cdbPass
		}
		return f(wireName(buf[:0], n.name), value)
	})
}

// wireName appends a name as it is on the wire (RFC 1035 §3.1).
func wireName(dst []byte, name dnsname.Name) []byte {
	for label := range strings.SplitSeq(string(name), ".") {
		dst = append(dst, byte(len(label)))
		dst = append(dst, label...)
	}
	return append(dst, 0)
}

// cdbPair writes two numbers.
func cdbPair(out *bufio.Writer, a, b uint32) error {
	pair := binary.LittleEndian.AppendUint32(out.AvailableBuffer(), a)
	_, err := out.Write(binary.LittleEndian.AppendUint32(pair, b))
	return err
}

// writeRecords writes the records, that of the header first.
func (l listing) writeRecords(out *bufio.Writer, header []byte) error {
	write := func(key, value []byte) error {
		cdbPair(out, uint32(len(key)), uint32(len(value)))
		out.Write(key)
		_, err := out.Write(value)
		return err
	}
	if err := write(cdbHeader, header); err != nil {
		return err
	}
	_, _, err := l.records(write)
	return err
}

// cdbSlot is a used slot of a table.
type cdbSlot struct{ hash, at uint32 }

// writeTables writes the tables, as many in a round as hold a share of the records.
func (l listing) writeTables(out *bufio.Writer, y *cdbLayout, header []byte) error {
	for first := 0; first < cdbTables; {
		last, held := first, uint64(0)
		for ; last < cdbTables && (last == first || held+y.names[last] <= uint64(share)); last++ {
			held += y.names[last]
		}
		tables, err := l.slots(first, last, header)
		if err != nil {
			return err
		}
		for _, slots := range tables {
			if err := writeTable(out, slots); err != nil {
				return err
			}
		}
		first = last
	}
	return nil
}

// slots returns the used slots of some tables in the order of their records.
func (l listing) slots(first, last int, header []byte) ([][]cdbSlot, error) {
	tables := make([][]cdbSlot, last-first)
	at := uint32(cdbRecords)
	add := func(key, value []byte) error {
		h := cdbHash(key)
		if i := int(h % cdbTables); first <= i && i < last {
			tables[i-first] = append(tables[i-first], cdbSlot{h, at})
		}
		at += uint32(8 + len(key) + len(value))
		return nil
	}
	add(cdbHeader, header)
	_, _, err := l.records(add)
	return tables, err
}

// writeTable writes one table. A slot that is taken moves a record on to the next.
func writeTable(out *bufio.Writer, slots []cdbSlot) error {
	table := make([]cdbSlot, 2*len(slots))
	for _, s := range slots {
		i := int(s.hash / cdbTables % uint32(len(table)))
		for table[i].at != 0 {
			i = (i + 1) % len(table)
		}
		table[i] = s
	}
	for _, s := range table {
		if err := cdbPair(out, s.hash, s.at); err != nil {
			return err
		}
	}
	return nil
}
