package commission

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// styles are one bank of three doors, written in every way that people write YAML.
func styles() map[string]string {
	all := map[string]string{
		"plain": plain,
		"flow":  `{gateway: gw-1, lines: [{name: a, ports: [tty/a]}], lockers: [{bank: B, line: a, protocol: kerong-a, boards: [7], closed_bit: 0, columns: [{doors: [{number: 1, size: S}]}]}, {bank: A, line: a, protocol: kerong-a, boards: [0, 1], columns: [{doors: [{number: 101, size: S, lock: 1}, {number: 3, size: M}, {number: 12, size: L}]}]}]}`,
		"quotes, an empty closed_bit, no newline at the end": `"gateway": 'gw-1'
lines:
- name: "a"
  ports:
  - tty/a
lockers:
- {bank: B, line: a, protocol: kerong-a, boards: [7], closed_bit: 1, columns: [{doors: [{number: 1, size: S}]}]}
- bank: "A"
  columns:
  - doors:
    - {number: 101, "size": S,
       lock: 1}
    - {"number": 3, size: M}
    - size: L
      "number": 12
  boards:
  - 0
  - 1
  line: 'a'
  closed_bit:
  protocol: "kerong-a"`,
	}
	for name, text := range all {
		if !strings.HasSuffix(name, "Windows") {
			all[name+", from Windows"] = strings.ReplaceAll(text, "\n", "\r\n")
		}
	}
	return all
}

const plain = `gateway: gw-1 # the box
site: 板橋示範社區
lines:
  - name: a
    ports: [/dev/lobby-a]
lockers:
  - bank: B
    line: a
    protocol: kerong-a
    boards: [7]
    closed_bit: 1
    columns: [{doors: [{number: 1, size: S}]}]
  # 大廳的鎖櫃
  - bank: A
    line: a
    protocol: kerong-a # 16 locks a board
    boards: [0, 1]
    columns: # left to right
      - doors:
          - {number: 101, size: S, lock: 1}   # 上
          - {size: M, number: 3, low: true}
          - {size: screen}
      - doors:
          - number: 12
            size: L # 大的
`

func place(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRewriteSaysWhatWasLearnt(t *testing.T) {
	for name, text := range styles() {
		t.Run(name, func(t *testing.T) {
			p, faults, err := Read(place(t, text), "A")
			if err != nil || len(faults) > 0 || p.Proven {
				t.Fatalf("Read() = proven %v, %v, %v", p.Proven, faults, err)
			}
			l := learnt{closed: new(int), locks: map[int]int{101: 17, 3: 3, 12: 2}}
			got, err := p.result(l) // which sees that nothing else is said otherwise
			if err != nil {
				t.Fatal(err)
			}
			c, faults, err := config.Parse(p.file, got)
			if err != nil || len(faults) > 0 || *c.Lockers[1].Closed != 0 {
				t.Fatalf("Parse of the result = %v, %v\n%s", faults, err, got)
			}
			q := Plan{Locker: c.Lockers[1]}
			for door, lock := range l.locks {
				if q.lockOf(door) != lock {
					t.Errorf("door %d has lock %d; want %d\n%s", door, q.lockOf(door), lock, got)
				}
			}
			if n := strings.Count(string(got), "\n") - strings.Count(text, "\n"); n > 2 || strings.Count(string(got), "\r\n") > 0 && strings.Count(string(got), "\r\n") != strings.Count(string(got), "\n") {
				t.Errorf("%d lines more, line ends mixed:\n%q", n, got)
			}
			if again, err := rewrite(got, 1, l); err != nil || string(again) != string(got) {
				t.Errorf("writing it again changes it (%v):\n%s", err, again)
			}
		})
	}
}

func TestRewriteLeavesEveryOtherByte(t *testing.T) {
	for _, eol := range []string{"\n", "\r\n"} {
		p, _, err := Read(place(t, strings.ReplaceAll(plain, "\n", eol)), "A")
		if err != nil {
			t.Fatal(err)
		}
		yes, one := true, 1
		got, err := p.result(learnt{closed: &one, locks: map[int]int{101: 11, 3: 18, 12: 2}, sensors: &yes})
		if err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(strings.NewReplacer(
			"    protocol: kerong-a # 16 locks a board\n", "    protocol: kerong-a # 16 locks a board\n    closed_bit: 1\n    item_sensors: true\n",
			"lock: 1}", "lock: 11}", "number: 3, low", "number: 3, lock: 18, low", "          - number: 12\n", "          - number: 12\n            lock: 2\n",
		).Replace(plain), "\n", eol)
		if string(got) != want {
			t.Errorf("result =\n%s\nwant\n%s", got, want)
		}
	}
}

func TestReadStopsAtOtherFaults(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"of the bank", "boards: [0, 1]", "boards: [0, 99]", "lockers[1].boards[1]"},
		{"of its line", "ports: [/dev/lobby-a]", "ports: []", "lines[0].ports"},
		{"of the file", "gateway: gw-1", "gateway: GW 1", "gateway"},
		{"no such bank", "bank: A", "bank: C", "there is no bank"},
		{"two doors of one number", "number: 3,", "number: 101,", "door 101 is also"},
		{"no boards", "boards: [0, 1]", "boards: []", "lockers[1].boards"},
		{"not YAML", "lines:", "lines: [", "cannot be read"},
	} {
		_, faults, err := Read(place(t, strings.Replace(plain, c.old, c.new, 1)), "A")
		var all []string
		for _, f := range faults {
			all = append(all, f.Error())
		}
		if err == nil || !strings.Contains(strings.Join(append(all, err.Error()), "\n"), c.want) {
			t.Errorf("%s: Read() = %v, %v; want %q", c.name, all, err, c.want)
		}
		if err != nil && !errors.Is(err, ErrPlan) && !errors.Is(err, config.ErrUnreadable) {
			t.Errorf("%s: Read() = %v; want ErrPlan or ErrUnreadable", c.name, err)
		}
	}
}

