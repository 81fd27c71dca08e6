package e2e

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/types"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/ntpc-smart-community/lobby"

type listed struct {
	ImportPath, Dir                    string
	Imports, TestImports, XTestImports []string
	CgoFiles                           []string
	Standard                           bool
}

func list(t *testing.T, args ...string) []listed {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Imports,TestImports,XTestImports,CgoFiles,Standard"}, args...)...)
	command.Dir = "../../.."
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// forbidden are the edges that the house does not have. A pattern ending in /... names a folder with all below it; an
// edge is allowed if it stands in but.
var forbidden = []struct {
	from, to string
	but      []string
	why      string
}{
	{"drivers/...", "...", []string{"drivers/..."}, "a driver knows hardware and nothing of who may open what"},
	{"firmware-sim/...", "...", []string{"firmware-sim/..."}, "the other end of the wire shares no code, so that one mistake cannot cancel the other"},
	{"gateway/wire", "...", nil, "the contract is the lowest stone: both sides stand on it"},
	{"gateway/...", "cloud/...", nil, "gateway and cloud share the wire and nothing else"},
	{"gateway/...", "firmware-sim/...", nil, "what ships on a box holds no simulator"},
	{"gateway/...", "cmd/...", nil, "commands wire the rooms, not the other way round"},
	{"cloud/...", "gateway/...", []string{"gateway/wire"}, "gateway and cloud share the wire and nothing else"},
	{"cloud/...", "drivers/...", nil, "the cloud never speaks to hardware"},
	{"cloud/...", "firmware-sim/...", nil, "what ships holds no simulator"},
	{"cloud/...", "cmd/...", nil, "commands wire the rooms, not the other way round"},
	{"cmd/lobby-gateway", "cloud/...", nil, "the appliance carries no server"},

	{"gateway/store", "gateway/...", []string{"gateway/wire"}, "the store knows bytes and chains, not what they mean"},
	{"gateway/clock", "gateway/...", []string{"gateway/wire"}, "time has one owner, below everybody who asks for it"},
	{"gateway/document", "gateway/...", []string{"gateway/wire", "gateway/store", "gateway/clock"}, "services read the document; it reads no service"},
	{"gateway/grants/...", "gateway/...", []string{"gateway/wire", "gateway/store", "gateway/clock", "gateway/document", "gateway/grants/..."}, "rights are judged below the services that use them"},
	{"gateway/devices", "gateway/...", []string{"gateway/wire", "gateway/store", "gateway/clock"}, "services have their devices watched; it knows no service"},
	{"gateway/parcels/...", "gateway/...", []string{"gateway/wire", "gateway/store", "gateway/clock", "gateway/document", "gateway/devices", "gateway/grants/...", "gateway/parcels/..."}, "services do not know each other, nor the link, nor the screens above"},
	{"gateway/metering/...", "gateway/...", []string{"gateway/wire", "gateway/store", "gateway/clock", "gateway/document", "gateway/devices", "gateway/metering/..."}, "services do not know each other, nor the link, nor the screens above"},
	{"gateway/doors/...", "gateway/...", []string{"gateway/wire", "gateway/store", "gateway/clock", "gateway/document", "gateway/devices", "gateway/grants/...", "gateway/doors/..."}, "services do not know each other, nor the link, nor the screens above"},
	{"gateway/commission", "gateway/...", []string{"gateway/wire", "gateway/store", "gateway/clock", "gateway/config"}, "an installer walks through a bank while no service runs"},
	{"gateway/terminal/...", "gateway/store", nil, "a screen asks its service; only services write"},
	{"gateway/uplink/...", "gateway/...", []string{"gateway/wire", "gateway/store", "gateway/clock", "gateway/document", "gateway/uplink/..."}, "the link carries events; what they mean is the services' business"},
	{"gateway/kiosk/...", "gateway/desk/...", nil, "two screens of one service share no state"},
	{"gateway/desk/...", "gateway/kiosk/...", nil, "two screens of one service share no state"},
	{"gateway/kiosk/...", "gateway/store", nil, "a screen asks its service; only services write"},
	{"gateway/desk/...", "gateway/store", nil, "a screen asks its service; only services write"},

	{"cloud/store/...", "cloud/...", []string{"cloud/store/..."}, "the store knows SQL, not what it means"},
	{"cloud/broker", "cloud/...", nil, "the broker is a pipe"},
	{"cloud/fleet", "cloud/...", []string{"cloud/store/..."}, "boxes are known below the modules that read their events"},
	{"cloud/ingest", "cloud/...", []string{"cloud/store/...", "cloud/fleet"}, "ingest hands events to projections that it does not know"},
	{"cloud/identity", "cloud/parcels", nil, "people are known below the modules"},
	{"cloud/parcels", "cloud/notify", nil, "modules do not know each other: what one tells another is an event or a job"},
	{"cloud/notify", "cloud/parcels", nil, "modules do not know each other: what one tells another is an event or a job"},
	{"cloud/gas", "cloud/...", []string{"cloud/store/...", "cloud/fleet", "cloud/ingest", "cloud/identity"}, "modules do not know each other: what one tells another is an event or a job"},
	{"cloud/facilities", "cloud/...", []string{"cloud/facilities/rules", "cloud/store/...", "cloud/fleet", "cloud/ingest", "cloud/identity"}, "modules do not know each other: what one tells another is an event or a job"},
	{"cloud/once", "cloud/...", []string{"cloud/store/..."}, "what is done once is the asker's business"},
	{"cloud/parcels", "cloud/api", nil, "the API mounts modules, not the other way round"},
	{"cloud/notify", "cloud/api", nil, "the API mounts modules, not the other way round"},
}

func matches(pattern, path string) bool {
	folder, deep := strings.CutSuffix(pattern, "...")
	if !deep {
		return path == pattern
	}
	return strings.HasPrefix(path+"/", folder)
}

func TestImportsFollowTheHouse(t *testing.T) {
	checked := 0
	for _, p := range list(t, "./...") {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		imports := p.Imports
		if matches("drivers/...", from) || matches("firmware-sim/...", from) { // the two ends of a wire must not meet in tests either
			imports = slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		}
		for _, path := range imports {
			to, ours := strings.CutPrefix(path, module+"/")
			if !ours || to == from {
				continue
			}
			checked++
			for _, rule := range forbidden {
				allowed := slices.ContainsFunc(rule.but, func(but string) bool { return matches(but, to) })
				if matches(rule.from, from) && matches(rule.to, to) && !allowed {
					t.Errorf("%s imports %s: %s", from, to, rule.why)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d imports seen: the test does not look where it should", checked)
	}
}

func TestNothingThatShipsNeedsCgo(t *testing.T) {
	for _, p := range list(t, "-deps", "./cmd/lobby-gateway", "./cmd/lobby-cloud", "./cmd/lobby-sim") {
		if !p.Standard && len(p.CgoFiles) > 0 {
			t.Errorf("%s needs cgo: %v", p.ImportPath, p.CgoFiles)
		}
	}
}

// impure are what a rule package may not touch: the same inputs must give the same outputs, in any run, on any machine.
var impure = map[string]string{
	"crypto/rand": "chance comes in with the input", "math/rand": "chance comes in with the input", "math/rand/v2": "chance comes in with the input",
	"os": "rules do no I/O", "io": "rules do no I/O", "io/fs": "rules do no I/O", "net": "rules do no I/O", "net/http": "rules do no I/O", "log": "rules do no I/O", "log/slog": "rules do no I/O",
	"database/sql": "rules do no I/O", "go.etcd.io/bbolt": "rules do no I/O", "os/exec": "rules do no I/O", "syscall": "rules do no I/O",
	"sync": "rules have no goroutines", "sync/atomic": "rules have no goroutines", "context": "rules never wait", "runtime": "rules do not know where they run",
	module + "/gateway/store": "rules do no I/O", module + "/gateway/clock": "now comes in with the input",
}

// waits are what package time offers beside arithmetic.
var waits = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// invariant 14
func TestRulesArePure(t *testing.T) {
	loaded, err := packages.Load(&packages.Config{
		Dir:  "../../..",
		Mode: packages.NeedName | packages.NeedImports | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedDeps,
	}, "./gateway/...", "./cloud/...")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range loaded {
		if p.Name != "rules" {
			continue
		}
		seen++
		for path := range p.Imports {
			if why, bad := impure[path]; bad {
				t.Errorf("%s imports %s: %s", p.PkgPath, path, why)
			}
		}
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				checkPure(t, p, n)
				return true
			})
		}
	}
	if seen == 0 {
		t.Error("no rule package found")
	}
}

func checkPure(t *testing.T, p *packages.Package, n ast.Node) {
	t.Helper()
	switch n := n.(type) {
	case *ast.GoStmt:
		t.Errorf("%s: rules have no goroutines", p.Fset.Position(n.Pos()))
	case *ast.SelectStmt, *ast.SendStmt:
		t.Errorf("%s: rules have no channels", p.Fset.Position(n.Pos()))
	case *ast.RangeStmt:
		if _, isMap := p.TypesInfo.TypeOf(n.X).Underlying().(*types.Map); isMap {
			t.Errorf("%s: ranges over a map: its order is chance; range over slices.Sorted(maps.Keys(m))", p.Fset.Position(n.Pos()))
		}
	case *ast.SelectorExpr:
		if o := p.TypesInfo.Uses[n.Sel]; o != nil && o.Pkg() != nil && o.Pkg().Path() == "time" && slices.Contains(waits, o.Name()) && o.Parent() == o.Pkg().Scope() {
			t.Errorf("%s: time.%s: now comes in with the input", p.Fset.Position(n.Pos()), o.Name())
		}
	}
}
