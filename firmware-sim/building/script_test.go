package building

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// whole is a building of everything.
func whole(t *testing.T) Config {
	t.Helper()
	cfg, err := Parse("test.yaml", []byte(wholeText()))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func wholeText() string {
	lines := modbusOnly[strings.Index(modbusOnly, "lines:")+len("lines:") : strings.Index(modbusOnly, "meters:\n")]
	text := strings.Replace(small, "lines: [{name: rs485-a, baud: 115200}]\n", "lines:\n  - {name: rs485-a, baud: 115200}"+lines, 1)
	return text + modbusOnly[strings.Index(modbusOnly, "meters:\n"):]
}

const nightmare = `seed: 7
faults:
  - {at: 5s, line: meters-1, do: drop, rate: 0.01, for: 20s}
  - {at: 10s, lock: A/3, do: stick, for: 30s}
  - {at: 0s, every: 30s..90s, pick: meters, do: silence, for: 5s..15s}
  - {at: 1m, line: rs485-a, do: unplug, for: 2s}
  - {every: 20s..40s, pick: doors, do: stick-contact, contact: open, for: 10s}
  - {at: 1s..9s, board: A/3, do: mute, for: 1s}
  - {at: 2s, bank: A, do: brown-out, rate: 0.5}
  - {at: 100s, lock: A/1, do: force}
`

func steps(t *testing.T, text string, until time.Duration) (out []Step) {
	t.Helper()
	s, err := ParseScript("faults.yaml", []byte(text), whole(t))
	if err != nil {
		t.Fatal(err)
	}
	for step := range s.Steps() {
		if step.At > until {
			break
		}
		if step.Do != "" {
			out = append(out, step)
		}
	}
	return out
}

func show(all []Step) string {
	var out []string
	for _, s := range all {
		out = append(out, fmt.Sprintf("%v %s %s %v", s.At, s.Target, s.Do, s.Options.Fields()))
	}
	return strings.Join(out, "\n")
}

func TestScheduleIsSeeded(t *testing.T) {
	const hour = time.Hour
	first, again := steps(t, nightmare, hour), steps(t, nightmare, hour)
	if !reflect.DeepEqual(first, again) {
		t.Error("the same seed gave another schedule")
	}
	if other := steps(t, strings.Replace(nightmare, "seed: 7", "seed: 8", 1), hour); reflect.DeepEqual(first, other) {
		t.Error("another seed gave the same schedule")
	}
	unseeded := steps(t, strings.Replace(nightmare, "seed: 7\n", "", 1), hour)
	if !reflect.DeepEqual(first, unseeded) { // the building's is 7, too
		t.Error("without a seed it is not the building's")
	}
	if !slices.IsSortedFunc(first, func(a, b Step) int { return int(a.At - b.At) }) {
		t.Error("the steps are out of order")
	}
	silences, met := 0, map[string]bool{}
	for i, s := range first {
		if s.Do == "silence" && !s.Ends {
			silences, met[s.Target.Name] = silences+1, true
			end := first[i+1+slices.IndexFunc(first[i+1:], func(o Step) bool { return o.Ends && o.Target == s.Target && o.Do == s.Do })]
			if lasted := end.At - s.At; lasted < 5*time.Second || lasted > 15*time.Second {
				t.Errorf("a silence lasts %v; want 5 s to 15 s", lasted)
			}
		}
	}
	if silences < 40 || silences > 120 || len(met) != 3 {
		t.Errorf("%d silences in an hour of meters %v; want about 60, of all three", silences, met)
	}
}

func TestSchedule(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"one with an end", "faults: [{at: 5s, line: doors, do: noise, rate: 0.01, for: 2s}]",
			"5s line doors noise map[rate:0.01]\n7s line doors noise map[rate:0]"},
		{"one ends as the next begins", "faults: [{at: 2s, line: doors, do: cut, for: 2s}, {line: doors, do: cut, for: 2s}]",
			"0s line doors cut map[]\n2s line doors cut map[on:false]\n2s line doors cut map[]\n4s line doors cut map[on:false]"},
		{"again and again", "faults: [{at: 1s, every: 3s, meter: m-1, do: leak, for: 1s}]",
			"1s meter m-1 leak map[]\n2s meter m-1 leak map[on:false]\n4s meter m-1 leak map[]\n5s meter m-1 leak map[on:false]\n7s meter m-1 leak map[]\n8s meter m-1 leak map[on:false]\n10s meter m-1 leak map[]"},
		{"a change", "faults: [{line: doors, do: noise, rate: 0.01}, {at: 1s, line: doors, do: noise, rate: 0.02}, {at: 2s, line: doors, do: clear}]",
			"0s line doors noise map[rate:0.01]\n1s line doors noise map[rate:0.02]\n2s line doors clear map[]"},
		{"a deed", "faults: [{at: 1s, every: 9s, lock: A/2, do: open-by-key}]", "1s lock A/2 open-by-key map[]\n10s lock A/2 open-by-key map[]"},
		{"drawn of two without the one that is taken", "faults: [{lock: A/1, do: stick}, {lock: A/3, do: stick}, {at: 1s, every: 5s, pick: locks, do: stick, for: 4s}]",
			"0s lock A/1 stick map[]\n0s lock A/3 stick map[]\n1s lock A/2 stick map[]\n5s lock A/2 unstick map[]\n6s lock A/2 stick map[]\n10s lock A/2 unstick map[]"},
		{"none is left to draw", "faults: [{pick: boards, do: mute}, {at: 1s, pick: boards, do: mute}, {at: 2s, every: 1s, pick: boards, do: dead, for: 500ms}]", ""},
	}
	for _, tt := range tests {
		got := steps(t, tt.text, 10*time.Second)
		if tt.want == "" { // both boards, in some order, once
			if len(got) != 2 || got[0].Target == got[1].Target || got[1].At != time.Second {
				t.Errorf("%s:\n%s\nwant both boards mute and nothing more", tt.name, show(got))
			}
		} else if show(got) != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, show(got), tt.want)
		}
	}
}

