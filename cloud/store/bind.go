package store

import "strings"

// numbered rewrites $1 to ?1. SQLite takes $1 for a name and numbers names by their first appearance, so that "$2, $1"
// would swap its arguments without a word. Literals, quoted names and comments stay as they are.
func numbered(query string) string {
	if !strings.Contains(query, "$") {
		return query
	}
	var out strings.Builder
	out.Grow(len(query))
	for i := 0; i < len(query); {
		if n := quoted(query[i:]); n > 0 {
			out.WriteString(query[i : i+n])
			i += n
			continue
		}
		if query[i] == '$' && i+1 < len(query) && digit(query[i+1]) && (i == 0 || !word(query[i-1])) {
			out.WriteByte('?')
		} else {
			out.WriteByte(query[i])
		}
		i++
	}
	return out.String()
}

// quoted is the length of the literal, quoted name or comment that s begins with, 0 if it begins with none. A doubled
// quote inside a literal reads as two literals, which comes to the same.
func quoted(s string) int {
	var end string
	switch {
	case s[0] == '\'' || s[0] == '"':
		end = s[:1]
	case strings.HasPrefix(s, "--"):
		end = "\n"
	case strings.HasPrefix(s, "/*"):
		end = "*/"
	default:
		return 0
	}
	start := 1
	if end == "*/" {
		start = 2
	}
	n := strings.Index(s[start:], end)
	if n < 0 {
		return len(s)
	}
	return start + n + len(end)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func word(c byte) bool {
	return digit(c) || c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}
