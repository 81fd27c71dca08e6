package commission

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// ErrText says that a configuration is written in a way that cannot be edited in place.
var ErrText = errors.New("cannot be edited in place")

// learnt is what commissioning puts into a bank's configuration.
type learnt struct {
	closed  *int        // closed_bit; nil: as it stands
	locks   map[int]int // door → lock
	sensors *bool       // item_sensors; nil: as it stands
}

// rewrite puts what was learnt into the text of a configuration: the value of closed_bit, and the lock of each door where it is
// not the door's number. Every other byte stays as it is.
func rewrite(text []byte, bank int, l learnt) ([]byte, error) {
	if n := bytes.Count(text, []byte("\r\n")); n > 0 { // the parser miscounts the lines of Windows
		if n != bytes.Count(text, []byte("\n")) {
			return nil, fmt.Errorf("line ends of Windows and Unix are mixed: %w", ErrText)
		}
		out, err := rewrite(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), bank, l)
		return bytes.ReplaceAll(out, []byte("\n"), []byte("\r\n")), err
	}
	e, err := newEditor(text)
	if err != nil {
		return nil, err
	}
	locker, err := e.entry(bank)
	if err != nil {
		return nil, err
	}
	if l.closed != nil {
		e.set(locker, "closed_bit", "protocol", strconv.Itoa(*l.closed), true)
	}
	if l.sensors != nil {
		e.set(locker, "item_sensors", "protocol", strconv.FormatBool(*l.sensors), *l.sensors)
	}
	for _, door := range e.doors(locker) {
		number, ok := intOf(door.value("number"))
		if lock, known := l.locks[number]; ok && known {
			e.set(door, "lock", "number", strconv.Itoa(lock), lock != number)
		}
	}
	return e.apply()
}

// editor collects changes to a text by the places of its nodes.
type editor struct {
	text  []byte
	lines []int // where each line begins
	root  mapping
	edits []edit
	err   error // the first place that could not be found
}

// edit replaces text[from:to]; from == to inserts.
type edit struct {
	from, to int
	with     string
}

// mapping is one mapping of the text.
type mapping struct {
	pairs []*ast.MappingValueNode
	flow  bool // {a: 1, b: 2}
}

func newEditor(text []byte) (*editor, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil || len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, fmt.Errorf("no YAML document: %w", ErrText)
	}
	e := &editor{text: text, lines: []int{0}}
	for i, b := range text {
		if b == '\n' {
			e.lines = append(e.lines, i+1)
		}
	}
	var ok bool
	if e.root, ok = mappingOf(file.Docs[0].Body); !ok {
		return nil, fmt.Errorf("no mapping: %w", ErrText)
	}
	return e, nil
}

func mappingOf(n ast.Node) (mapping, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return mapping{n.Values, n.IsFlowStyle}, true
	case *ast.MappingValueNode:
		return mapping{[]*ast.MappingValueNode{n}, n.IsFlowStyle}, true
	}
	return mapping{}, false
}

func listOf(n ast.Node) []ast.Node {
	if list, ok := n.(*ast.SequenceNode); ok {
		return list.Values
	}
	return nil
}

func (m mapping) pair(key string) *ast.MappingValueNode {
	for _, p := range m.pairs {
		if p.Key.GetToken().Value == key {
			return p
		}
	}
	return nil
}

func (m mapping) value(key string) ast.Node {
	if p := m.pair(key); p != nil {
		return p.Value
	}
	return nil
}

func intOf(n ast.Node) (int, bool) {
	if n == nil {
		return 0, false
	}
	i, err := strconv.Atoi(n.GetToken().Value)
	return i, err == nil
}

// entry is one bank.
func (e *editor) entry(bank int) (mapping, error) {
	lockers := listOf(e.root.value("lockers"))
	if bank < 0 || bank >= len(lockers) {
		return mapping{}, fmt.Errorf("lockers[%d]: not there: %w", bank, ErrText)
	}
	m, ok := mappingOf(lockers[bank])
	if !ok {
		return mapping{}, fmt.Errorf("lockers[%d]: no mapping: %w", bank, ErrText)
	}
	return m, nil
}

// doors are the doors of a bank, in the order of the text.
func (e *editor) doors(locker mapping) (doors []mapping) {
	for _, column := range listOf(locker.value("columns")) {
		c, _ := mappingOf(column)
		for _, door := range listOf(c.value("doors")) {
			if m, ok := mappingOf(door); ok {
				doors = append(doors, m)
			}
		}
	}
	return doors
}

// set gives a key its value: where it stands, or behind the key named after if it is missing and needed.
func (e *editor) set(m mapping, key, after, value string, needed bool) {
	if p := m.pair(key); p != nil {
		if written := p.Value.GetToken(); written.Type == token.ImplicitNullType {
			e.add(e.end(p.Key.GetToken())+1, " "+value) // behind its colon
		} else if written.Value != value {
			from := e.start(written)
			e.edits = append(e.edits, edit{from, e.end(written), value})
		}
		return
	}
	p := m.pair(after)
	switch {
	case !needed:
	case p == nil:
		e.fail(fmt.Errorf("%s: missing: %w", after, ErrText))
	case m.flow:
		e.add(e.end(p.Value.GetToken()), ", "+key+": "+value)
	default:
		line := strings.Repeat(" ", p.Key.GetToken().Position.Column-1) + key + ": " + value
		e.add(e.lineEnd(e.end(p.Value.GetToken())), "\n"+line)
	}
}

func (e *editor) add(at int, text string) { e.edits = append(e.edits, edit{at, at, text}) }

func (e *editor) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// start is where a token stands in the text. What stands there must read as the token does: a place that was counted otherwise
// than here is refused, never edited.
func (e *editor) start(t *token.Token) int {
	p, written := t.Position, strings.TrimSpace(t.Origin)
	if p.Line < 1 || p.Line > len(e.lines) || written == "" {
		e.fail(fmt.Errorf("line %d, column %d: %w", p.Line, p.Column, ErrText))
		return 0
	}
	at := e.lines[p.Line-1]
	for n := 1; n < p.Column && at < len(e.text); n++ { // columns count characters
		_, size := utf8.DecodeRune(e.text[at:])
		at += size
	}
	if !bytes.HasPrefix(e.text[at:], []byte(written)) {
		e.fail(fmt.Errorf("line %d, column %d: %q is expected there: %w", p.Line, p.Column, written, ErrText))
		return 0
	}
	return at
}

// end is where a token ends.
func (e *editor) end(t *token.Token) int { return e.start(t) + len(strings.TrimSpace(t.Origin)) }

// lineEnd is where the line that holds at ends.
func (e *editor) lineEnd(at int) int {
	if n := bytes.IndexByte(e.text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(e.text)
}

// apply makes the edits, the last in the text first.
func (e *editor) apply() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	slices.Reverse(e.edits) // of two at one place the first comes before the second
	slices.SortStableFunc(e.edits, func(a, b edit) int { return b.from - a.from })
	out := slices.Clone(e.text)
	for _, x := range e.edits {
		out = slices.Concat(out[:x.from], []byte(x.with), out[x.to:])
	}
	return out, nil
}

// text is a scalar's text; empty when there is none.
func (m mapping) text(key string) string {
	if n := m.value(key); n != nil {
		return n.GetToken().Value
	}
	return ""
}
