package command

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
)

// leakFree fails tests that leave goroutines behind.
type leakFree struct{ *testing.M }

func (m leakFree) Run() int {
	code := m.M.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// The scripts run the commands as processes of their own.
func TestMain(m *testing.M) {
	testscript.Main(leakFree{m}, map[string]func(){
		"exitcode":      func() { os.Exit(exitCode()) },
		"lobby-cloud":   func() { os.Exit(Main(Cloud("test", look.FS()))) },
		"lobby-gateway": func() { os.Exit(Main(Gateway("test", look.FS()))) },
		"lobby-sim":     func() { os.Exit(Main(Sim("test", look.FS()))) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true})
}

// exitCode runs a command that must end with the exit code named first: exitcode 2 lobby-sim …
func exitCode() int {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: exitcode CODE COMMAND…")
		return 1
	}
	c := exec.Command(os.Args[2], os.Args[3:]...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	_ = c.Run() // its code is judged, not its error
	if got := strconv.Itoa(c.ProcessState.ExitCode()); got != os.Args[1] {
		fmt.Fprintf(os.Stderr, "exit code %s, want %s\n", got, os.Args[1])
		return 1
	}
	return 0
}
