package kiosk

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

// sources are the code and the templates of this package, without its tests.
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

func messages(t *testing.T, lang page.Lang) map[string]any {
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

func TestWordsAreWholeAndUsed(t *testing.T) {
	zh, en, src := messages(t, page.Chinese), messages(t, page.English), sources(t)
	for id := range zh {
		if en[id] == nil {
			t.Errorf("message %s has no English", id)
		}
		// Used by its whole id, or by the part before its last word: Say("size." + size).
		if !strings.Contains(src, `"`+id+`"`) && !strings.Contains(src, `"`+id[:strings.LastIndexAny(id, "._")+1]+`"`) {
			t.Errorf("message %s is used nowhere", id)
		}
	}
	for id := range en {
		if zh[id] == nil {
			t.Errorf("message %s has no Chinese", id)
		}
	}
	for _, m := range regexp.MustCompile(`Say\(?\s?"([a-z_.A-Z]+[a-zA-Z])"|message: "([a-z_.]+)"`).FindAllStringSubmatch(src, -1) {
		if id := m[1] + m[2]; zh[id] == nil {
			t.Errorf("message %s is asked for and does not exist", id)
		}
	}
}

// What a machine can check of the style: no exclamation mark, a space between Chinese and Latin letters or digits.
func TestWordsKeepTheStyle(t *testing.T) {
	tight := regexp.MustCompile(`\p{Han}[A-Za-z0-9]|[A-Za-z0-9]\p{Han}`)
	for _, lang := range []page.Lang{page.Chinese, page.English} {
		for id, m := range messages(t, lang) {
			text, _ := json.Marshal(m)
			if strings.ContainsAny(string(text), "!！") {
				t.Errorf("%s in %s has an exclamation mark", id, lang)
			}
			if lang == page.Chinese && tight.Match(text) {
				t.Errorf("%s sets Chinese against Latin without a space: %s", id, text)
			}
		}
	}
}
