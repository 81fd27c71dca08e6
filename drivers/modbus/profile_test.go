package modbus

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
)

func shippedProfile(t testing.TB, name string) *Profile {
	t.Helper()
	p, err := Shipped(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// placed is a profile for its first channel, with nothing left to the site.
func placed(t testing.TB, p *Profile) *layout {
	t.Helper()
	l, faults := p.place(0, Site{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return l
}

func TestShippedProfiles(t *testing.T) {
	if got, want := Profiles(), []string{"ek2x0", "ek2x0-bcd", "flowsic500", "fuxin", "g4", "pcd7-h104d", "pulse", "pulse-cdab", "vmu-mc"}; !slices.Equal(got, want) {
		t.Errorf("Profiles() = %v; want %v", got, want)
	}
	for _, name := range Profiles() {
		if p := shippedProfile(t, name); p.Name != name || p.Vendor == "" || p.Model == "" || len(p.Sources) == 0 {
			t.Errorf("%s: %+v; want who made it and where the map is from", name, p)
		}
	}
	if _, err := Shipped("g5"); err == nil || !strings.Contains(err.Error(), "g4") {
		t.Errorf("Shipped(g5) = %v; want an error that lists the names", err)
	}
	g4 := shippedProfile(t, "g4")
	if g4.Qmax != 6000 || g4.Baud != 9600 || g4.Parity != bus.ParityNone || g4.StopBits != 1 || g4.Quantity != "actual" {
		t.Errorf("g4 = %+v; want 6000 l/h, 9600 8N1, actual", g4)
	}
}

// The example of docs/modbus.md is a profile.
func TestTheDocumentsExample(t *testing.T) {
	doc, err := os.ReadFile("../../docs/modbus.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	p, err := ParseProfile("example", []byte(example))
	if !found || err != nil || len(placed(t, p).requests) != 2 {
		t.Fatalf("ParseProfile(the example) = %+v, %v; want two requests", p, err)
	}
	for _, proof := range p.Prove(t.Context()) {
		if len(proof.Faults) > 0 {
			t.Errorf("%s: %v", proof.Transcript.Name, proof.Faults)
		}
	}
}

// at is an address that a site gives.
func at(n int) *int { return &n }

// everySite is what a site says of each profile that ships.
var everySite = map[string]Site{
	"ek2x0": {Total: at(500), Serial: at(510)}, "ek2x0-bcd": {Total: at(500), Serial: at(504), ScaleOf: "1/10"},
	"pcd7-h104d": {ScaleOf: "1000"}, "vmu-mc": {ScaleOf: "10"}, "pulse": {Total: at(7), ScaleOf: "100"}, "pulse-cdab": {Total: at(7), ScaleOf: "10"},
}

// What a map lets one request read, one request reads.
func TestRequestsAreAsFewAsCanBe(t *testing.T) {
	for _, c := range []struct {
		name    string
		channel int
		want    []span
		needed  int
	}{
		{"g4", 0, []span{{3, 0, 6}}, 1},
		{"flowsic500", 0, []span{{3, 4100, 4}, {3, 3110, 2}, {3, 4106, 2}}, 2},
		{"fuxin", 0, []span{{3, 10, 20}}, 1},
		{"ek2x0", 0, []span{{3, 500, 3}, {3, 510, 2}}, 2},
		{"ek2x0-bcd", 0, []span{{3, 500, 6}}, 1}, // the site has set them side by side
		{"pcd7-h104d", 1, []span{{3, 28, 12}, {3, 2, 1}}, 2},
		{"pcd7-h104d", 4, []span{{3, 28, 12}, {3, 2, 1}}, 2},
		{"vmu-mc", 0, []span{{3, 0, 2}}, 1},
		{"pulse", 0, []span{{3, 7, 2}}, 1},
		{"pulse-cdab", 0, []span{{3, 7, 2}}, 1},
	} {
		l, faults := shippedProfile(t, c.name).place(c.channel, everySite[c.name])
		if len(faults) > 0 || !slices.Equal(l.requests, c.want) || l.needed != c.needed {
			t.Errorf("%s reads %+v, %d of them for a reading, faults %v; want %+v, %d", c.name, l.requests, l.needed, faults, c.want, c.needed)
		}
	}
	p, err := ParseProfile("x", []byte(profile("base: 1", `
  - {name: total, function: 3, address: 11, type: uint32, order: CDAB, scale: 1}
  - {name: status, function: 3, address: 13, type: uint16}
  - {name: serial, function: 4, address: 14, type: uint16}
  - {name: scale, function: 3, address: 15, type: uint16}`)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := placed(t, p).requests, []span{{3, 10, 3}, {3, 14, 1}, {4, 13, 1}}; !slices.Equal(got, want) {
		t.Errorf("requests = %+v; want %+v", got, want)
	}
}

// What a device with several counters has in common is read with each of them.
func TestChannels(t *testing.T) {
	p, err := ParseProfile("x", []byte(profile("channels: 3", `
  - {name: total, function: 4, address: 100, step: 2, type: uint32, order: ABCD, scale: 1}
  - {name: divisor, function: 4, address: 106, step: 1, type: uint16}
  - {name: serial, function: 3, address: 0, type: uint32, order: ABCD}`)))
	if err != nil {
		t.Fatal(err)
	}
	for channel, want := range [][]span{{{3, 0, 2}, {4, 100, 2}, {4, 106, 1}}, {{3, 0, 2}, {4, 100, 2}, {4, 106, 1}}, {{3, 0, 2}, {4, 102, 2}, {4, 107, 1}}, {{3, 0, 2}, {4, 104, 2}, {4, 108, 1}}} {
		if l, faults := p.place(channel, Site{}); len(faults) > 0 || !slices.Equal(l.requests, want) {
			t.Errorf("channel %d reads %+v, %v; want %+v", channel, l.requests, faults, want)
		}
	}
}

// invariant 9: what the profile leaves to the site must be given, and what it does not may not be.
func TestCheckSite(t *testing.T) {
	mine, err := ParseProfile("mine", []byte(profile("base: 1", `
  - {name: total, function: 3, address: site, type: uint32, order: ABCD, scale: site, rollover: 100000000}
  - {name: scale, function: 3, address: site, type: uint16}
  - {name: status, function: 3, address: 90, type: uint16}`)))
	if err != nil {
		t.Fatal(err)
	}
	good := Site{Total: at(1), Scale: at(3), ScaleOf: "1/10"}
	for _, c := range []struct {
		name    string
		profile *Profile
		channel int
		edit    func(*Site)
		want    []string
	}{
		{"good", mine, 1, func(*Site) {}, nil},
		{"the last registers", mine, 0, func(s *Site) { s.Total = at(65535) }, nil},
		{"nothing", mine, 0, func(s *Site) { *s = Site{} }, []string{
			"registers.total: missing; somebody has set it in the device; write its address, counted from 1", "registers.scale: missing; ", "scale: missing; write the litres of a count"}},
		{"below base", mine, 0, func(s *Site) { s.Total = at(0) }, []string{"registers.total: 0; addresses are 1 to 65535; "}},
		{"past the end", mine, 0, func(s *Site) { s.Total = at(65536) }, []string{"registers.total: 65536; "}},
		{"two in one place", mine, 0, func(s *Site) { s.Scale = at(2) }, []string{"registers.scale: overlaps the total; "}},
		{"on another", mine, 0, func(s *Site) { s.Total = at(89) }, []string{"registers.status: overlaps the total; "}},
		{"not left to it", mine, 0, func(s *Site) { s.Status = at(9) }, []string{"registers.status: profile mine leaves no such address to the site; remove it"}},
		{"not there", mine, 0, func(s *Site) { s.Serial = at(9) }, []string{"registers.serial: profile mine leaves no such address"}},
		{"no fraction", mine, 0, func(s *Site) { s.ScaleOf = "0.1" }, []string{`scale: "0.1"; write a fraction`}},
		{"between litres", mine, 0, func(s *Site) { s.ScaleOf = "1/3" }, []string{"scale: the 100000000 counts before it rolls over are no whole litres; "}},
		{"channel", mine, 2, func(*Site) {}, []string{"channel: 2; mine has channels 1 to 1; "}},
		{"channel of four", shippedProfile(t, "pcd7-h104d"), 5, func(s *Site) { *s = Site{ScaleOf: "1000"} }, []string{"channel: 5; pcd7-h104d has channels 1 to 4; "}},
		{"scale twice", shippedProfile(t, "g4"), 0, func(s *Site) { *s = Site{ScaleOf: "1"} }, []string{"scale: profile g4 says it already; remove it"}},
	} {
		site := good
		c.edit(&site)
		faults := c.profile.CheckSite(c.channel, site)
		if len(faults) != len(c.want) {
			t.Errorf("%s: CheckSite() = %v; want %d faults", c.name, faults, len(c.want))
			continue
		}
		for i, f := range faults {
			if !strings.HasPrefix(f.Error(), c.want[i]) {
				t.Errorf("%s: CheckSite() = %q; want %q", c.name, f, c.want[i])
			}
		}
	}
}

// profile is a small profile with one line changed or added at the top, and its registers.
func profile(line, registers string) string {
	top := "vendor: v\nmodel: m\nsources: [s]\nstatus: verified\nbase: 0\nquantity: actual\n"
	if key, _, ok := strings.Cut(line, ":"); ok {
		top = regexp.MustCompile(`(?m)^`+key+`:.*\n`).ReplaceAllString(top, "")
		top += line + "\n"
	}
	return top + "registers:" + registers + "\n"
}

const plainTotal = "\n  - {name: total, function: 3, address: 0, type: uint32, order: ABCD, scale: 10}"

// invariant 9: each fault is named with its place and a remedy.
func TestProfileFaults(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "p:1:1: not one document with something in it; "},
		{"no YAML", "a: [", "p:1:4: "},
		{"two documents", "a: 1\n---\nb: 2", "p:1:1: not one document"},
		{"a list", "- a", "p:1:1: no mapping; "},
		{"nothing said", "vendor: v", "p:1:1: registers: missing; "},
		{"unknown key", profile("modell: 7", plainTotal), "p:7:1: modell: unknown key; use one of vendor, model, "},
		{"key twice", profile("", plainTotal) + "vendor: w\n", "vendor: key given twice; "},
		{"status", profile("status: good", plainTotal), `p:6:9: status: "good"; write one of official, verified, unverified, simulated`},
		{"base", profile("base: 2", plainTotal), `base: "2"; write a whole number from 0 to 1`},
		{"quantity", profile("quantity: both", plainTotal), `quantity: "both"; write one of actual, standard`},
		{"baud", profile("line: {baud: 9601}", plainTotal), `line.baud: "9601"; write one of 1200, `},
		{"parity", profile("line: {parity: mark}", plainTotal), `line.parity: "mark"; `},
		{"stop bits", profile("line: {stop_bits: 3}", plainTotal), `line.stop_bits: "3"; `},
		{"qmax", profile("qmax: -6", plainTotal), `qmax: "-6"; write cubic metres `},
		{"qmax too fine", profile("qmax: 2.5001", plainTotal), `qmax: "2.5001"; `},
		{"qmax zero", profile("qmax: 0.0", plainTotal), `qmax: "0.0"; `},
		{"sources", profile("sources: 7", plainTotal), "sources: no list; "},
		{"a source that is none", profile("sources: [[]]", plainTotal), `sources[0]: ""; write a text`},
		{"no registers", profile("", " []"), "registers: no register is the total; "},
		{"register without a name", profile("", plainTotal+"\n  - {function: 3, address: 5, type: uint16}"), "p:9:6: registers[1].name: missing; "},
		{"unknown name", profile("", plainTotal+"\n  - {name: flow, function: 3, address: 5, type: uint16}"), `registers[1].name: "flow"; write one of model, total, scale, divisor, serial, status, second, second_scale, decimals`},
		{"two totals", profile("", plainTotal+"\n  - {name: total, function: 3, address: 5, type: uint16, scale: 1}"), "registers[1].name: registers[0] is the total already; keep one of them"},
		{"function", profile("", "\n  - {name: total, function: 6, address: 0, type: uint16, scale: 1}"), `registers[0].function: "6"; write a whole number from 3 to 4`},
		{"address below base", profile("base: 1", plainTotal), `registers[0].address: "0"; write a whole number from 1 to 65536`},
		{"address past the end", profile("", "\n  - {name: total, function: 3, address: 65535, type: uint32, order: ABCD, scale: 1}"), "registers[0].address: 2 registers from here end behind the last one; "},
		{"octal or not", profile("", "\n  - {name: total, function: 3, address: 010, type: uint16, scale: 1}"), `registers[0].address: "010"; `},
		{"type", profile("", "\n  - {name: total, function: 3, address: 0, type: float64, scale: 1}"), `registers[0].type: "float64"; write one of int16, int32, uint16, uint32, uint64, bcd4, bcd8, bcd12, bcd16, counter6, float32`},
		{"a float unasked", profile("", "\n  - {name: total, function: 3, address: 0, type: float32, order: ABCD, scale: 1}"), "p:8:50: registers[0].type: a float32 loses litres: from 16384 m3 its step is larger than one, from 131072 m3 than ten; use the register of the exact total; if the meter has none, write coarse: true"},
		{"coarse", profile("", "\n  - {name: total, function: 3, address: 0, type: float32, order: ABCD, scale: 1, coarse: yes}"), `registers[0].coarse: "yes"; write one of true`},
		{"coarse that is exact", profile("", "\n  - {name: total, function: 3, address: 0, type: uint16, scale: 1, coarse: true}"), "registers[0].coarse: uint16 has no coarse; remove it: it is exact"},
		{"a float that rolls over", profile("", "\n  - {name: total, function: 3, address: 0, type: float32, order: ABCD, scale: 1, coarse: true, rollover: 7}"), "registers[0].rollover: a float32 rolls over nowhere; "},
		{"no fraction", profile("", "\n  - {name: total, function: 3, address: 0, type: counter6, order: ABCDEF, scale: 1}"), "registers[0].fraction: missing; "},
		{"fraction of nothing", profile("", "\n  - {name: total, function: 3, address: 0, type: uint16, fraction: 10, scale: 1}"), "registers[0].fraction: uint16 has no fraction; "},
		{"order of a counter", profile("", "\n  - {name: total, function: 3, address: 0, type: counter6, order: EFCDAB, fraction: 10, scale: 1}"), `registers[0].order: "EFCDAB"; write one of ABCDEF, CDABEF`},
		{"a serial with a sign", profile("", plainTotal+"\n  - {name: serial, function: 3, address: 5, type: int16}"), `registers[1].type: "int16"; write one of uint16, uint32, uint64, bcd4, bcd8, bcd12, bcd16`},
		{"a float of pulses", profile("", plainTotal+"\n  - {name: divisor, function: 3, address: 5, type: float32, order: ABCD}"), `registers[1].type: "float32"; write one of int16, `},
		{"a model of nothing", profile("", plainTotal+"\n  - {name: model, function: 3, address: 5, type: uint16}"), "registers[1].values: missing; "},
		{"a hint acted on", profile("", plainTotal+"\n  - {name: decimals, function: 3, address: 5, type: uint16}"), "registers[1]: a decimal point kept in a register is only a hint; let the total have scale: site, or remove this register"},
		{"a second total without a scale", profile("", plainTotal+"\n  - {name: second, function: 3, address: 5, type: uint16}"), "registers[1]: the second total has no scale; "},
		{"a second scale alone", profile("", plainTotal+"\n  - {name: second_scale, function: 3, address: 5, type: uint16}"), "registers[1]: there is no second total; "},
		{"a second scale of the site", profile("", plainTotal+"\n  - {name: second, function: 3, address: 5, type: uint16, scale: site}"), `registers[1].scale: "site"; write a fraction`},
		{"a divisor of the site", profile("", plainTotal+"\n  - {name: divisor, function: 3, address: site, type: uint16}"), `registers[1].address: "site"; write a whole number`},
		{"channels", profile("channels: 33", plainTotal), `channels: "33"; write a whole number from 1 to 32`},
		{"channels of one total", profile("channels: 2", plainTotal), "registers[0]: 2 channels, and one total; give it step"},
		{"a step to nowhere", profile("", "\n  - {name: total, function: 3, address: 0, step: 2, type: uint16, scale: 1}"), "registers[0].step: there is one channel; "},
		{"a step too small", profile("channels: 2", "\n  - {name: total, function: 3, address: 0, step: 1, type: uint32, order: ABCD, scale: 1}"), "registers[0]: its channels overlap: 2 registers in steps of 1; use a larger step"},
		{"a step past the end", profile("channels: 9", "\n  - {name: total, function: 3, address: 65000, step: 100, type: uint16, scale: 1}"), "registers[0].step: channel 9 ends behind the last register; "},
		{"a step of the site's", profile("channels: 2", "\n  - {name: total, function: 3, address: site, step: 2, type: uint16, scale: 1}"), "registers[0].step: the site says where each channel's is; "},
		{"a channel on another register", profile("channels: 3", "\n  - {name: total, function: 3, address: 0, step: 2, type: uint32, order: ABCD, scale: 1}\n  - {name: serial, function: 3, address: 5, type: uint16}"), "registers[1]: overlaps registers[0]; "},
		{"half a channel", profile("requests: [{function: 3, address: 0, count: 3}]\nchannels: 2", "\n  - {name: total, function: 3, address: 0, step: 2, type: uint32, order: ABCD, scale: 1}"), "registers[0]: lies only partly in requests[0]; "},
		{"wake", profile("wake: 6s", plainTotal), `wake: "6s"; write a time from 10ms to 5s, such as 300ms`},
		{"no order", profile("", "\n  - {name: total, function: 3, address: 0, type: uint32, scale: 1}"), "registers[0].order: missing; "},
		{"order", profile("", "\n  - {name: total, function: 3, address: 0, type: uint32, order: ACBD, scale: 1}"), `registers[0].order: "ACBD"; write one of ABCD, CDAB, BADC, DCBA`},
		{"order of another width", profile("", "\n  - {name: total, function: 3, address: 0, type: uint16, order: ABCD, scale: 1}"), `registers[0].order: "ABCD"; write one of AB, BA`},
		{"no scale", profile("", "\n  - {name: total, function: 3, address: 0, type: uint16}"), "p:8:6: registers[0]: the total has no scale; "},
		{"scale nothing", profile("", "\n  - {name: total, function: 3, address: 0, type: uint16, scale: 0}"), `registers[0].scale: "0"; write a fraction `},
		{"scale by nothing", profile("", "\n  - {name: total, function: 3, address: 0, type: uint16, scale: 1/0}"), `registers[0].scale: "1/0"; `},
		{"scale a float", profile("", "\n  - {name: total, function: 3, address: 0, type: uint16, scale: 0.1}"), `registers[0].scale: "0.1"; `},
		{"scale of the serial", profile("", plainTotal+"\n  - {name: serial, function: 3, address: 5, type: uint16, scale: 1}"), "registers[1].scale: the serial has no scale; "},
		{"rollover past the type", profile("", "\n  - {name: total, function: 3, address: 0, type: bcd4, scale: 1, rollover: 10001}"), `registers[0].rollover: "10001"; write a whole number from 2 to 10000`},
		{"rollover between litres", profile("", "\n  - {name: total, function: 3, address: 0, type: bcd4, scale: 1/10, rollover: 15}"), "registers[0].rollover: 15 counts are no whole litres; "},
		{"absent", profile("", "\n  - {name: total, function: 3, address: 0, type: bcd4, scale: 1, absent: zero}"), `registers[0].absent: "zero"; write one of all-ff`},
		{"bits of digits", profile("", plainTotal+"\n  - {name: status, function: 3, address: 5, type: bcd4}"), `registers[1].type: "bcd4"; write one of uint16, uint32, uint64`},
		{"a bit's name", profile("", plainTotal+"\n  - {name: status, function: 3, address: 5, type: uint16, bits: [Leak]}"), `registers[1].bits[0]: "Leak"; `},
		{"a bit twice", profile("", plainTotal+"\n  - {name: status, function: 3, address: 5, type: uint16, bits: [leak, leak]}"), `registers[1].bits[1]: "leak"; `},
		{"17 bits", profile("", plainTotal+"\n  - {name: status, function: 3, address: 5, type: uint16, bits: ["+strings.Repeat(`"",`, 16)+"leak]}"), "registers[1].bits[16]: more than the 16 bits of the type; "},
		{"a scale of 0", profile("", plainTotal+"\n  - {name: scale, function: 3, address: 5, type: uint16, values: [0]}"), `registers[1].values[0]: "0"; `},
		{"overlap", profile("", plainTotal+"\n  - {name: serial, function: 3, address: 1, type: uint16}"), "p:9:6: registers[1]: overlaps registers[0]; "},
		{"a request too long", profile("requests: [{function: 3, address: 0, count: 126}]", plainTotal), `requests[0].count: "126"; write a whole number from 1 to 125`},
		{"a request of nothing", profile("requests: [{function: 3, address: 9, count: 2}]", plainTotal), "requests[0]: reads no register of the map; "},
		{"requests overlap", profile("requests: [{function: 3, address: 0, count: 2}, {function: 3, address: 1, count: 9}]", plainTotal), "requests[1]: overlaps requests[0]; "},
		{"half a total", profile("requests: [{function: 3, address: 1, count: 2}]", plainTotal), "registers[0]: lies only partly in requests[0]; "},
		{"too many requests", profile("requests: ["+strings.Repeat("{},", 17)+"]", plainTotal), "requests: 17 requests; use at most 16"},
		{"too long", strings.Repeat("#", maxProfile+1), "p:1:1: 65537 bytes; use at most 65536"},
	} {
		p, err := ParseProfile("p", []byte(c.text))
		if err == nil || p != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: ParseProfile() = %v; want %q", c.name, err, c.want)
		}
	}
}

// All faults at once, in the order of the file, and one mistake is one fault.
func TestProfileFaultsComeTogether(t *testing.T) {
	_, err := ParseProfile("p", []byte(profile("base: 7", `
  - {name: total, function: 5, address: 0, type: uint32, order: ABCD, scale: 0, colour: red}
  - {name: serial, function: 3, address: 0, type: uint8}`)))
	var places []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		path := strings.SplitN(line, ": ", 3)[1]
		places = append(places, path)
	}
	want := []string{"base", "registers[0].function", "registers[0].scale", "registers[0].colour", "registers[1].type"}
	if !slices.Equal(places, want) {
		t.Errorf("faults at %v; want %v\n%v", places, want, err)
	}
}

// invariant 13: however much is wrong with a text, the answer stays readable.
func TestProfileFaultsAreBounded(t *testing.T) {
	_, err := ParseProfile("p", []byte("registers:\n"+strings.Repeat("  - {}\n", 2000)))
	if n := strings.Count(err.Error(), "\n") + 1; n != maxFaults {
		t.Errorf("%d faults; want %d", n, maxFaults)
	}
}

// 123456789 is 07 5B CD 15; a letter says which of these comes (docs/modbus.md 6).
func TestOrders(t *testing.T) {
	for order, wire := range map[string][]byte{
		"ABCD": {0x07, 0x5B, 0xCD, 0x15}, "CDAB": {0xCD, 0x15, 0x07, 0x5B},
		"BADC": {0x5B, 0x07, 0x15, 0xCD}, "DCBA": {0x15, 0xCD, 0x5B, 0x07},
	} {
		p, err := ParseProfile("p", []byte(profile("", "\n  - {name: total, function: 3, address: 0, type: uint32, scale: 1, order: "+order+"}")))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := placed(t, p).decode([][]byte{wire}); err != nil || r.Litres != 123456789 {
			t.Errorf("%s: % x = %d, %v; want 123456789", order, wire, r.Litres, err)
		}
	}
}

func TestDecode(t *testing.T) {
	g4 := func(total, rest string) [][]byte { return [][]byte{unhex(total + rest)} }
	for _, c := range []struct {
		name    string
		profile string
		data    [][]byte
		want    drivers.Reading
		err     string
	}{
		{"g4", "g4", g4("000003E8", "0005 000A 12345678"), drivers.Reading{
			Litres: 10000, Range: 1e9, Qmax: 6000, Serial: "12345678", Flags: []string{"low_battery", "leak"}}, ""},
		{"g4 just before it rolls over", "g4", g4("05F5E0FF", "0000 0064 00000007"), drivers.Reading{
			Litres: 99999999 * 100, Range: 1e10, Qmax: 6000, Serial: "00000007"}, ""},
		{"g4 past its rollover", "g4", g4("05F5E100", "0000 0001 00000007"), drivers.Reading{},
			"total (function 3, register 0) reads 100000000, though it rolls over at 100000000"},
		{"g4 all set", "g4", g4("FFFFFFFF", "FFFF FFFF FFFFFFFF"), drivers.Reading{}, "scale (function 3, register 3) reads 65535"},
		{"g4 with a scale of nothing", "g4", g4("00000001", "0000 0000 00000007"), drivers.Reading{}, "scale (function 3, register 3) reads 0"},
		{"g4 with another scale", "g4", g4("00000001", "0000 0005 00000007"), drivers.Reading{}, "scale (function 3, register 3) reads 5"},
		{"g4 with a serial of no digits", "g4", g4("00000001", "0000 0001 0000000A"), drivers.Reading{},
			"serial (function 3, register 4) reads 00 00 00 0a, which are no digits: check that it is a Lobby G4"},
		{"flowsic500", "flowsic500", [][]byte{unhex("0001 0000 0001E240"), unhex("00BC614E")}, drivers.Reading{
			Litres: 123456000, Serial: "12345678"}, ""},
		{"flowsic500 without a total", "flowsic500", [][]byte{unhex("0001 0000 FFFFFFFF"), unhex("00BC614E")}, drivers.Reading{}, "total (function 3, register 4102) reads absent"},
		{"flowsic500 at its end", "flowsic500", [][]byte{unhex("7FFE 0000 FFFFFFFE"), unhex("00000001")}, drivers.Reading{
			Litres: 0xFFFFFFFE * 0x7FFE * 1000, Serial: "1"}, ""},
		{"fuxin", "fuxin", [][]byte{unhex("4B3C6156 449B6392 00000000 40220C4A 000012431116 40200000 122856864222 00000000 00000000")}, drivers.Reading{
			Litres: 1243111, Range: 1e11}, ""}, // 1243.1116 m³
	} {
		got, err := placed(t, shippedProfile(t, c.profile)).decode(c.data)
		switch {
		case c.err != "":
			if !errors.Is(err, drivers.ErrValue) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: decode() = %v; want ErrValue with %q", c.name, err, c.err)
			}
		case err != nil || got.Litres != c.want.Litres || got.Range != c.want.Range || got.Qmax != c.want.Qmax ||
			got.Serial != c.want.Serial || !slices.Equal(got.Flags, c.want.Flags):
			t.Errorf("%s: decode() = %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

// Numbers are exact whatever they are written as, and a total is rounded down, never up.
func TestValues(t *testing.T) {
	for _, c := range []struct{ kind, wire, want string }{
		{"int16", "8000", "-32768"}, {"int16", "7FFF", "32767"}, {"int32", "FFFFFFFE", "-2"}, {"uint16", "8000", "32768"},
		{"uint32", "FFFFFFFF", "4294967295"}, {"uint64", "0020000000000001", "9007199254740993"}, // a float64 could not
		{"uint64", "FFFFFFFFFFFFFFFF", "18446744073709551615"},
		{"bcd4", "9999", "9999"}, {"bcd8", "12345678", "12345678"}, {"bcd12", "122856864222", "122856864222"}, {"bcd16", "9007199254740993", "9007199254740993"},
		{"bcd4", "999A", "are no digits"}, {"bcd16", "90071992547409F3", "are no digits"},
		{"counter6", "000000010001", "65537/65536"}, {"counter6", "FFFFFFFFFFFF", "281474976710655/65536"},
		{"float32", "449B7000", "2487/2"}, {"float32", "3DCCCCCD", "13421773/134217728"}, // one tenth is none
		{"float32", "7FC00000", "are no number"}, {"float32", "7F800000", "are no number"}, {"float32", "C49B7000", "-2487/2"}, {"float32", "80000000", "0"},
	} {
		k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == c.kind })]
		n, why := k.value(unhex(c.wire), 65536)
		if n != nil {
			why = n.RatString()
		}
		if why != c.want {
			t.Errorf("%s: value(%s) = %s; want %s", c.kind, c.wire, why, c.want)
		}
	}
	if _, why := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.form == mixed })].value(unhex("000000012710"), 10000); why != "have a fraction of 10000, of 10000 in one" {
		t.Errorf("a fraction of one: %q", why)
	}
	for _, c := range []struct {
		num, den uint64
		want     int64
		ok       bool
	}{
		{99999999, 10, 9999999, true}, {9, 10, 0, true}, {1<<63 - 1, 1, 1<<63 - 1, true}, {1 << 63, 1, 0, false}, {1<<64 - 1, 2, 1<<63 - 1, true},
	} {
		if got, ok := floor(ratio(c.num, c.den)); ok != c.ok || ok && got != c.want {
			t.Errorf("floor(%d/%d) = %d, %v; want %d, %v", c.num, c.den, got, ok, c.want, c.ok)
		}
	}
}

