package modbus

import (
	"fmt"
	"strings"
	"testing"
)

// Every profile that ships carries transcripts, and all of them hold.
func TestShippedTranscripts(t *testing.T) {
	for _, name := range Profiles() {
		proofs := shippedProfile(t, name).Prove(t.Context())
		if len(proofs) == 0 {
			t.Errorf("%s has no transcripts", name)
		}
		for _, p := range proofs {
			for _, f := range p.Faults {
				t.Errorf("%s: %s: %s", name, p.Transcript.Name, f)
			}
		}
	}
}

const (
	askTwo  = "07 03 00 00 00 02 C4 6D"
	twoHave = "07 03 04 00 00 00 7B DC 10" // 123
)

// transcript is a profile of one register with one transcript.
func transcript(body string) string {
	return profile("", plainTotal) + "transcripts:\n  - name: one\n    from: here\n    " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ") + "\n"
}

// What differs is named, with the register that says so.
func TestProve(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"it holds", "frames: [{send: '" + askTwo + "', receive: '" + twoHave + "'}]\nreads: {litres: 1230}", ""},
		{"as mbpoll prints it", "frames: [{send: '[07][03][00][00][00][02][C4][6D]', receive: '<07><03><04><00><00><00><7B><DC><10>'}]\nreads: {litres: 1230}", ""},
		{"other litres", "frames: [{send: '" + askTwo + "', receive: '" + twoHave + "'}]\nreads: {litres: 1231}",
			"litres 1230, want 1231 (total: function 3, register 0, uint32 ABCD reads 0000 007b = 123 x 10 l = 1230 l = 1.230 度)"},
		{"another range", "frames: [{send: '" + askTwo + "', receive: '" + twoHave + "'}]\nreads: {litres: 1230, range: 9}", "range 0, want 9"},
		{"another request", "frames: [{send: '07 03 00 00 00 03 05 AD', receive: '" + twoHave + "'}]\nreads: {litres: 1230}",
			"asks 07 03 00 00 00 02 c4 6d, recorded is 07 03 00 00 00 03 05 ad"},
		{"a frame that nobody asked for", "frames: [{send: '" + askTwo + "', receive: '" + twoHave + "'}, {send: '" + askTwo + "'}]\nreads: {litres: 1230}",
			"was never asked 07 03 00 00 00 02 c4 6d"},
		{"a wrong CRC", "frames: [{send: '" + askTwo + "', receive: '07 03 04 00 00 00 7B DC 11'}]\nreads: {litres: 1230}",
			"no reading: recorded: unit 7: no answer: 1 damaged and 0 foreign frames; the CRC of all is dc 11, and the bytes before have dc 10"},
		{"half an answer", "frames: [{send: '" + askTwo + "', receive: '07 03 04 00 00'}]\nreads: {litres: 1230}", "the recording ends with 07 03 04 00 00, which is not whole"},
		{"it should fail", "frames: [{send: '" + askTwo + "', receive: '" + twoHave + "'}]\nfails: {with: value}", "reads 1230 litres, want an error: no value of this meter"},
		{"it fails otherwise", "frames: [{send: '" + askTwo + "'}]\nfails: {with: value, says: digits}", `want "no value of this meter" with "digits"`},
	} {
		p, err := ParseProfile("p", []byte(transcript(c.body)))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		proof := p.Prove(t.Context())[0]
		if got := strings.Join(proof.Faults, "\n"); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: faults %q; want %q", c.name, got, c.want)
		}
	}
	more := profile("", plainTotal+"\n  - {name: serial, function: 3, address: 9, type: uint16}") +
		"transcripts: [{name: one, from: here, frames: [{send: '" + askTwo + "', receive: '" + twoHave + "'}], reads: {litres: 1230, serial: '1'}}]\n"
	p, err := ParseProfile("p", []byte(more))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.Prove(t.Context())[0].Faults); got != "[asks more than was recorded: 07 03 00 09 00 01 54 6e]" {
		t.Errorf("a request too many: %s", got)
	}
}

