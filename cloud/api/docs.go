package api

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var pages embed.FS

// operation is one route as the page shows it.
type operation struct {
	Method, Path string
	*huma.Operation
}

// docs is a page that shows the API: made here, from the same description as /openapi.yaml, without a script and without
// another host.
func (a *API) docs() http.Handler {
	page := template.Must(template.New("docs.html").Funcs(template.FuncMap{"schema": schemaName, "code": codeIn}).ParseFS(pages, "docs.html"))
	var all []operation
	for path, item := range a.huma.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodDelete: item.Delete} {
			if op != nil {
				all = append(all, operation{method, path, op})
			}
		}
	}
	slices.SortFunc(all, func(x, y operation) int {
		return strings.Compare(x.Path+" "+x.Method, y.Path+" "+y.Method)
	})
	var b bytes.Buffer
	err := page.Execute(&b, map[string]any{
		"Info": a.huma.OpenAPI().Info, "Operations": all, "Schemas": a.huma.OpenAPI().Components.Schemas.Map(), "Problems": problems(),
	})
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			a.Log.Error("page of the API not made", "err", err)
			http.Error(w, "see /openapi.yaml", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'")
		_, _ = w.Write(b.Bytes()) // a failed write means that the reader has left
	})
}

type shownProblem struct {
	Code          Code
	Status        int
	Title, ZH, EN string
}

func problems() []shownProblem {
	var all []shownProblem
	for c, m := range meanings() {
		all = append(all, shownProblem{c, m.status, m.title, m.zh, m.en})
	}
	slices.SortFunc(all, func(x, y shownProblem) int { return strings.Compare(string(x.Code), string(y.Code)) })
	return all
}

// schemaName is what a schema is called on the page.
func schemaName(s *huma.Schema) string {
	switch {
	case s == nil:
		return "any"
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Type == huma.TypeArray:
		return "list of " + schemaName(s.Items)
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	case s.Type == "":
		return "any"
	}
	return s.Type
}

// piece is a stretch of prose or of code.
type piece struct {
	Text string
	Code bool
}

// codeIn parts prose at its backticks.
func codeIn(prose string) []piece {
	var all []piece
	for i, text := range strings.Split(prose, "`") {
		all = append(all, piece{text, i%2 == 1})
	}
	return all
}