// invariant 9
func TestScriptMistakes(t *testing.T) {
	cfg := whole(t)
	tests := []struct{ name, entry, want string }{
		{"no such line", "{line: metres, do: cut}", `3:12: faults[0].line: there is no line "metres"; use rs485-a, meters-1, meters-2 or doors`},
		{"no such lock", "{lock: A/9, do: stick}", `faults[0].lock: there is no lock "A/9"; use A/1, A/2 or A/3`},
		{"no such board", "{board: A/1, do: mute}", `there is no board "A/1"; use A/0 or A/3`},
		{"no such action", "{line: doors, do: explode}", `3:23: faults[0].do: no such action: "explode": use unplug, `},
		{"rate out of range", "{line: doors, do: drop, rate: 1.5}", `3:6: faults[0]: drop: give rate, 0 to 1`},
		{"no rate", "{line: doors, do: drop}", `drop: give rate, 0 to 1`},
		{"an option too many", "{line: doors, do: cut, rate: 0.1}", `cut takes no rate: give on`},
		{"unknown key", "{line: doors, do: cut, often: 3}", `3:28: unknown field "often"`},
		{"no target", "{do: cut}", `say what it is done to, once`},
		{"two targets", "{line: doors, meter: m-1, do: silence}", `say what it is done to, once`},
		{"pick of nothing", "{pick: cats, do: cut}", `faults[0].pick: "cats"; use lines, banks, boards, locks, meters or doors`},
		{"it cannot be there", "{line: doors, do: stale-tcp}", `stale-tcp cannot happen there`},
		{"bad time", "{at: soon, line: doors, do: cut}", `faults[0].at: "soon"; use a time like 5s`},
		{"upside down range", "{at: 9s..1s, line: doors, do: cut}", `"9s..1s"; use a time like 5s`},
		{"negative", "{at: -1s, line: doors, do: cut}", `"-1s"; use a time`},
		{"too often", "{every: 1ms, line: doors, do: cut, for: 1ms}", `faults[0].every: "1ms"`},
		{"never ends", "{every: 5s, line: doors, do: cut}", `faults[0].every: cut does not end before it begins again`},
		{"longer than the round", "{every: 5s..9s, line: doors, do: cut, for: 1s..5s}", `make for shorter than every`},
		{"a deed that lasts", "{lock: A/1, do: put, for: 1s}", `faults[0].for: put does not last`},
		{"overlap", "{at: 1s, line: doors, do: cut, for: 9s}\n  - {at: 5s, line: doors, do: cut, for: 9s}", `4:6: faults[1]: cut of line doors while faults[0] does the same to it`},
		{"one's end is within the other", "{at: 1s, line: doors, do: cut}\n  - {at: 5s, line: doors, do: cut, for: 9s}", `while faults[0] does`},
		{"ended by hand", "{at: 1s, line: doors, do: unplug, for: 9s}\n  - {at: 5s, line: doors, do: replug}", `replug of line doors while faults[0]`},
		{"mute and dead", "{at: 1s, board: A/3, do: mute, for: 9s}\n  - {at: 5s, board: A/3, do: dead, for: 1s}", `dead of board A/3 while faults[0]`},
		{"doors of one module", "{door: ktv, do: silence, for: 9s}\n  - {door: gym, do: silence, for: 1s}", `silence of door gym while faults[0]`},
		{"two that repeat", "{every: 9s, line: doors, do: cut, for: 1s}\n  - {every: 9s, line: doors, do: cut, for: 1s}", `while faults[0] does`},
	}
	for _, tt := range tests {
		_, err := ParseScript("f.yaml", []byte("seed: 1\nfaults:\n  - "+tt.entry+"\n"), cfg)
		if !errors.Is(err, ErrConfig) || !strings.Contains(fmt.Sprint(err), tt.want) || !strings.HasPrefix(fmt.Sprint(err), "f.yaml:") {
			t.Errorf("%s: %v; want f.yaml:…%s", tt.name, err, tt.want)
		}
	}
	for _, text := range []string{"", "faults: []", "seed: x\nfaults: [{line: doors, do: cut}]", "[", "faults: 3"} {
		if _, err := ParseScript("f.yaml", []byte(text), cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v; want it refused", text, err)
		}
	}
}

