package dnsname

// other marks a byte that no Name can hold. It is a byte of that kind itself,
// so that a folded query name with it can equal no Name.
const other = 0

// fold maps each byte to its canonical one: letters to lower case, digits,
// hyphen, underscore and dot to themselves, all else to other.
var fold = foldTable()

func foldTable() (t [256]byte) {
	for c := range len(t) {
		switch b := byte(c); {
		case 'A' <= b && b <= 'Z':
			t[c] = b + 'a' - 'A'
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9', b == '-', b == '_', b == '.':
			t[c] = b
		}
	}
	return t
}

// Fold writes the canonical form of a query name in presentation form, as the
// DNS library hands it out, into dst and returns its length: one byte for each
// octet of the name, labels joined by dots, no trailing dot. An octet that no
// Name can hold, an escaped dot among them, becomes a byte that no Name holds,
// so labels stay apart where the wire kept them apart. The root has length 0.
// A text that is no name of at most 255 octets returns -1: there is nothing to
// match.
func Fold(dst *[MaxLen]byte, qname string) int {
	n := len(qname)
	if n > 0 && qname[n-1] == '.' {
		n-- // where that dot is an escaped one, the loop meets a lone backslash
	}
	w := 0
	for i := 0; i < n; w++ {
		if w == MaxLen {
			return -1
		}
		c := qname[i]
		if c == '\\' {
			e, k := escape(qname[i:n])
			if k == 0 {
				return -1
			}
			if e == '.' {
				e = other
			}
			dst[w] = fold[e]
			i += k
			continue
		}
		dst[w] = fold[c]
		i++
	}
	return w
}

// Suffix returns the rightmost labels of a query name in presentation form, in
// the letter case that it has there: Suffix("WWW.Example.ORG.", 2) is
// "Example.ORG.". It returns all of qname when that has no more labels.
func Suffix(qname string, labels int) string {
	end := len(qname)
	if end > 0 && qname[end-1] == '.' {
		end--
	}
	for i := end - 1; i >= 0; i-- {
		if qname[i] == '.' && !escaped(qname, i) {
			if labels--; labels == 0 {
				return qname[i+1:]
			}
		}
	}
	return qname
}

// escaped reports whether the byte at i is the second of an escape sequence: an
// odd number of backslashes stands before it.
func escaped(s string, i int) bool {
	odd := false
	for i--; i >= 0 && s[i] == '\\'; i-- {
		odd = !odd
	}
	return odd
}
