package command

import (
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers/modbus"
	"github.com/ntpc-smart-community/lobby/gateway"
)

// The widest that a register can be stays on a page, and no word of its meaning is lost.
func TestExplainedFitsThePage(t *testing.T) {
	litres := int64(9007199254740993)
	long := strings.Repeat("total (function 3, register 65530) reads absent: check that it is a meter ", 4)
	var b strings.Builder
	explainProbed(&b, []gateway.Probed{
		{Device: "meter/m-1", Line: "meters-1", OK: true, Turn: 5 * time.Millisecond, Serial: "10000101", Configured: "10000101", Litres: &litres, Registers: []modbus.RegisterValue{
			{Name: "total", Function: 3, Wire: 65530, Manual: 65531, Words: "0090 0719 9254 7409", Type: "bcd16", Order: "ABCDEFGH", Number: "9007199254740993", Litres: &litres, Meaning: "x 1/10 l = 900719925474099 l = 900719925474.099 度"},
			{Name: "second_scale", Function: 4, Wire: 1, Manual: 1, Type: "int16", Order: "AB", Meaning: long},
		}},
		{Device: "meter/m-2", Line: "meters-1", Configured: "10000102", Error: long},
	})
	text := b.String()
	for line := range strings.Lines(text) {
		if n := columns(strings.TrimRight(line, "\n")); n > pageWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{
		"meter/m-1 on meters-1, port none: ok, turnaround 5ms\n", "    serial 10000101 read, 10000101 configured\n", "    serial not read, 10000102 configured\n",
		"REGISTER      FN  WIRE   MANUAL  WORDS", "total         3   65530  65531   0090 0719 9254 7409  bcd16 ABCDEFGH  9007199254740993", "not read",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if got, want := strings.Count(text, "absent:"), 8; got != want {
		t.Errorf("%d of %d sentences are there", got, want)
	}
}