// played is what a script did to a building in a time, as it was noted.
func played(t *testing.T, text string, last time.Duration) (trace []string, recording string) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		cfg := whole(t)
		s, err := ParseScript("faults.yaml", []byte(text), cfg)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Open(cfg, dir)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), last)
		defer cancel()
		if err := b.Play(ctx, s); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Play ended with %v; want its end, or the deadline", err)
		}
		for _, d := range b.Done() {
			trace = append(trace, fmt.Sprintf("%v %s %s %v ends %v: %v", d.At.Sub(begun), d.Target, d.Do, d.Options.Fields(), d.Ends, d.Err))
		}
		recording = string(b.Recording())
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return trace, recording
}

// invariant 14
func TestPlayedTwiceTheTraceIsTheSame(t *testing.T) {
	const last = 10 * time.Minute
	first, recording := played(t, nightmare, last)
	again, _ := played(t, nightmare, last)
	if !slices.Equal(first, again) || len(first) < 40 {
		t.Errorf("%d steps, again %d; want the same, and some", len(first), len(again))
	}
	want := "1m2s line rs485-a replug map[link:rs485-a-1] ends true: <nil>"
	if !slices.Contains(first, want) {
		t.Errorf("the trace lacks %q:\n%s", want, strings.Join(first, "\n"))
	}

	// Its recording is a script that does the same, at the same times.
	replayed, _ := played(t, recording, last)
	bare := func(trace []string) (out []string) {
		for _, s := range trace {
			out = append(out, strings.NewReplacer("ends true", "", "ends false", "").Replace(s))
		}
		return out
	}
	if a, b := bare(first), bare(replayed); !slices.Equal(a, b) {
		t.Errorf("replayed:\n%s\nwant\n%s", strings.Join(b, "\n"), strings.Join(a, "\n"))
	}
}

func TestWhatIsDoneByHandIsRecorded(t *testing.T) {
	r := start(t, wholeText())
	r.do("POST", "/api/lines/rs485-a/noise", `{"rate":0.002}`)
	r.do("POST", "/api/locks/A/1/open-by-key", "")
	r.do("POST", "/touch/meters/m-1/replace", "serial=00000042&litres=7", "Content-Type", "application/x-www-form-urlencoded")
	r.do("POST", "/api/lines/rs485-a/noise", `{"rate":9}`)
	r.do("POST", "/api/lines/doors/replug", "")
	res, body := r.do("GET", "/api/faults.yaml", "")
	var did []string
	for line := range strings.Lines(body) {
		if at, what, ok := strings.Cut(line, ", "); ok && strings.HasPrefix(at, "  - {at: ") {
			did = append(did, strings.TrimSpace(what))
		}
	}
	want := []string{`line: rs485-a, do: noise, rate: 0.002}`, `meter: m-1, do: replace, litres: 7, serial: "00000042"}`}
	if !slices.Equal(did, want) || res.Header.Get("Content-Type") != "application/yaml" {
		t.Errorf("recorded %q; want %q", body, want)
	}
	if _, err := ParseScript("recorded.yaml", []byte(body), whole(t)); err != nil {
		t.Errorf("the recording is no script: %v", err)
	}
}