// What commissioning mends does not stop it, and what is wrong elsewhere is not its business.
func TestReadBearsWhatItMends(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		proven         bool
	}{
		{"closed_bit missing", "", "", false},
		{"closed_bit wrong", "    columns: # left", "    closed_bit: 7\n    columns: # left", false},
		{"a lock past the chain", "lock: 1}", "lock: 99}", false},
		{"a lock given twice", "lock: 1}", "lock: 3}", false},
		{"another bank is wrong", "boards: [7]", "boards: [99]", false},
		{"all there", "    columns: # left", "    closed_bit: 0\n    columns: # left", true},
	} {
		p, faults, err := Read(place(t, strings.Replace(plain, c.old, c.new, 1)), "A")
		if err != nil || len(faults) > 0 || p.Proven != c.proven || p.Locker.Bank != "A" || p.Line.Name != "a" {
			t.Errorf("%s: Read() = proven %v, bank %q, %v, %v; want proven %v", c.name, p.Proven, p.Locker.Bank, faults, err, c.proven)
		}
	}
}

// Whatever the text, an edit says exactly what was learnt and nothing else, or is refused.
func FuzzRewrite(f *testing.F) {
	for _, text := range styles() {
		f.Add(text, 0, 17, 3)
	}
	f.Add(strings.Replace(plain, "bank: A", "bank: &x A", 1), 1, 1, 2)
	f.Add(strings.Replace(plain, "number: 3", "number: 0x3", 1), 1, 1, 2)
	f.Add(strings.Replace(plain, "kerong-a #", ">-\n      kerong-a\n    #", 1), 1, 1, 2)
	f.Fuzz(func(t *testing.T, text string, closed, one, two int) {
		closed &= 1
		if len(text) > 4096 {
			return
		}
		p, _, err := read("gateway.yaml", []byte(text), "A")
		if err != nil {
			return
		}
		l := learnt{closed: &closed, locks: map[int]int{101: one&15 + 1, 3: two&15 + 17}}
		got, err := p.result(l)
		if err != nil {
			return
		}
		c, _, err := config.Parse("gateway.yaml", got)
		if err != nil {
			t.Fatalf("result cannot be read: %v\n%s", err, got)
		}
		for _, k := range c.Lockers {
			if k.Bank == "A" && *k.Closed != closed {
				t.Errorf("closed_bit = %d; want %d\n%s", *k.Closed, closed, got)
			}
		}
	})
}
