package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever stands in a file, reading it ends: it is a recording, or one error that names the file.
func FuzzReplay(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add([]byte(text))
	}
	f.Add([]byte("\n---\n# lobby recording 1\n"))
	f.Add([]byte("# profile ../x| y\n\n---\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		said, err := Replay("f.rec", text)
		if err != nil && (!errors.Is(err, ErrRecording) || !strings.HasPrefix(err.Error(), "f.rec:")) {
			t.Errorf("Replay = %v; want an ErrRecording of f.rec", err)
		}
		for _, c := range said.Concluded {
			if c.Now == 0 {
				t.Errorf("concluded nothing of %+v", c)
			}
		}
	})
}

// seeds are the recordings of the command's scripts.
func seeds(f *testing.F) []string {
	f.Helper()
	text, err := os.ReadFile(filepath.Join("..", "cmd", "internal", "command", "testdata", "script", "replay.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	var all []string
	for _, file := range strings.Split(string(text), "\n-- ")[1:] {
		_, body, _ := strings.Cut(file, " --\n")
		all = append(all, body)
	}
	return all
}
