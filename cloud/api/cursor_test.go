package api

import "testing"

// What is taken as a cursor is exactly what would be given for that place.
func FuzzCursor(f *testing.F) {
	f.Add(cursor{At: 7}.encode("events", "site-a"))
	f.Add(cursor{At: 1, ID: "p-1"}.encode("events", "site-a"))
	f.Add(cursor{At: 7}.encode("events", "site-b"))
	f.Add("AT8nG7oB3aWKAAAAAAAAAA0")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text, "events", "site-a")
		if err == nil && text != "" && c.encode("events", "site-a") != text {
			t.Errorf("parseCursor(%q) = %+v, which encodes otherwise", text, c)
		}
		if _, err := parseCursor(c.encode("events", "site-b"), "events", "site-a"); err == nil {
			t.Errorf("a cursor of another list is taken: %+v", c)
		}
	})
}
