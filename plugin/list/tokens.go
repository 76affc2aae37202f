package list

// tokenise splits one line into the tokens of a zone file (RFC 1035 §5.1) and
// appends them to dst: words, quoted strings without their quotes, nothing of a
// comment. Escapes are left as they are. depth is the number of parentheses
// that are open before the line, and after it; ok is false when the line cannot
// be a part of a record.
func tokenise(dst [][]byte, depth int, text []byte) (tokens [][]byte, after int, ok bool) {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\f', '\v':
			i++
		case ';':
			return dst, depth, true
		case '(':
			depth++
			i++
		case ')':
			if depth--; depth < 0 {
				return dst, depth, false
			}
			i++
		case '"':
			n := quoted(text[i:])
			if n == 0 {
				return dst, depth, false
			}
			dst = append(dst, text[i+1:i+n-1])
			i += n
		default:
			n := word(text[i:])
			dst = append(dst, text[i:i+n])
			i += n
		}
	}
	return dst, depth, true
}

// quoted returns the length of the quoted string that text begins with, 0 when
// it does not end on its line: a forgotten quote must not swallow the file.
func quoted(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// ends marks the bytes that end a word.
var ends = byteSet(" \t\r\f\v;()\"")

// word returns the length of the word that text begins with.
func word(text []byte) int {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case ends[c]:
			return i
		case c == '\\' && i+1 < len(text):
			i++
		}
	}
	return len(text)
}
