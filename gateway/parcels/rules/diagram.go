package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Page is docs/parcels.md: both machines as diagrams, printed from the tables.
func Page() string {
	var b strings.Builder
	b.WriteString(`# Parcels and compartments

The gateway owns both machines. They are printed from the tables in gateway/parcels/rules
(` + "`go test ./gateway/parcels/rules -update`" + `); a move that is not here cannot happen. A move and its event commit in one
transaction, before anything is seen of it. Behind a move stands for which purpose it holds, if not for all.

## Compartment

"As before" is what the compartment was before it was opened: its door did not open. What a restart finds is in a table of
its own; it never opens anything.

`)
	var lines []string
	for _, m := range compartmentMoves {
		if restart(m.On) || m.On == ServiceChange {
			continue
		}
		to := string(m.To)
		if m.To == asBefore {
			to = "as_before"
		}
		lines = append(lines, edge(string(m.From), to, string(m.On), string(m.For)))
	}
	diagram(&b, lines)
	b.WriteString("\n| Found at the start | Door | Purpose | Becomes |\n|---|---|---|---|\n")
	for _, m := range compartmentMoves {
		if restart(m.On) {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.From, strings.TrimPrefix(string(m.On), "restart_"), orAny(string(m.For)), m.To)
		}
	}
	b.WriteString("\n`after`: closed, and its parcel counts as collected. `empty`: closed, and the sensor says empty.\n\n## Parcel\n\n")
	lines = nil
	for _, m := range parcelMoves {
		if strings.HasPrefix(string(m.On), "restart_") {
			continue
		}
		from := string(m.From)
		if m.From == None {
			from = "[*]"
		}
		lines = append(lines, edge(from, string(m.To), string(m.On), ""))
	}
	diagram(&b, lines)
	b.WriteString("\n| Found at the start | Door | Becomes |\n|---|---|---|\n")
	for _, m := range parcelMoves {
		if on, ok := strings.CutPrefix(string(m.On), "restart_"); ok && m.From != m.To {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", m.From, on, m.To)
		}
	}
	b.WriteString("\nEvery other state is found as it was. `none`: the intent was never committed.\n")
	return b.String()
}

func restart(on Turn) bool { return strings.HasPrefix(string(on), "restart_") }

func orAny(s string) string {
	if s == "" {
		return "any"
	}
	return s
}

func edge(from, to, on, purpose string) string {
	if purpose != "" {
		on += " (" + purpose + ")"
	}
	return fmt.Sprintf("    %s --> %s: %s\n", from, to, on)
}

func diagram(b *strings.Builder, lines []string) {
	b.WriteString("```mermaid\nstateDiagram-v2\n" + strings.Join(slices.Compact(lines), "") + "```\n")
}
