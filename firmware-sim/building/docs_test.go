package building

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table in docs/simulator.md")

// The page's table is that of the code.
func TestDocsShowEveryAction(t *testing.T) {
	const path, begin, end = "../../docs/simulator.md", "-update -->\n", "<!-- /actions -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, found := strings.Cut(rest, end)
	if !ok || !found {
		t.Fatalf("%s has no place for the table", path)
	}
	var table strings.Builder
	table.WriteString("\n| of | action | | options | ended by |\n|---|---|---|---|---|\n")
	for _, a := range Actions() {
		undo := a.EndedBy()
		if undo != "" {
			undo = "`" + undo + "`"
		}
		fmt.Fprintf(&table, "| %s | `%s` | %s, %s | %s | %s |\n", a.Kind.one(), a.Name, a.ZH, a.EN, a.Options(), undo)
	}
	want := before + begin + table.String() + "\n" + end + after
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatalf("the table in %s is another one than Actions(): go test ./firmware-sim/building -run TestDocs -update", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
