package store

import "testing"

func TestNumbered(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"order", "SELECT $2, $1", "SELECT ?2, ?1"},
		{"two digits", "VALUES ($10,$11)", "VALUES (?10,?11)"},
		{"literal", "SELECT '$1', $1", "SELECT '$1', ?1"},
		{"doubled quote", "SELECT 'it''s $1', $1", "SELECT 'it''s $1', ?1"},
		{"quoted name", `SELECT "a$1" FROM t WHERE b=$1`, `SELECT "a$1" FROM t WHERE b=?1`},
		{"line comment", "SELECT $1 -- '$2\n, $2", "SELECT ?1 -- '$2\n, ?2"},
		{"block comment", "SELECT /* '$1 */ $1", "SELECT /* '$1 */ ?1"},
		{"inside a word", "SELECT a$1", "SELECT a$1"},
		{"dollar alone", "SELECT $ || $a", "SELECT $ || $a"},
		{"open literal", "SELECT '$1", "SELECT '$1"},
		{"path of JSON", "SELECT json_extract(a, '$.b[1]') = $1", "SELECT json_extract(a, '$.b[1]') = ?1"},
	}
	for _, tt := range tests {
		if got := numbered(tt.in); got != tt.want {
			t.Errorf("%s: numbered(%q) = %q; want %q", tt.name, tt.in, got, tt.want)
		}
	}
}
