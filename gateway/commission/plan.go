package commission

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// ErrPlan says that the configuration does not let the bank be commissioned; what is wrong has been named.
var ErrPlan = errors.New("bank cannot be commissioned")

// Plan is one bank as its configuration describes it before commissioning.
type Plan struct {
	Config config.Config // with this bank in it, whatever was missing
	Places config.Config // as the file has it: where things stand in it
	Locker config.Locker // its closed_bit and locks count for nothing unless Proven
	Line   config.Line
	Proven bool // the file said closed_bit, and which lock each door has: the bank may have been in service

	file  string // of the configuration, links resolved
	text  []byte
	index int // of the bank among lockers
}

var lockPath = regexp.MustCompile(`^lockers\[\d+\]\.columns\[\d+\]\.doors\[\d+\]\.lock$`)

// Read reads the configuration of a bank. What commissioning mends (closed_bit, the locks of doors) may be missing or wrong in
// it; every other fault of the bank, of its line or of the file as a whole comes back, with an error. The error alone is
// config.ErrUnreadable or ErrPlan.
func Read(path, bank string) (Plan, []config.Fault, error) {
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Plan{}, nil, fmt.Errorf("%s: %v: %w", path, err, config.ErrUnreadable)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return Plan{}, nil, fmt.Errorf("%s: %v: %w", path, err, config.ErrUnreadable)
	}
	return read(file, text, bank)
}

// read is Read for a file already read.
func read(file string, text []byte, bank string) (Plan, []config.Fault, error) {
	c, faults, err := config.Parse(file, text)
	if err != nil {
		return Plan{}, nil, err
	}
	p := Plan{Places: c, file: file, text: text}
	line, err := p.find(bank)
	if err != nil {
		return Plan{}, nil, err
	}
	bit, locks, others := p.sort(faults, line)
	if len(others) > 0 {
		return Plan{}, others, fmt.Errorf("bank %s: %w: mend what is wrong with it first", bank, ErrPlan)
	}
	p.Proven = !bit && !locks
	return p, nil, p.imagine(bank, bit, locks)
}

// find looks for the bank in the file's text: a bank with a fault is left out of a Config.
func (p *Plan) find(bank string) (line int, err error) {
	e, err := newEditor(p.text)
	if err != nil {
		return 0, err
	}
	var names []string
	p.index = -1
	var its string
	for i, n := range listOf(e.root.value("lockers")) {
		m, _ := mappingOf(n)
		name := m.text("bank")
		if names = append(names, name); name == bank && p.index < 0 {
			p.index, its = i, m.text("line")
		}
	}
	if p.index < 0 {
		return 0, fmt.Errorf("%s: there is no bank %q; it has %s: %w", filepath.Base(p.file), bank, strings.Join(names, ", "), ErrPlan)
	}
	return slices.IndexFunc(listOf(e.root.value("lines")), func(n ast.Node) bool {
		m, _ := mappingOf(n)
		return m.text("name") == its
	}), nil
}

// sort parts the faults of the bank that commissioning mends from all others that stop it.
func (p *Plan) sort(faults []config.Fault, line int) (bit, locks bool, others []config.Fault) {
	its, lines := fmt.Sprintf("lockers[%d]", p.index), fmt.Sprintf("lines[%d]", line)
	for _, f := range faults {
		switch {
		case f.Path == its+".closed_bit":
			bit = true
		case strings.HasPrefix(f.Path, its+".") && lockPath.MatchString(f.Path):
			locks = true
		case within(f.Path, its), within(f.Path, lines), !config.Usable([]config.Fault{f}):
			others = append(others, f)
		}
	}
	return bit, locks, others
}

func within(path, entry string) bool {
	rest, ok := strings.CutPrefix(path, entry)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// imagine reads the file as if what commissioning finds out stood in it already, so that all else of it is checked as ever.
func (p *Plan) imagine(bank string, bit, locks bool) error {
	e, err := newEditor(p.text)
	if err != nil {
		return err
	}
	l := learnt{}
	if bit {
		l.closed = new(int)
	}
	if locks { // any will do, as long as each door has its own
		locker, err := e.entry(p.index)
		if err != nil {
			return err
		}
		l.locks = map[int]int{}
		for i, door := range e.doors(locker) {
			if number, ok := intOf(door.value("number")); ok {
				l.locks[number] = i + 1
			}
		}
	}
	text, err := rewrite(p.text, p.index, l)
	if err != nil {
		return err
	}
	c, faults, err := config.Parse(p.file, text)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(c.Lockers, func(l config.Locker) bool { return l.Bank == bank })
	if i < 0 {
		var all []error
		for _, f := range faults {
			all = append(all, f)
		}
		return fmt.Errorf("bank %s: %w: %w", bank, errors.Join(all...), ErrPlan)
	}
	p.Config, p.Locker = c, c.Lockers[i]
	p.Line = c.Lines[slices.IndexFunc(c.Lines, func(l config.Line) bool { return l.Name == p.Locker.Line })]
	return nil
}

// numbers are the doors of the bank, in the order of its front.
func (p *Plan) numbers() (all []int) {
	for _, column := range p.Locker.Columns {
		for _, d := range column.Doors {
			if d.Size != "screen" {
				all = append(all, d.Number)
			}
		}
	}
	return all
}

// lockOf is the lock that the configuration gives a door.
func (p *Plan) lockOf(door int) int {
	for _, column := range p.Locker.Columns {
		for _, d := range column.Doors {
			if d.Size != "screen" && d.Number == door {
				return d.Lock
			}
		}
	}
	return 0
}

// result is the configuration's text with what was learnt in it. It has no fault of the bank or its line, and differs from what
// the file said in nothing else.
func (p *Plan) result(l learnt) ([]byte, error) {
	text, err := rewrite(p.text, p.index, l)
	if err != nil {
		return nil, err
	}
	c, faults, err := config.Parse(p.file, text)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(c.Lockers, func(k config.Locker) bool { return k.Bank == p.Locker.Bank })
	if i < 0 {
		var all []error
		for _, f := range faults {
			all = append(all, f)
		}
		return nil, fmt.Errorf("what was learnt does not make a good configuration: %w", errors.Join(all...))
	}
	got, want := c.Lockers[i], p.Locker
	if l.closed != nil {
		want.Closed = l.closed
	}
	if l.sensors != nil {
		want.Sensors = *l.sensors
	}
	want.Columns = renumbered(want.Columns, l.locks)
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(without(c), without(p.Config)) {
		return nil, fmt.Errorf("%s: the edited text does not say what was learnt: %w", filepath.Base(p.file), ErrText)
	}
	return text, nil
}

func renumbered(columns []config.Column, locks map[int]int) []config.Column {
	columns = slices.Clone(columns)
	for i := range columns {
		columns[i].Doors = slices.Clone(columns[i].Doors)
		for d := range columns[i].Doors {
			if lock, ok := locks[columns[i].Doors[d].Number]; ok && columns[i].Doors[d].Size != "screen" {
				columns[i].Doors[d].Lock = lock
			}
		}
	}
	return columns
}

// without is all of a configuration that no bank's commissioning touches.
func without(c config.Config) []any {
	return []any{c.Gateway, c.Site, c.Cloud, c.Kiosk, c.Desk, c.Metrics, c.Lines, c.Profiles, c.Metering, c.Meters, c.Doors, len(c.Lockers)}
}

// unchanged tells whether the file still has the text that was read.
func (p *Plan) unchanged() (bool, error) {
	now, err := os.ReadFile(p.file)
	return bytes.Equal(now, p.text), err
}
