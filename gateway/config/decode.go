package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

type place struct{ line, column int }

// decoder fills a struct from YAML and collects every fault on the way, which the library's own strict mode does not:
// it stops at the first.
type decoder struct {
	file   string
	at     map[string]place // where each path stands in the file
	unread map[string]bool  // paths whose value is of the wrong type: nothing more is to be said of it
	lost   map[string]bool  // entries that a fault elsewhere costs
	faults []Fault

	lineNames []string // of lines, as they stand in the file
}

func (d *decoder) decode(text []byte, into *Config) error {
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("%s:%s: %w", d.file, strings.Replace(strings.TrimPrefix(first, "["), "] ", ": ", 1), ErrUnreadable)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return fmt.Errorf("%s: %d YAML documents, want one: %w", d.file, len(file.Docs), ErrUnreadable)
	}
	d.value("", file.Docs[0].Body, reflect.ValueOf(into).Elem())
	return nil
}

func (d *decoder) fault(path string, p place, what, remedy string) {
	d.faults = append(d.faults, Fault{d.file, p.line, p.column, path, what, remedy})
}

func (d *decoder) wrong(path string, n ast.Node, want string) {
	d.unread[path] = true
	d.fault(path, where(n), fmt.Sprintf("%s where %s is wanted", describe(n), want), "write "+want)
}

func (d *decoder) value(path string, n ast.Node, v reflect.Value) {
	d.at[path] = where(n)
	if n.Type() == ast.NullType {
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		wait, err := time.ParseDuration(n.GetToken().Value)
		if err != nil || n.Type() != ast.StringType {
			d.wrong(path, n, "a time such as 500ms")
			return
		}
		v.SetInt(int64(wait))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, n, v.Elem())
	case v.Kind() == reflect.Struct:
		d.mapping(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

func (d *decoder) scalar(path string, n ast.Node, v reflect.Value) {
	text := n.GetToken().Value
	switch v.Kind() {
	case reflect.String:
		if _, ok := n.(ast.ScalarNode); !ok {
			d.wrong(path, n, "a text")
			return
		}
		v.SetString(text)
	case reflect.Int:
		i, err := whole(text)
		if err != nil || n.Type() != ast.IntegerType {
			d.wrong(path, n, "a whole number")
			return
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		if n.Type() != ast.BoolType {
			d.wrong(path, n, "true or false")
			return
		}
		v.SetBool(text == "true")
	default:
		panic("config: no rule for " + v.Type().String())
	}
}

// whole reads a decimal number, or a hexadecimal one such as 0x60.
func whole(text string) (int, error) {
	if digits, hex := strings.CutPrefix(text, "0x"); hex {
		n, err := strconv.ParseUint(digits, 16, 31)
		return int(n), err
	}
	return strconv.Atoi(text)
}

func (d *decoder) list(path string, n ast.Node, v reflect.Value) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.wrong(path, n, "a list")
		return
	}
	for i, item := range list.Values {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(fmt.Sprintf("%s[%d]", path, i), item, v.Index(i))
	}
}

func (d *decoder) mapping(path string, n ast.Node, v reflect.Value) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		d.wrong(path, n, "a mapping (key: value)")
		return
	}
	known := fieldsOf(v.Type())
	seen := map[string]bool{}
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		inner := strings.TrimPrefix(path+"."+key, ".")
		index, ok := known.index[key]
		switch {
		case !ok:
			d.fault(inner, where(pair.Key), "unknown key", "use one of "+strings.Join(known.names, ", "))
		case seen[key]:
			d.fault(inner, where(pair.Key), "key given twice", "keep one of them")
		default:
			d.value(inner, pair.Value, v.Field(index))
		}
		seen[key] = true
	}
}

type keys struct {
	names []string
	index map[string]int
}

func fieldsOf(t reflect.Type) keys {
	k := keys{index: map[string]int{}}
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		name := f.Tag.Get("yaml")
		k.names = append(k.names, name)
		k.index[name] = f.Index[0]
	}
	return k
}

func where(n ast.Node) place {
	switch m := n.(type) { // a mapping's own token is its first colon
	case *ast.MappingNode:
		if len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{1, 1}
	}
	p := n.GetToken().Position
	return place{p.Line, p.Column}
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	}
	return strconv.Quote(n.GetToken().Value)
}