// reads is what a small profile makes of one answer that holds all its registers.
func reads(t *testing.T, registers string, site Site, wire string) (drivers.Reading, error) {
	t.Helper()
	p, err := ParseProfile("p", []byte(profile("requests: [{function: 3, address: 0, count: "+strconv.Itoa(len(unhex(wire))/2)+"}]", registers)))
	if err != nil {
		t.Fatal(err)
	}
	l, faults := p.place(0, site)
	if len(faults) > 0 || len(l.requests) != 1 {
		t.Fatal(faults, l.requests)
	}
	return l.decode([][]byte{unhex(wire)})
}

func TestTotals(t *testing.T) {
	for _, c := range []struct {
		name, registers string
		site            Site
		wire            string
		litres, ends    int64
		err             string
	}{
		{"float", "{name: total, type: float32, order: CDAB, scale: 1000, coarse: true}", Site{}, "7000449B", 1243500, 0, ""},
		{"float, rounded down", "{name: total, type: float32, order: ABCD, scale: 1000, coarse: true}", Site{}, "3DCCCCCD", 100, 0, ""},
		{"the last float that is fine enough", "{name: total, type: float32, order: ABCD, scale: 1000, coarse: true}", Site{}, "47FFFFFF", 131071992, 0, ""},
		{"the first that is not", "{name: total, type: float32, order: ABCD, scale: 1000, coarse: true}", Site{}, "48000000", 0, 0, "goes forward by 16 litres at a time"},
		{"float of litres", "{name: total, type: float32, order: ABCD, scale: 1, coarse: true}", Site{}, "48000000", 131072, 0, ""},
		{"float below nothing", "{name: total, type: float32, order: ABCD, scale: 1, coarse: true}", Site{}, "C49B7000", 0, 0, "-2487/2, and no total is below nothing"},
		{"float that is none", "{name: total, type: float32, order: ABCD, scale: 1, coarse: true}", Site{}, "7FC00000", 0, 0, "7f c0 00 00, which are no number"},
		{"signed below nothing", "{name: total, type: int32, order: ABCD, scale: 1}", Site{}, "FFFFFFFE", 0, 0, "reads -2, and no total"},
		{"counter", "{name: total, type: counter6, order: ABCDEF, fraction: 65536, scale: 1000, rollover: 1000000000}", Site{}, "000000018000", 1500, 1e12, ""},
		{"counter, low word first", "{name: total, type: counter6, order: CDABEF, fraction: 10000, scale: 1000}", Site{}, "0001000004D2", 1123, 0, ""},
		{"counter past its end", "{name: total, type: counter6, order: ABCDEF, fraction: 10000, scale: 1000, rollover: 10}", Site{}, "0000000A0000", 0, 0, "reads 10, though it rolls over at 10"},
		{"too much", "{name: total, type: uint64, order: ABCDEFGH, scale: 1000}", Site{}, "FFFFFFFFFFFFFFFF", 0, 0, "18446744073709551615 counts of 1000 litres"},
		{"pulses per unit", "{name: total, type: uint32, order: ABCD, scale: 1000} {name: divisor, type: uint16}", Site{}, "000DEBDF 07D0", 456175, 0, ""},
		{"a range that ends between litres", "{name: total, type: uint32, order: ABCD, scale: 1000, rollover: 1000000} {name: divisor, type: uint16}", Site{}, "00000003 0007", 428, 0, ""},
		{"a range by pulses per unit", "{name: total, type: uint32, order: ABCD, scale: 1000, rollover: 1000000} {name: divisor, type: uint16}", Site{}, "00000003 0008", 375, 125e6, ""},
		{"no pulse is a unit", "{name: total, type: uint32, order: ABCD, scale: 1000} {name: divisor, type: uint16}", Site{}, "00000003 0000", 0, 0, "divisor (function 3, register 2) reads 0"},
		{"a resolution below nothing", "{name: total, type: uint32, order: ABCD} {name: scale, type: int16}", Site{}, "00000003 FFFF", 0, 0, "scale (function 3, register 2) reads -1"},
		{"another model", "{name: total, type: uint32, order: ABCD, scale: 1} {name: model, type: uint16, values: [43]}", Site{}, "00000003 0000", 0, 0, "model (function 3, register 2) reads 0, and it should read [43]"},
		{"a hint is not acted on", "{name: total, type: uint32, order: ABCD, scale: site} {name: decimals, type: uint16}", Site{ScaleOf: "10"}, "00000003 0002", 30, 0, ""},
		{"another total is not billed", "{name: total, type: uint32, order: ABCD, scale: 1} {name: second, type: bcd4, scale: 1}", Site{}, "00000003 FFFF", 3, 0, ""},
	} {
		registers, address := "", 0
		for entry := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(c.registers, "{"), "}"), "} {") {
			registers += fmt.Sprintf("\n  - {function: 3, address: %d, %s}", address, entry)
			address += map[string]int{"total": len(unhex(strings.Fields(c.wire)[0])) / 2}[strings.TrimSuffix(strings.Fields(entry)[1], ",")]
		}
		r, err := reads(t, registers, c.site, c.wire)
		switch {
		case c.err != "":
			if !errors.Is(err, drivers.ErrValue) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %+v, %v; want ErrValue with %q", c.name, r, err, c.err)
			}
		case err != nil || r.Litres != c.litres || r.Range != c.ends:
			t.Errorf("%s: %d litres of %d, %v; want %d of %d", c.name, r.Litres, r.Range, err, c.litres, c.ends)
		}
	}
}

