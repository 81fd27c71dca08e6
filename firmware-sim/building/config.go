package building

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
)

const (
	maxFile  = 1 << 20
	maxLines = 8  // with banks, with meters, and with doors, each
	maxUnits = 48 // height of a column
)

// ErrConfig is what every error of a building's file wraps. Each says the place, what is wrong and the remedy.
var ErrConfig = errors.New("building file")

// Config describes a building.
type Config struct {
	Name   string      `yaml:"name"` // shown on the page
	Seed   uint64      `yaml:"seed"` // of all that is left to chance: noise on the lines, gas in the households
	Banks  []Bank      `yaml:"banks"`
	Meters []MeterLine `yaml:"meters"`
	Doors  []DoorLine  `yaml:"doors"`
}

// Bank is one bank of compartments: a chain of boards on a line of its own.
type Bank struct {
	Name          string        `yaml:"name"` // A, B …
	Line          Line          `yaml:"line"`
	ClosedBit     *int          `yaml:"closed_bit"`     // what a closed latch reads as: 0 or 1
	ItemSensors   bool          `yaml:"item_sensors"`   // infrared sensors are fitted
	Pulse         time.Duration `yaml:"pulse"`          // how long a latch is energised; 0 means 500ms, at most 10s
	AnswersUnlock bool          `yaml:"answers_unlock"` // boards send the optional answer to an unlock
	IgnoresSum    bool          `yaml:"ignores_sum"`    // boards obey requests with a wrong sum
	BusySilent    bool          `yaml:"busy_silent"`    // boards are silent while a latch is energised
	Boards        []Board       `yaml:"boards"`
	Columns       [][]string    `yaml:"columns"` // "7 M": door 7, middle size; "screen 6": the screen, six units high
}

// Line is a serial line, or the TCP port of a converter or device.
type Line struct {
	Name string `yaml:"name"` // also the name of a serial line's port
	Baud int    `yaml:"baud"` // of a serial line; 0 means 19200
	TCP  string `yaml:"tcp"`  // loopback address with port, 127.0.0.1:8502, port 0 takes a free one; empty: a serial line
}

// Board is one locker board.
type Board struct {
	Address int `yaml:"address"` // 0 to 14
	Locks   int `yaml:"locks"`   // 1 to 16
}

// Load reads and checks a building's file. Every mistake is named with file, line, column and remedy, one line each.
func Load(path string) (Config, error) {
	st, err := os.Stat(path)
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w: name an existing YAML file", ErrConfig, err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return Config{}, fmt.Errorf("%w: %s: want a plain file of at most %d bytes", ErrConfig, path, maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return Parse(path, b)
}

// Parse reads and checks the text of a building's file; name stands in front of every error.
func Parse(name string, text []byte) (Config, error) {
	var cfg Config
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return cfg, syntax(name, err)
	}
	if err := decode(text, &cfg); err != nil {
		return Config{}, syntax(name, err)
	}
	cfg.fill()
	c := checker{name: name, file: file, names: map[string]bool{}}
	c.building(cfg)
	return cfg, errors.Join(c.errs...)
}

// fill puts in what the file leaves out.
func (cfg *Config) fill() {
	lines := []*Line{}
	for i := range cfg.Banks {
		lines = append(lines, &cfg.Banks[i].Line)
	}
	for i := range cfg.Meters {
		lines = append(lines, &cfg.Meters[i].Line)
	}
	for i := range cfg.Doors {
		lines = append(lines, &cfg.Doors[i].Line)
		for j := range cfg.Doors[i].Doors {
			d := &cfg.Doors[i].Doors[j]
			d.English = cmp.Or(d.English, d.Name)
		}
	}
	for _, l := range lines {
		if l.TCP == "" && l.Baud == 0 {
			l.Baud = 19200
		}
	}
}

// decode fills cfg. The YAML library panics on some texts (a tag before a scalar where a list belongs), and a text must
// not be able to do that to us.
func decode(text []byte, cfg *Config) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it cannot be read (%v)", p)
		}
	}()
	err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(cfg)
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	}
	return err
}

// syntax puts the place of an error of the YAML reader in front.
func syntax(name string, err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		p := at.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s: correct or remove it%w", name, p.Line, p.Column, at.GetMessage(), quiet{})
	}
	return fmt.Errorf("%s:1:1: %w: describe a building as in configs/building-demo.yaml%w", name, err, quiet{})
}

