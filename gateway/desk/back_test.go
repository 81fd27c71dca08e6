package desk

import (
	"strings"
	"testing"
)

// A change of the language leads back to the page that was read, and nowhere else.
func TestLanguageLeadsBack(t *testing.T) {
	b := open(t)
	b.signIn()
	for back, page := range map[string]string{
		"/shelf": "shelf", "/time": "time", "/door/A-6": "door", "/doors": "doors", "/doors/pool": "entrance", "/doors/pool/open": "list", "": "list", "//evil.example": "list", "/door/../signout": "list",
		"https://evil.example/": "list", "/door/a\\b": "list",
	} {
		b.post("/language", "lang", "en", "back", back)
		b.want(303, "page", page)
		if !strings.Contains(b.body, `lang="en"`) {
			t.Errorf("back to %q: not in English", back)
		}
	}
}

// What was done is said once, and only what the desk itself says.
func TestDoneIsSaid(t *testing.T) {
	b := open(t)
	b.signIn()
	b.post("/shelf/p-9", "what", "handed", "pin", "", "reason", "resident")
	b.want(303, "page", "shelf")
	if !strings.Contains(b.body, "已記錄") {
		t.Error("nothing says that it was recorded")
	}
	b.get("/shelf?done=elsewhere")
	if strings.Contains(b.body, `role="status"`) {
		t.Error("a foreign word is said")
	}
}

// A new code is shown once: no button of that page leads away from it but the tabs.
func TestNewCodeStaysOnThePage(t *testing.T) {
	b := open(t)
	b.signIn()
	b.post("/households/code", "unit", "A-12-3", "reason", "resident", "code", "11112222")
	if !strings.Contains(b.body, "data-new-code") || strings.Contains(b.body, `action="/language"`) {
		t.Error("the page of a new code can be left by mistake")
	}
}

func TestNameOfADoor(t *testing.T) {
	for id, want := range map[string]string{"A-2": "A-02", "A-17": "A-17", "B-2-3": "B-2-03", "7": "7", "A-": "A-"} {
		if got := (&view{}).Name(id); got != want {
			t.Errorf("Name(%q) = %q; want %q", id, got, want)
		}
	}
}