// A script that meets what a hand has changed goes on, and notes it.
func TestAScriptGoesOn(t *testing.T) {
	r := start(t, wholeText())
	s, err := ParseScript("f.yaml", []byte("faults: [{line: doors, do: unplug, for: 10ms}, {at: 20ms, line: doors, do: cut}]"), whole(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Touch(Target{Kind: Lines, Name: "doors"}, "unplug", Options{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Play(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	done := r.Done()
	if len(done) != 4 || done[1].Err == nil || !done[1].Script || done[2].Err != nil || done[3].Do != "cut" {
		t.Errorf("done = %+v; want the second unplugging refused and noted", done)
	}
	if l := switchOf(r.State(), Target{Kind: Lines, Name: "doors"}, "cut"); !l.On {
		t.Error("the script did not go on")
	}
	if body := string(r.Recording()); strings.Count(body, "unplug") != 1 {
		t.Errorf("recorded %s; want one unplugging", body)
	}
}

// invariant 13
func TestWhatIsDoneIsBounded(t *testing.T) {
	r := start(t, small)
	for i := range maxDone + 10 {
		if err := r.TouchLine("rs485-a", "noise", Options{Rate: new(float64(i%2) / 10)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.Done()); n != maxDone || !strings.Contains(string(r.Recording()), "# The first 10 touches are no longer known.") {
		t.Errorf("%d touches are kept; want %d, and that it is said", n, maxDone)
	}
}

// Whatever is written, it is refused or gives steps in order, each fault ended before the next one of its kind begins.
func FuzzParseScript(f *testing.F) {
	f.Add(nightmare)
	f.Add("faults: [{at: 1s..2s, every: 3s, pick: locks, do: stick, for: 1s}, {every: 4s, pick: locks, do: stick, for: 2s..3s}]")
	f.Add("faults: [{line: doors, do: replug, link: \"a b\"}]")
	cfg, err := Parse("test.yaml", []byte(wholeText()))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScript("f.yaml", []byte(text), cfg)
		if err != nil {
			return
		}
		var last time.Duration
		n, on, all := 0, map[string]int{}, Actions()
		subjects := cfg.blank().subjects()
		for step := range s.Steps() {
			if n++; n > 300 {
				break
			}
			if step.At < last {
				t.Fatalf("step %d is at %v, after one at %v", n, step.At, last)
			}
			last = step.At
			e := s.entries[step.Entry]
			if e.lasts.most == 0 || step.Do == "" {
				continue
			}
			x := subjects[slices.IndexFunc(subjects, func(x subject) bool { return x.Target == step.Target })]
			for _, key := range e.action.keys(x, all) {
				if on[key]++; step.Ends {
					on[key] -= 2
				}
				if on[key] < 0 || on[key] > 1 {
					t.Fatalf("%s is on %d times at %v in %q", key, on[key], step.At, text)
				}
			}
		}
	})
}

// The nightmare holds every fault of the table, and none for ever.
func TestNightmareHasEveryFault(t *testing.T) {
	cfg, err := Load("../../configs/building-nightmare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadScript(cfg.Faults, cfg)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, e := range s.entries {
		there[string(e.action.Kind)+" "+e.action.Name] = true
		if e.action.Fault && (e.every.least == 0 || e.lasts.least == 0) {
			t.Errorf("%s of %s comes once or stays for ever", e.action.Name, e.action.Kind)
		}
	}
	for _, a := range Actions() {
		if a.Fault && !there[string(a.Kind)+" "+a.Name] {
			t.Errorf("%s of %s is missing", a.Name, a.Kind)
		}
	}
	for _, deed := range []string{"meters replace", "meters rollover", "locks force", "doors force"} {
		if !there[deed] {
			t.Errorf("%s is missing", deed)
		}
	}
}

// An adapter comes back under another name, and under none that is another line's.
func TestReplugTakesNobodysName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := OpenPipes(Config{Name: "x", Lines: []Line{{Name: "gas-1", Baud: 9600}, {Name: "gas-2", Baud: 9600}}})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		l, err := b.Line("gas-1")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"gas-1-1", "gas-1-2"} {
			if got := b.comesBackAs("gas-1"); got != want {
				t.Errorf("from %s it comes back as %s; want %s", l.Port().Link, got, want)
			}
			if err := errors.Join(l.Unplug(), l.Replug(want)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
