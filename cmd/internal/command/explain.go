package command

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/gateway"
)

const (
	pageWidth = 100 // columns
	meansFrom = 4   // column of what is said of a device
)

// explainProbed prints each device with its registers: how they came, and beside each what it means.
func explainProbed(w io.Writer, found []gateway.Probed) {
	indent := strings.Repeat(" ", meansFrom)
	for i, p := range found {
		if i > 0 {
			fmt.Fprintln(w)
		}
		state := fmt.Sprintf("ok, turnaround %s", p.Turn.Round(100*time.Microsecond))
		if !p.OK {
			state = "failed"
		}
		said(w, meansFrom, "", fmt.Sprintf("%s on %s, port %s: %s", p.Device, p.Line, cmp.Or(p.Port, "none"), state))
		if p.Error != "" {
			said(w, meansFrom, indent, p.Error)
		}
		if what := reads(p); what != "" {
			said(w, meansFrom, indent, what)
		}
		if p.Configured != "" {
			said(w, meansFrom, indent, fmt.Sprintf("serial %s read, %s configured", cmp.Or(p.Serial, serialOf(p.Registers), "not"), p.Configured))
		}
		explainRegisters(w, p.Registers)
		for _, f := range p.Frames {
			said(w, meansFrom+5, indent+"->   ", f.Request)
			said(w, meansFrom+5, indent+"<-   ", cmp.Or(f.Answer, "nothing"))
			said(w, meansFrom+5, indent+"     ", f.Meaning)
		}
	}
}

// serialOf is the serial number as read, though the reading may be none.
func serialOf(values []modbus.RegisterValue) string {
	for _, v := range values {
		if v.Name == "serial" {
			return v.Number
		}
	}
	return ""
}

// explainRegisters prints a table; what a register means takes what is left of the page, in as many lines as it needs.
func explainRegisters(w io.Writer, values []modbus.RegisterValue) {
	if len(values) == 0 {
		return
	}
	rows := [][]string{{"REGISTER", "FN", "WIRE", "MANUAL", "WORDS", "TYPE", "NUMBER"}}
	means := []string{"MEANING"}
	for _, v := range values {
		rows = append(rows, []string{
			v.Name, strconv.Itoa(v.Function), strconv.Itoa(v.Wire), strconv.Itoa(v.Manual), cmp.Or(v.Words, "not read"),
			strings.TrimSpace(v.Type + " " + v.Order), v.Number,
		})
		means = append(means, v.Meaning)
	}
	from := meansFrom
	wide := make([]int, len(rows[0]))
	for i := range wide {
		for _, row := range rows {
			wide[i] = max(wide[i], len(row[i]))
		}
		from += wide[i] + 2
	}
	for i, row := range rows {
		line := strings.Repeat(" ", meansFrom)
		for j, cell := range row {
			line += fmt.Sprintf("%-*s  ", wide[j], cell)
		}
		said(w, min(from, pageWidth*3/4), line, means[i])
	}
}

// said prints a text behind a lead, broken between words where the page ends; further lines begin at a column.
func said(w io.Writer, from int, lead, text string) {
	line := lead
	for i, word := range strings.Fields(text) {
		if i > 0 && columns(line)+columns(word) > pageWidth {
			fmt.Fprintln(w, strings.TrimRight(line, " "))
			line = strings.Repeat(" ", from)
		}
		line += word + " "
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// columns is how wide a text is on a terminal.
func columns(s string) (n int) {
	for _, r := range s {
		if n++; r >= 0x1100 {
			n++
		}
	}
	return n
}
