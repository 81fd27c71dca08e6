// Package pagetest holds what the tests of every page built on package page check of its messages.
package pagetest

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/page"
)

// Words checks that both languages have every message of words/, that the package in the current folder uses each, by
// its whole id or by the part up to one of ends, and that each id which asked finds in its source exists: the id is
// what asked's groups give together.
func Words(t *testing.T, own fs.FS, ends string, asked *regexp.Regexp) {
	t.Helper()
	zh, en, src := messages(t, own, page.Chinese), messages(t, own, page.English), sources(t)
	for id := range zh {
		if en[id] == nil {
			t.Errorf("message %s has no English", id)
		}
		if !strings.Contains(src, `"`+id+`"`) && !strings.Contains(src, `"`+id[:strings.LastIndexAny(id, ends)+1]+`"`) {
			t.Errorf("message %s is used nowhere", id)
		}
	}
	for id := range en {
		if zh[id] == nil {
			t.Errorf("message %s has no Chinese", id)
		}
	}
	for _, m := range asked.FindAllStringSubmatch(src, -1) {
		if id := strings.Join(m[1:], ""); zh[id] == nil {
			t.Errorf("message %s is asked for and does not exist", id)
		}
	}
}

// Style checks what a machine can: no exclamation mark, a space between Chinese and Latin letters or digits.
func Style(t *testing.T, own fs.FS) {
	t.Helper()
	tight := regexp.MustCompile(`\p{Han}[A-Za-z0-9]|[A-Za-z0-9]\p{Han}`)
	for _, lang := range []page.Lang{page.Chinese, page.English} {
		for id, m := range messages(t, own, lang) {
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(string(text), "!！") {
				t.Errorf("%s in %s has an exclamation mark", id, lang)
			}
			if lang == page.Chinese && tight.Match(text) {
				t.Errorf("%s sets Chinese against Latin without a space: %s", id, text)
			}
		}
	}
}

// sources are the code and the templates of the package under test, without its tests.
func sources(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if text, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, "_test.go") {
				b.Write(text)
			}
		}
	}
	return b.String()
}

func messages(t *testing.T, own fs.FS, lang page.Lang) map[string]any {
	t.Helper()
	b, err := fs.ReadFile(own, "words/"+string(lang)+".json")
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
