// Package look holds what all pages of Lobby share: the style sheet, the icons, and the scripts that keep pages live; and
// what screens that people touch have beside it, screen.css and screen.js.
//
// A page gets the files handed in as an fs.FS and serves them from its own address, so that no page asks another host
// for anything. The classes a page may use are listed at the top of look.css; icons.svg is a sprite of symbols.
package look

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

//go:embed files
var files embed.FS

// FS returns the shared files: look.css, icons.svg, screen.css, screen.js, htmx.min.js, sse.js and the licences of the
// latter two.
func FS() fs.FS {
	sub, err := fs.Sub(files, "files")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	return sub
}

// Handler serves the files of fsys below prefix ("/look/"), by GET and HEAD, with an ETag so that a browser asks again
// but downloads once. A name that is not there, or a folder, is a 404.
func Handler(prefix string, fsys fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
			return
		}
		name, found := strings.CutPrefix(r.URL.Path, prefix)
		b, err := fs.ReadFile(fsys, name)
		if !found || err != nil {
			http.NotFound(w, r)
			return
		}
		sum := sha256.Sum256(b)
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sum[:12]))
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
	})
}
