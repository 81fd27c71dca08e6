package building

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tarm/serial"
)

// open opens a line as a gateway does.
func (r rig) open(name string) io.ReadWriter {
	r.t.Helper()
	l, err := r.Line(name)
	if err != nil {
		r.t.Fatal(err)
	}
	var p io.ReadWriteCloser
	if path, ok := strings.CutPrefix(l.Port().Path, "tcp://"); ok {
		c, err := net.Dial("tcp", path)
		if err != nil {
			r.t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			r.t.Fatal(err)
		}
		p = c
	} else if p, err = serial.OpenPort(&serial.Config{Name: l.Port().Path, Baud: 115200, ReadTimeout: 100 * time.Millisecond}); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = p.Close() })
	return p
}

// exchange sends a request in hex and returns the answer of n bytes in hex.
func exchange(t *testing.T, p io.ReadWriter, request string, n int) string {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(request, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ToUpper(fmt.Sprintf("% x", say(t, p, string(b), n)))
}

// invariant 5: the counts that tests ask for over HTTP.
func TestDoorOverTheWire(t *testing.T) {
	r := start(t, modbusOnly)
	p := r.open("doors")
	if res, body := r.do("POST", "/api/doors/ktv/push", ""); res.StatusCode != 409 || !strings.Contains(body, "the strike holds the door") {
		t.Errorf("pushing a held door = %d %s", res.StatusCode, body)
	}
	flash := "01 05 02 00 00 0F 8C 76" // output 0 for 1.5 s
	if got := exchange(t, p, flash, 8); got != flash {
		t.Errorf("flash = %s; want its echo", got)
	}
	if s := r.state().Doors[0]; !s.OutputOn || s.Open || s.Contact != "closed" {
		t.Errorf("released: %+v", s)
	}
	r.do("POST", "/api/doors/ktv/push", "")
	if got, want := exchange(t, p, "01 02 00 00 00 02 F9 CB", 6), "01 02 01 01 60 48"; got != want {
		t.Errorf("inputs of an open door = %s; want %s", got, want)
	}
	r.until("the module has switched its output off", func(s State) bool { return !s.Doors[0].OutputOn })
	r.do("POST", "/api/doors/ktv/shut", "")
	r.do("POST", "/api/doors/ktv/exit", "")
	r.do("POST", "/api/doors/ktv/shut", "")
	r.do("POST", "/api/doors/ktv/force", "")
	s := r.state()
	if c := s.Doors[0].Counts; c != (DoorCounts{Releases: 1, Openings: 1, Exits: 1, Forced: 1, Longest: 1500}) {
		t.Errorf("counts = %+v; want one of each, and 1.5 s", c)
	}
	if c := s.Doors[1].Counts; c != (DoorCounts{}) || s.Doors[1].Contact != "" {
		t.Errorf("the other door = %+v; want it untouched and without contact", s.Doors[1])
	}
	var wire struct{ Entries []WireEntry }
	_, body := r.do("GET", "/api/wire?line=doors", "")
	if err := json.Unmarshal([]byte(body), &wire); err != nil || len(wire.Entries) != 4 {
		t.Fatalf("wire = %s, %v; want four frames", body, err)
	}
	if e := wire.Entries[0]; e.Hex != flash || !e.Marked || e.MeaningZH != "doors（1 號）：KTV 室 電鎖通電 1.5 秒，模組自己斷電" {
		t.Errorf("the flash is logged as %+v", e)
	}
}

func TestMetersOverTheWire(t *testing.T) {
	r := start(t, modbusOnly)
	p := r.open("meters-1")
	if got, want := exchange(t, p, "01 03 00 00 00 02 C4 0B", 9), "01 03 04 00 1C 1C B9 F2 87"; got != want {
		t.Errorf("total of m-1 = %s; want %s", got, want)
	}
	if got := exchange(t, r.open("meters-2"), "00 07 00 00 00 06 01 04 00 00 00 02", 13); got != "00 07 00 00 00 07 01 04 04 00 00 00 05" {
		t.Errorf("total of m-3 over TCP = %s", got)
	}
	s := r.state()
	if m := s.Meters[1]; m.ID != "m-2" || m.Line != "meters-1" || m.Address != 2 || m.Serial != "10000102" || m.Litres != 990 || m.PerCount != 10 ||
		m.Registers != "0: 0000 0063 0000 000A 1000 0102" {
		t.Errorf("m-2 = %+v", m)
	}
	var names []string
	for _, l := range s.Lines {
		names = append(names, l.Name)
	}
	if got := strings.Join(names, " "); got != "meters-1 meters-2 doors" || !strings.HasPrefix(s.Lines[1].Path, "tcp://127.0.0.1:") {
		t.Errorf("lines = %s, %+v", got, s.Lines[1])
	}
	if m, err := r.Meter("m-2"); err != nil || m.State().Litres != 990 {
		t.Errorf("Meter(m-2) = %v, %v", m, err)
	}
	if d, err := r.Door("ktv"); err != nil || d.State().Open {
		t.Errorf("Door(ktv) = %v, %v", d, err)
	}

	r.do("POST", "/api/lines/meters-1/silence", "")
	if got := exchange(t, p, "01 03 00 00 00 02 C4 0B", 1); got != "" {
		t.Errorf("through a silent line = %s", got)
	}
}

// A converter carries the bytes of the serial line behind it: RTU, and boards' frames.
func TestConverters(t *testing.T) {
	text := strings.Replace(everything(), "{name: meters-2, tcp: \"127.0.0.1:0\"}", "{name: meters-2, tcp: \"127.0.0.1:0\", baud: 115200, parity: even}", 1)
	r := start(t, strings.Replace(text, "name: rs485-a, baud", "name: rs485-a, tcp: \"127.0.0.1:0\", baud", 1))
	if got, want := exchange(t, r.open("meters-2"), "01 04 00 00 00 02 71 CB", 9), "01 04 04 00 00 00 05 3B 87"; got != want {
		t.Errorf("total of m-3 behind a converter = %s; want %s", got, want)
	}
	if got, want := say(t, r.open("rs485-a"), "\x02\x30\x30\x03\x65", 9), "\x02\x30\x35\xff\xff\x00\x00\x03\x68"; got != want {
		t.Errorf("board 3 behind a converter = % x; want % x", got, want)
	}
	if l := r.state().Lines[2]; l.Name != "meters-2" || !l.TCP || l.Baud != 115200 {
		t.Errorf("line = %+v; want a TCP port with a wire behind it", l)
	}
}

// invariant 9
func TestAPIOfMetersAndDoors(t *testing.T) {
	r := start(t, modbusOnly)
	tests := []struct {
		path, body string
		want       int
		detail     string
	}{
		{"meters/m-1/silence", "", 200, ""},
		{"meters/m-1/late", `{"rate":0.3,"ms":1500}`, 200, ""},
		{"meters/m-1/wrong-unit", `{"on":true}`, 200, ""},
		{"meters/m-1/replace", `{"serial":"20450307"}`, 200, ""},
		{"meters/m-1/set", `{"litres":77}`, 200, ""},
		{"meters/m-1/set", `{"add":-7}`, 200, ""},
		{"meters/m-1/leak", "", 200, ""},
		{"meters/m-1/tamper", "", 200, ""},
		{"meters/m-1/leak", `{"on":false}`, 200, ""},
		{"meters/m-2/sleepy", "", 200, ""},
		{"meters/m-2/truncated", `{"rate":0.1}`, 200, ""},
		{"meters/m-2/busy", `{"rate":0.1}`, 200, ""},
		{"meters/m-2/all-ff", "", 200, ""},
		{"meters/m-2/word-order", "", 200, ""},
		{"meters/m-2/stuck", "", 200, ""},
		{"meters/m-2/torn", "", 200, ""},
		{"meters/m-2/wander", `{"litres":20}`, 200, ""},
		{"meters/m-2/rollover", "", 200, ""},
		{"meters/m-2/wander", `{"litres":-1}`, 400, "give litres, 0 to 1000000"},
		{"meters/m-2/busy", "", 400, "give rate, 0 to 1"},
		{"doors/ktv/all-ff", "", 404, "use push"},
		{"meters/m-1/late", `{"rate":0.3}`, 400, "give rate, 0 to 1, and ms, 0 to 10000"},
		{"meters/m-1/late", `{"rate":1.5,"ms":1}`, 400, "give rate"},
		{"meters/m-1/replace", `{"serial":"123"}`, 400, "write the eight digits"},
		{"meters/m-1/set", "", 400, "give litres, or add"},
		{"meters/m-1/set", `{"litres":1,"add":1}`, 400, "give litres, or add"},
		{"meters/m-1/set", `{"litres":-1}`, 400, "give 0 to 99999999"},
		{"meters/m-1/explode", "", 404, "use replace, set, rollover, leak"},
		{"meters/m-9/leak", "", 404, `meter "m-9": not in this building`},
		{"doors/gym/jam", "", 200, ""},
		{"doors/ktv/silence", "", 200, ""},
		{"doors/ktv/stick-contact", `{"contact":"open"}`, 200, ""},
		{"doors/ktv/stick-contact", `{"contact":"ajar"}`, 400, "give contact: open, closed or off"},
		{"doors/gym/stick-contact", `{"contact":"open"}`, 409, "door 健身房: no contact is fitted"},
		{"doors/ktv/shut", "", 409, "the door is closed"},
		{"doors/ktv/force", "", 200, ""},
		{"doors/ktv/push", "", 409, "the door is open"},
		{"doors/ktv/kick", "", 404, "use push, shut, exit"},
		{"doors/attic/push", "", 404, `door "attic": not in this building`},
		{"lines/meters-2/replug", "", 409, "plugged in already"},
		{"lines/meters-2/unplug", "", 200, ""},
		{"lines/meters-2/replug", `{"link":"meters-3"}`, 400, "a TCP line keeps its address"},
		{"lines/meters-2/replug", "", 200, ""},
		{"lines/meters-2/cut", "", 200, ""},
		{"lines/doors/noise", `{"rate":0.01}`, 200, ""},
	}
	for _, tt := range tests {
		res, body := r.do("POST", "/api/"+tt.path, tt.body)
		if res.StatusCode != tt.want || !strings.Contains(body, strings.ReplaceAll(tt.detail, `"`, `\"`)) {
			t.Errorf("POST %s %s = %d %s; want %d %s", tt.path, tt.body, res.StatusCode, body, tt.want, tt.detail)
		}
	}
	s := r.state()
	m := s.Meters[0]
	if m.Faults != (MeterFaults{AnswerFaults: AnswerFaults{Silence: true, LateRate: 0.3, Late: 1500, WrongUnit: true}}) || m.Serial != "20450307" || m.Litres != 70 {
		t.Errorf("m-1 = %+v", m)
	}
	if m := s.Meters[1]; m.Litres != 999_999_980 || m.Faults != (MeterFaults{Stuck: true, Wander: 20, Torn: true, AllFF: true, SwapWords: true,
		AnswerFaults: AnswerFaults{Sleepy: true, CutRate: 0.1, BusyRate: 0.1}}) {
		t.Errorf("m-2 = %+v", m)
	}
	if len(m.Flags) != 1 || m.Flags[0] != "tamper" || m.Registers != "0: 0000 0046 0002 0001 2045 0307" {
		t.Errorf("m-1 = %+v; want tamper alone", m)
	}
	if d := s.Doors[0]; !d.Open || d.Contact != "open" || d.Faults.StuckContact != "open" || d.Faults.Jammed || !d.Faults.Silence {
		t.Errorf("ktv = %+v", d)
	}
	if d := s.Doors[1]; !d.Faults.Jammed || !d.Faults.Silence {
		t.Errorf("gym = %+v; want it jammed, and silent with its module", d)
	}
	if got := s.FaultsOn(); got != 17 { // three of m-1's answers, tamper; eight of m-2; the contact, the strike, the module; cut, noise
		t.Errorf("%d faults are on; want 17", got)
	}
}

func TestPageOfMetersAndDoors(t *testing.T) {
	r := start(t, modbusOnly)
	r.do("POST", "/api/meters/m-2/silence", "")
	r.do("POST", "/api/doors/gym/silence", "")
	pages := []struct {
		query        string
		want, absent []string
	}{
		{"", []string{"瓦斯表", "3 只", ">KTV 室<", "健身房", "關、上鎖", "推門", `aria-label="1842.361 m³"`, "不回覆 0 次", `id="on-meters-m-2-silence"`, "門 0",
			`id="fault-lines-meters-1-noise"`, `href="/api/faults.yaml"`, "Modbus TCP", "開著的故障"}, []string{"包裹櫃", "換表", "強行打開", `id="fault-lines-doors-noise"`, "卡住門鎖", "看全部"}},
		{"?pick=meters/m-1", []string{"表號 10000101", "0: 001C 1CB9 0000 0001 1000 0101", "換表", `value="20000101"`, "倒退 1 度", "撥到歸零前", `id="fault-meters-m-1-word-order"`, "只看 m-1"}, []string{`id="fault-lines-`}},
		{"?pick=lines/doors", []string{`id="fault-lines-doors-noise"`, `id="fault-lines-doors-swapped"`, "線路恢復正常"}, []string{`id="fault-lines-doors-stale-tcp"`}},
		{"?pick=lines/meters-2", []string{`id="fault-lines-meters-2-stale-tcp"`}, []string{`id="fault-lines-meters-2-swapped"`}},
		{"?pick=doors/ktv&lang=en", []string{"contact says closed", "releases 0", "Force", "says open", ">KTV<", "Gas meters"}, []string{"瓦斯表", "KTV 室"}},
		{"?pick=doors/gym&lang=en", []string{"no contact", "Strike jammed"}, []string{"Contact stuck"}},
		{"?q=0102", []string{"找到 1 只", "m-2"}, []string{">m-1<", ">m-3<"}},
		{"?trouble=1", []string{"找到 1 只", "m-2"}, []string{">m-1<"}},
		{"?pick=meters/nobody", []string{`id="fault-lines-meters-1-noise"`}, nil},
	}
	for _, p := range pages {
		res, body := r.do("GET", "/"+p.query, "")
		if res.StatusCode != 200 {
			t.Fatalf("GET /%s = %d", p.query, res.StatusCode)
		}
		for _, want := range p.want {
			if !strings.Contains(body, want) {
				t.Errorf("/%s lacks %q", p.query, want)
			}
		}
		for _, never := range append(p.absent, "style=", "<script>", "onclick", "ZgotmplZ") {
			if strings.Contains(body, never) {
				t.Errorf("/%s holds %q", p.query, never)
			}
		}
		if n := strings.Count(body, `id="on-doors-ktv-silence"`) + strings.Count(body, `id="on-doors-gym-silence"`); n != 1 {
			t.Errorf("/%s shows the silence of one module %d times", p.query, n)
		}
	}
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "HX-Request", "true"}
	if _, body := r.do("POST", "/touch/meters/m-1/replace", "serial=20450307", form...); strings.TrimSpace(body) != "" || r.state().Meters[0].Serial != "20450307" {
		t.Errorf("exchange by form = %q", body)
	}
	if _, body := r.do("POST", "/touch/meters/m-1/set", "add=1000000", form...); strings.TrimSpace(body) != "" || r.state().Meters[0].Litres != 1000000 {
		t.Errorf("jump by form = %q", body)
	}
	if _, body := r.do("POST", "/touch/doors/ktv/push?lang=en", "", form...); !strings.Contains(body, "Not done") || !strings.Contains(body, "the strike holds the door") {
		t.Errorf("pushing a held door by form = %q", body)
	}
}

// A running counter comes in a part of its own, and the buttons beside it stay as they are.
func TestLiveMeters(t *testing.T) {
	r := start(t, modbusOnly)
	next := r.follow("/live?" + url.Values{"pick": {"meters/m-1"}, "lang": {"en"}}.Encode())
	for _, want := range []string{"top", "on", "doors", "meters", "meter-m-1", "meter-m-2", "meter-m-3", "panel", "facts", "lines", "wire"} {
		got, data := next()
		if got != want {
			t.Fatalf("event %q; want %s", got, want)
		}
		if got == "meters" && !strings.Contains(data, `aria-label="1842.361 m³"`) {
			t.Errorf("the meters came without their counters: %s", data)
		}
	}
	r.do("POST", "/api/meters/m-1/set", `{"litres":1842999}`)
	seen := map[string]bool{}
	for !seen["facts"] {
		event, data := next()
		if event == "" || event == "meters" || event == "panel" {
			t.Fatalf("event %q; want the counter alone", event)
		}
		if event == "meter-m-1" && !strings.Contains(data, `aria-label="1842.999 m³"`) {
			t.Errorf("the counter came as %s", data)
		}
		seen[event] = true
	}
	if !seen["meter-m-1"] {
		t.Error("the counter did not come")
	}
}