// quiet makes an error wrap ErrConfig without saying it: the place stands in front already.
type quiet struct{}

func (quiet) Error() string { return "" }
func (quiet) Unwrap() error { return ErrConfig }

// checker collects what is wrong, with its place in the file.
type checker struct {
	name  string
	file  *ast.File
	names map[string]bool // of lines, banks, meters and doors, with their kind in front
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
	for _, list := range []struct {
		name string
		n    int
	}{{"banks", len(cfg.Banks)}, {"meters", len(cfg.Meters)}, {"doors", len(cfg.Doors)}} {
		if list.n > maxLines {
			c.wrong("$."+list.name, "%d lines; describe at most %d", list.n, maxLines)
			return
		}
	}
	for i, b := range cfg.Banks {
		at := fmt.Sprintf("$.banks[%d]", i)
		c.own(at+".name", "bank ", b.Name)
		c.line(at+".line", b.Line)
		if b.Line.TCP != "" {
			c.wrong(at+".line.tcp", "locker boards hang on a serial line here; give name and baud alone")
		}
		c.bank(at, b)
	}
	for i, l := range cfg.Meters {
		c.meterLine(fmt.Sprintf("$.meters[%d]", i), l)
	}
	for i, l := range cfg.Doors {
		c.doorLine(fmt.Sprintf("$.doors[%d]", i), l)
	}
}

// own checks that a name is well formed and nobody else's of its kind.
func (c *checker) own(at, kind, name string) {
	if !shortName().MatchString(name) || c.names[kind+name] {
		c.wrong(at, "%q; use a name of its own of 1 to 32 letters, digits, '-' and '_'", name)
	}
	c.names[kind+name] = true
}

func shortName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`) }

func (c *checker) line(at string, l Line) {
	c.own(at+".name", "line ", l.Name)
	if l.TCP != "" {
		c.tcp(at, l)
		return
	}
	switch l.Baud {
	case 9600, 19200, 38400, 57600, 115200:
	default:
		c.wrong(at+".baud", "%d is no standard rate; use 9600, 19200, 38400, 57600 or 115200", l.Baud)
	}
}

func (c *checker) tcp(at string, l Line) {
	address, err := netip.ParseAddrPort(l.TCP)
	switch {
	case err != nil, !address.Addr().IsLoopback():
		c.wrong(at+".tcp", "%q; use an address of this machine alone, like 127.0.0.1:8502", l.TCP)
	case address.Port() != 0 && c.names["tcp "+l.TCP]:
		c.wrong(at+".tcp", "%s is another line's; use another port", l.TCP)
	}
	if l.Baud != 0 {
		c.wrong(at+".baud", "a TCP port has no baud; leave it out")
	}
	c.names["tcp "+l.TCP] = true
}

func (c *checker) bank(at string, b Bank) {
	if b.ClosedBit == nil || *b.ClosedBit != 0 && *b.ClosedBit != 1 {
		c.wrong(at+".closed_bit", "say what a closed latch reads as: 0 or 1")
	}
	if b.Pulse < 0 || b.Pulse > 10*time.Second {
		c.wrong(at+".pulse", "%v; use 0s to 10s", b.Pulse)
	}
	if len(b.Boards) == 0 || len(b.Boards) > kerong.MaxBoards {
		c.wrong(at+".boards", "%d boards; a chain has 1 to %d", len(b.Boards), kerong.MaxBoards)
	}
	seen, locks := map[int]bool{}, 0
	for i, board := range b.Boards {
		place := fmt.Sprintf("%s.boards[%d]", at, i)
		if board.Address < 0 || board.Address >= kerong.MaxBoards || seen[board.Address] {
			c.wrong(place+".address", "%d; give each board an address of its own, 0 to %d", board.Address, kerong.MaxBoards-1)
		}
		if board.Locks < 1 || board.Locks > kerong.LocksPerBoard {
			c.wrong(place+".locks", "%d; a board drives 1 to %d locks", board.Locks, kerong.LocksPerBoard)
		}
		seen[board.Address], locks = true, locks+board.Locks
	}
	c.columns(at+".columns", b.Columns, locks)
}
