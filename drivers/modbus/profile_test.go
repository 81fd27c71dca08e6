package modbus

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"slices"
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

func TestShippedProfiles(t *testing.T) {
	if got, want := Profiles(), []string{"flowsic500", "fuxin", "g4"}; !slices.Equal(got, want) {
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
	if p, err := ParseProfile("example", []byte(example)); !found || err != nil || len(p.requests) != 2 {
		t.Errorf("ParseProfile(the example) = %+v, %v; want two requests", p, err)
	}
}

// What a map lets one request read, one request reads.
func TestRequestsAreAsFewAsCanBe(t *testing.T) {
	for _, c := range []struct {
		name string
		want []span
	}{
		{"g4", []span{{3, 0, 6}}},
		{"flowsic500", []span{{3, 4100, 4}, {3, 3110, 2}}},
		{"fuxin", []span{{3, 10, 20}}},
	} {
		if got := shippedProfile(t, c.name).requests; !slices.Equal(got, c.want) {
			t.Errorf("%s reads %+v; want %+v", c.name, got, c.want)
		}
	}
	p, err := ParseProfile("x", []byte(profile("base: 1", `
  - {name: total, function: 3, address: 11, type: uint32, order: CDAB, scale: 1}
  - {name: status, function: 3, address: 13, type: uint16}
  - {name: serial, function: 4, address: 14, type: uint16}
  - {name: scale, function: 3, address: 15, type: uint16}`)))
	if want := []span{{3, 10, 3}, {3, 14, 1}, {4, 13, 1}}; err != nil || !slices.Equal(p.requests, want) {
		t.Errorf("requests = %+v, %v; want %+v", p.requests, err, want)
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
		{"unknown name", profile("", plainTotal+"\n  - {name: flow, function: 3, address: 5, type: uint16}"), `registers[1].name: "flow"; write one of total, serial, status, scale`},
		{"two totals", profile("", plainTotal+"\n  - {name: total, function: 3, address: 5, type: uint16, scale: 1}"), "registers[1].name: registers[0] is the total already; keep one of them"},
		{"function", profile("", "\n  - {name: total, function: 6, address: 0, type: uint16, scale: 1}"), `registers[0].function: "6"; write a whole number from 3 to 4`},
		{"address below base", profile("base: 1", plainTotal), `registers[0].address: "0"; write a whole number from 1 to 65536`},
		{"address past the end", profile("", "\n  - {name: total, function: 3, address: 65535, type: uint32, order: ABCD, scale: 1}"), "registers[0].address: 2 registers from here end behind the last one; "},
		{"octal or not", profile("", "\n  - {name: total, function: 3, address: 010, type: uint16, scale: 1}"), `registers[0].address: "010"; `},
		{"type", profile("", "\n  - {name: total, function: 3, address: 0, type: float32, scale: 1}"), `registers[0].type: "float32"; write one of uint16, uint32, bcd4, bcd8, bcd12`},
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
		{"bits of digits", profile("", plainTotal+"\n  - {name: status, function: 3, address: 5, type: bcd4}"), "registers[1].type: bcd4 has no bits; "},
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
		{"too long", strings.Repeat("#", maxProfile+1), "p:1:1: 16385 bytes; use at most 16384"},
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
		if r, err := p.decode([][]byte{wire}); err != nil || r.Litres != 123456789 {
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
		{"g4 all set", "g4", g4("FFFFFFFF", "FFFF FFFF FFFFFFFF"), drivers.Reading{}, "total"},
		{"g4 with a scale of nothing", "g4", g4("00000001", "0000 0000 00000007"), drivers.Reading{}, "scale (function 3, register 3) reads 0"},
		{"g4 with another scale", "g4", g4("00000001", "0000 0005 00000007"), drivers.Reading{}, "scale (function 3, register 3) reads 5"},
		{"g4 with a serial of no digits", "g4", g4("00000001", "0000 0001 0000000A"), drivers.Reading{},
			"serial (function 3, register 4) reads 00 00 00 0a, which are no digits: check that it is a Lobby G4"},
		{"flowsic500", "flowsic500", [][]byte{unhex("0001 0000 0001E240"), unhex("00BC614E")}, drivers.Reading{
			Litres: 123456000, Serial: "12345678"}, ""},
		{"flowsic500 without a total", "flowsic500", [][]byte{unhex("0001 0000 FFFFFFFF"), unhex("00BC614E")}, drivers.Reading{}, "total (function 3, register 4102) reads absent"},
		{"flowsic500 at its end", "flowsic500", [][]byte{unhex("FFFE 0000 FFFFFFFE"), unhex("00000001")}, drivers.Reading{
			Litres: 0xFFFFFFFE * 0xFFFE * 1000, Serial: "1"}, ""},
		{"fuxin", "fuxin", [][]byte{unhex("4B3C6156 449B6392 00000000 40220C4A 000012431116 40200000 122856864222 00000000 00000000")}, drivers.Reading{
			Litres: 1243111, Range: 1e11}, ""}, // 1243.1116 m³
	} {
		got, err := shippedProfile(t, c.profile).decode(c.data)
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

func TestLitresAreExact(t *testing.T) {
	for _, c := range []struct {
		count, factor, num, den uint64
		want                    int64
		ok                      bool
	}{
		{99999999, 1, 1, 10, 9999999, true}, // down, never up
		{9, 1, 1, 10, 0, true},
		{999999999999, 1, 999999, 1, 999998999999000001, true},
		{1<<32 - 1, 1<<32 - 1, 999999, 999999, 0, false}, // fits no int64
		{1<<53 + 1, 1, 1, 1, 1<<53 + 1, true},            // a float64 could not
		{1 << 63, 2, 1, 1, 0, false},
	} {
		if got, ok := litres(c.count, c.factor, c.num, c.den); ok != c.ok || ok && got != c.want {
			t.Errorf("litres(%d, %d, %d, %d) = %d, %v; want %d, %v", c.count, c.factor, c.num, c.den, got, ok, c.want, c.ok)
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
		var data [][]byte
		for _, s := range p.requests {
			if s.count < 1 || s.count > maxRegs || s.end() > maxAddress+1 {
				t.Errorf("request %+v cannot be asked", s)
			}
			b := bytes.Repeat(append(answer, 0), 2*maxRegs)
			data = append(data, b[:2*s.count])
		}
		r, err := p.decode(data)
		if err != nil && !errors.Is(err, drivers.ErrValue) || r.Litres < 0 || r.Range > 0 && r.Litres >= r.Range {
			t.Errorf("decode() = %+v, %v", r, err)
		}
	})
}
