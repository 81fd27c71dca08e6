package building

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	maxFile   = 1 << 20
	maxLines  = 16
	maxBanks  = 16
	maxGroups = 64  // of meters and of doors, each
	maxMeters = 400 // in all
	maxDoors  = 64  // in all
	maxUnits  = 48  // height of a column
)

// ErrConfig is what every error of a building's file, and of a fault script, wraps. Each says the place, what is wrong and the remedy.
var ErrConfig = errors.New("building file")

// Config describes a building. Devices name the line on which they hang.
type Config struct {
	Name   string       `yaml:"name"`   // shown on the page
	Seed   uint64       `yaml:"seed"`   // of all that is left to chance: noise on the lines, gas in the households
	Faults string       `yaml:"faults"` // fault script that is played to it, a path from the file's folder; empty: none
	Lines  []Line       `yaml:"lines"`
	Banks  []Bank       `yaml:"banks"`
	Meters []MeterGroup `yaml:"meters"`
	Doors  []DoorGroup  `yaml:"doors"`
}

// Load reads and checks a building's file. Every mistake is named with file, line, column and remedy, one line each.
func Load(path string) (Config, error) {
	b, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	cfg, err := Parse(path, b)
	if cfg.Faults != "" && !filepath.IsAbs(cfg.Faults) {
		cfg.Faults = filepath.Join(filepath.Dir(path), cfg.Faults)
	}
	return cfg, err
}

func readFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: name an existing YAML file", ErrConfig, err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("%w: %s: want a plain file of at most %d bytes", ErrConfig, path, maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return b, nil
}

// Parse reads and checks the text of a building's file; name stands in front of every error.
func Parse(name string, text []byte) (Config, error) {
	var cfg Config
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return cfg, syntax(name, err, exampleBuilding)
	}
	if err := decode(text, &cfg); err != nil {
		return Config{}, syntax(name, err, exampleBuilding)
	}
	cfg.fill()
	c := checker{name: name, file: file, names: map[string]bool{}, lines: map[string]*claims{}}
	c.building(cfg)
	return cfg, errors.Join(c.errs...)
}

// fill puts in what the file leaves out.
func (cfg *Config) fill() {
	for i := range cfg.Lines {
		cfg.Lines[i].fill()
	}
	for i := range cfg.Banks {
		cfg.Banks[i].fill()
	}
	for i := range cfg.Meters {
		for j := range cfg.Meters[i].Meters {
			cfg.Meters[i].Meters[j].fill()
		}
	}
	for i := range cfg.Doors {
		for j := range cfg.Doors[i].Doors {
			d := &cfg.Doors[i].Doors[j]
			d.English = cmp.Or(d.English, d.Name)
		}
	}
}

// decode fills what into points to. The YAML library panics on some texts (a tag before a scalar where a list belongs), and a text must
// not be able to do that to us.
func decode(text []byte, into any) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it cannot be read (%v)", p)
		}
	}()
	err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(into)
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	}
	return err
}

// exampleBuilding is the remedy where nothing of a file can be read.
const exampleBuilding = "describe a building as in configs/building-demo.yaml"

// syntax puts the place of an error of the YAML reader in front, and behind one without a place the remedy.
func syntax(name string, err error, remedy string) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		p := at.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s: correct or remove it%w", name, p.Line, p.Column, at.GetMessage(), quiet{})
	}
	return fmt.Errorf("%s:1:1: %w: %s%w", name, err, remedy, quiet{})
}

// quiet makes an error wrap ErrConfig without saying it: the place stands in front already.
type quiet struct{}

func (quiet) Error() string { return "" }
func (quiet) Unwrap() error { return ErrConfig }

// checker collects what is wrong, with its place in the file.
type checker struct {
	name  string
	file  *ast.File
	names map[string]bool    // of lines, banks, meters and doors, with their kind in front
	lines map[string]*claims // what hangs on each line so far
	errs  []error
}

// wrong notes a mistake at a YAML path; where nothing stands there, the nearest place above it is named.
func (c *checker) wrong(path, format string, args ...any) {
	line, column := 1, 1
	for at := path; at != "$"; at = at[:strings.LastIndexAny(at, ".[")] {
		p, err := yaml.PathString(at)
		if err != nil {
			break
		}
		node, err := p.FilterFile(c.file)
		if err != nil || node == nil {
			continue
		}
		pos := first(node).GetToken().Position
		line, column = pos.Line, pos.Column
		break
	}
	text := fmt.Sprintf(format, args...)
	c.errs = append(c.errs, fmt.Errorf("%s:%d:%d: %s: %s%w", c.name, line, column, strings.TrimPrefix(path, "$."), text, quiet{}))
}

// first returns the node with which a mapping begins: its own token is a colon further on.
func first(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return n.Values[0].Key
		}
	case *ast.MappingValueNode:
		return n.Key
	}
	return n
}

func (c *checker) building(cfg Config) {
	if strings.TrimSpace(cfg.Name) == "" || len(cfg.Name) > 120 {
		c.wrong("$.name", "give the building a name of 1 to 120 bytes")
	}
	if len(cfg.Banks)+len(cfg.Meters)+len(cfg.Doors) == 0 {
		c.wrong("$.banks", "nothing to simulate; describe banks, meters or doors")
	}
	if !c.bounded(cfg) {
		return
	}
	for i, l := range cfg.Lines {
		c.line(fmt.Sprintf("$.lines[%d]", i), l)
	}
	for i, b := range cfg.Banks {
		c.bank(fmt.Sprintf("$.banks[%d]", i), b)
	}
	for i, g := range cfg.Meters {
		c.meterGroup(fmt.Sprintf("$.meters[%d]", i), g)
	}
	for i, g := range cfg.Doors {
		c.doorGroup(fmt.Sprintf("$.doors[%d]", i), g)
	}
	for i, l := range cfg.Lines {
		if on := c.lines[l.Name]; on != nil && on.kind == "" {
			c.wrong(fmt.Sprintf("$.lines[%d].name", i), "nothing hangs on line %s; name it at a bank, meters or doors, or remove it", l.Name)
		}
	}
}

// bounded refuses lists that are too long, before anything in them is looked at.
func (c *checker) bounded(cfg Config) bool {
	meters, doors := 0, 0
	for _, g := range cfg.Meters {
		meters += len(g.Meters)
	}
	for _, g := range cfg.Doors {
		doors += len(g.Doors)
	}
	errs := len(c.errs)
	for _, list := range []struct {
		name, what string
		n, most    int
	}{
		{"lines", "lines", len(cfg.Lines), maxLines}, {"banks", "banks", len(cfg.Banks), maxBanks},
		{"meters", "groups", len(cfg.Meters), maxGroups}, {"doors", "groups", len(cfg.Doors), maxGroups},
		{"meters", "meters", meters, maxMeters}, {"doors", "doors", doors, maxDoors},
	} {
		if list.n > list.most {
			c.wrong("$."+list.name, "%d %s; describe at most %d", list.n, list.what, list.most)
		}
	}
	return len(c.errs) == errs
}

// own checks that a name is well formed and nobody else's of its kind.
func (c *checker) own(at, kind, name string) {
	if !shortName().MatchString(name) || c.names[kind+name] {
		c.wrong(at, "%q; use a name of its own of 1 to 32 letters, digits, '-' and '_'", name)
	}
	c.names[kind+name] = true
}

func shortName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`) }