// Whatever a text says, it is a profile that can read every answer of its requests' lengths, or its faults have places.
func FuzzParseProfile(f *testing.F) {
	for _, name := range Profiles() {
		b, err := shipped.ReadFile("profiles/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte{0, 1})
	}
	f.Add([]byte(profile("qmax: 2.5", plainTotal)), []byte{0xff})
	f.Add([]byte("a: &x [*x]"), []byte{})
	f.Add([]byte("registers: !!float x"), []byte{})
	placed := regexp.MustCompile(`^p:[0-9]+:[0-9]+: .`)
	f.Fuzz(func(t *testing.T, in, answer []byte) {
		p, err := ParseProfile("p", in)
		if err != nil {
			if !placed.MatchString(err.Error()) {
				t.Errorf("ParseProfile() = %v; want a place", err)
			}
			return
		}
		p.Prove(t.Context()) // whatever it carries, proving it ends
		site := Site{ScaleOf: "1/10"}
		for i, address := range []**int{&site.Total, &site.Serial, &site.Status, &site.Scale} { // wherever the profile asks for one
			if name := []string{total, serial, status, scale}[i]; p.registers[name].site {
				*address = at(p.base + 100*i)
			}
		}
		if p.registers[total].litres != nil {
			site.ScaleOf = ""
		}
		l, faults := p.place(p.Channels, site)
		if len(faults) > 0 { // a site's register may lie on another
			return
		}
		var data [][]byte
		for _, s := range l.requests {
			if s.count < 1 || s.count > maxRegs || s.end() > maxAddress+1 {
				t.Errorf("request %+v cannot be asked", s)
			}
			b := bytes.Repeat(append(answer, 0), 2*maxRegs)
			data = append(data, b[:2*s.count])
		}
		l.explain(data, nil)
		r, err := l.decode(data)
		if err != nil && !errors.Is(err, drivers.ErrValue) || r.Litres < 0 || r.Range > 0 && r.Litres >= r.Range {
			t.Errorf("decode() = %+v, %v", r, err)
		}
	})
}
