package modbus

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// text is a profile's YAML while it is read. Unlike the library's strict mode it does not stop at the first fault.
type text struct {
	name   string
	faults []fault
}

// fault is one thing wrong, with its place.
type fault struct {
	line, column int
	err          error
}

// place is a node and the path that leads to it.
type place struct {
	path string
	node ast.Node
}

// parse returns the one document of a file.
func (t *text) parse(b []byte) place {
	file, err := parser.ParseBytes(b, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n") // "[3:1] what"
		line, column, what := 1, 1, first
		if at, rest, ok := strings.Cut(strings.TrimPrefix(first, "["), "] "); ok {
			if n, _ := fmt.Sscanf(at, "%d:%d", &line, &column); n == 2 {
				what = rest
			}
		}
		t.add(line, column, "", what, "write YAML, as in docs/modbus.md 6")
		return place{}
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		t.add(1, 1, "", "not one document with something in it", "describe one model, as in docs/modbus.md 6")
		return place{}
	}
	return place{node: file.Docs[0].Body}
}

func (t *text) add(line, column int, path, what, remedy string) {
	if len(t.faults) == maxFaults {
		return
	}
	at := fmt.Sprintf("%s:%d:%d: ", t.name, line, column)
	if path != "" {
		at += path + ": "
	}
	t.faults = append(t.faults, fault{line, column, errors.New(at + what + "; " + remedy)})
}

// wrong notes a fault at p.
func (t *text) wrong(p place, what, remedy string) {
	n := p.node
	switch m := n.(type) { // a mapping's own token is its first colon
	case *ast.MappingNode:
		if len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	line, column := 1, 1
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		line, column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	t.add(line, column, p.path, what, remedy)
}

// err returns all faults in the order of the file.
func (t *text) err() error {
	slices.SortStableFunc(t.faults, func(a, b fault) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column)) })
	var errs []error
	for _, f := range t.faults {
		errs = append(errs, f.err)
	}
	return errors.Join(errs...)
}

// fields is a mapping: its own place and those of its values.
type fields struct {
	place
	of map[string]place
}

// mapping reads a mapping with these keys and no others.
func (t *text) mapping(p place, keys ...string) fields {
	f := fields{p, map[string]place{}}
	var pairs []*ast.MappingValueNode
	switch n := p.node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		t.wrong(p, "no mapping", "write key: value, with the keys "+strings.Join(keys, ", "))
	}
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		at := place{strings.TrimPrefix(p.path+"."+key, "."), pair.Key}
		switch _, twice := f.of[key]; {
		case !slices.Contains(keys, key):
			t.wrong(at, "unknown key", "use one of "+strings.Join(keys, ", "))
		case twice:
			t.wrong(at, "key given twice", "keep one of them")
		case pair.Value != nil && pair.Value.Type() != ast.NullType:
			f.of[key] = place{at.path, pair.Value}
		}
	}
	return f
}

// has tells whether a value was written for key.
func (f fields) has(key string) bool { _, ok := f.of[key]; return ok }

// need notes keys that are missing.
func (t *text) need(f fields, keys ...string) {
	for _, key := range keys {
		if f.node != nil && !f.has(key) {
			t.wrong(place{strings.TrimPrefix(f.path+"."+key, "."), f.node}, "missing", "add it, as in docs/modbus.md 6")
		}
	}
}

// list reads a list, which may be missing.
func (t *text) list(f fields, key string) []place {
	p, ok := f.of[key]
	if !ok {
		return nil
	}
	n, ok := p.node.(*ast.SequenceNode)
	if !ok {
		t.wrong(p, "no list", "write one, with - before each entry")
		return nil
	}
	var all []place
	for i, v := range n.Values {
		all = append(all, place{fmt.Sprintf("%s[%d]", p.path, i), v})
	}
	return all
}

// scalar is the text of a single value.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// value reads the text of one value, which must be one that ok accepts. A missing one is empty.
func (t *text) value(f fields, key, want string, ok func(string) bool) string {
	p, there := f.of[key]
	if !there {
		return ""
	}
	return t.single(p, want, ok)
}

func (t *text) single(p place, want string, ok func(string) bool) string {
	s, is := scalar(p.node)
	if !is || !ok(s) {
		t.wrong(p, strconv.Quote(s), "write "+want)
		return ""
	}
	return s
}

// choice reads one of a few words.
func (t *text) choice(f fields, key string, words ...string) string {
	return t.value(f, key, "one of "+strings.Join(words, ", "), func(s string) bool { return slices.Contains(words, s) })
}

// line reads a text of at most 200 bytes.
func (t *text) line(f fields, key string) string {
	return t.value(f, key, "a text of 1 to 200 bytes", isLine)
}

func isLine(s string) bool { return strings.TrimSpace(s) != "" && len(s) <= 200 }

// wholeNumber has no leading zeros, which some read as octal.
var wholeNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,17}|0x[0-9a-fA-F]{1,15})$`)

// whole reads a whole number, decimal or 0x…, from least to most. A missing or wrong one is least.
func (t *text) whole(f fields, key string, least, most int64) int64 {
	n := least
	t.value(f, key, fmt.Sprintf("a whole number from %d to %d", least, most), func(s string) bool {
		v, err := strconv.ParseInt(s, 0, 64)
		if err != nil || !wholeNumber.MatchString(s) || v < least || v > most {
			return false
		}
		n = v
		return true
	})
	return n
}

// duration reads a time such as 300ms, from least to most. A missing one is 0.
func (t *text) duration(f fields, key string, least, most time.Duration) (d time.Duration) {
	t.value(f, key, fmt.Sprintf("a time from %v to %v, such as 300ms", least, most), func(s string) bool {
		n, err := time.ParseDuration(s)
		if err == nil && n >= least && n <= most {
			d = n
		}
		return d > 0
	})
	return d
}