// Whatever a transcript expects is compared.
func TestProveComparesEverything(t *testing.T) {
	g4, err := shipped.ReadFile("profiles/g4.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const flags = "[low_battery, valve_closed], range"
	for from, c := range map[string]struct{ to, want string }{
		`serial: "87654321", flags: ` + flags:                   {`serial: "87654320", flags: ` + flags, "serial 87654321, want 87654320 (serial: function 3, register 4, bcd8 ABCD reads 8765 4321"},
		`flags: ` + flags:                                       {`flags: [low_battery], range`, "flags [low_battery valve_closed], want [low_battery] (status: function 3, register 2, uint16 AB reads 0009 = 9 low_battery, valve_closed)"},
		`litres: 12345670, serial: "87654321", flags: ` + flags: {`litres: 12345671, serial: "87654321", flags: ` + flags, "litres 12345670, want 12345671"},
		`range: 1000000000}`:                                    {`range: 100000000}`, "range 1000000000, want 100000000"},
	} {
		text := strings.Replace(string(g4), from, c.to, 1)
		p, err := ParseProfile("p", []byte(text))
		if err != nil || text == string(g4) {
			t.Fatal(err, from)
		}
		if got := p.Prove(t.Context())[0].Faults; len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("faults %q; want %q", got, c.want)
		}
	}
}

// invariant 9
func TestTranscriptFaults(t *testing.T) {
	const reads = "\nreads: {litres: 1}"
	good := "frames: [{send: '" + askTwo + "'}]"
	for _, c := range []struct{ name, text, want string }{
		{"no list", profile("", plainTotal) + "transcripts: 7", "transcripts: no list; "},
		{"no frames", transcript("reads: {litres: 1}"), "p:10:5: transcripts[0].frames: missing; "},
		{"no frame", transcript("frames: []" + reads), "transcripts[0].frames: 0 frames; "},
		{"nothing expected", transcript(good), "transcripts[0]: it says neither what is read nor why nothing is, or both; "},
		{"both", transcript(good + reads + "\nfails: {with: value}"), "transcripts[0]: it says neither "},
		{"no hex", transcript("frames: [{send: '07 0'}]" + reads), `transcripts[0].frames[0].send: "07 0"; write 1 to 512 bytes`},
		{"wrong CRC", transcript("frames: [{send: '07 03 00 00 00 02 C4 6E'}]" + reads), "p:12:21: transcripts[0].frames[0].send: its CRC is c4 6e, and the bytes before have c4 6d; "},
		{"a short request", transcript("frames: [{send: '07 03'}]" + reads), "transcripts[0].frames[0].send: 2 bytes; "},
		{"unit 0", transcript("frames: [{send: '00 03 00 00 00 02 C5 DA'}]" + reads), "transcripts[0].frames[0].send: asks unit 0; "},
		{"no TCP", transcript("protocol: modbus-tcp\n" + good + reads), "transcripts[0].frames[0].send: no request of Modbus TCP; "},
		{"another protocol", transcript("protocol: udp\n" + good + reads), `transcripts[0].protocol: "udp"; `},
		{"two units", transcript("frames: [{send: '" + askTwo + "'}, {send: '01 03 00 00 00 02 C4 0B'}]" + reads), "transcripts[0].frames[1].send: asks unit 1, and the one before it unit 7; "},
		{"an error of another kind", transcript(good + "\nfails: {with: noise}"), `transcripts[0].fails.with: "noise"; write one of value, silent, refused`},
		{"no litres", transcript(good + "\nreads: {}"), "transcripts[0].reads.litres: missing; "},
		{"a flag that is none", transcript(good + "\nreads: {litres: 1, flags: [leak]}"), `transcripts[0].reads.flags[0]: "leak"; `},
		{"no second total", transcript(good + "\nreads: {litres: 1, second: 1}"), "transcripts[0].reads.second: the profile has no second total; "},
		{"channel", transcript("channel: 2\n" + good + reads), `transcripts[0].channel: "2"; write a whole number from 1 to 1`},
		{"a scale of the site", transcript("scale: '10'\n" + good + reads), "p:12:12: transcripts[0].scale: profile p says it already; "},
		{"an address of the site", transcript("registers: {total: 7}\n" + good + reads), "transcripts[0].registers.total: profile p leaves no such address to the site; "},
		{"unknown key", transcript("colour: red\n" + good + reads), "transcripts[0].colour: unknown key; "},
		{"the same name", transcript(good+reads) + "  - {name: one, from: there, " + good + ", reads: {litres: 1}}\n", "transcripts[1].name: another transcript has this name; "},
		{"too many", profile("", plainTotal) + "transcripts: [" + strings.Repeat("{},", 65) + "]", "transcripts: 65 transcripts; use at most 64"},
	} {
		p, err := ParseProfile("p", []byte(c.text))
		if err == nil || p != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: ParseProfile() = %v; want %q", c.name, err, c.want)
		}
	}
}
