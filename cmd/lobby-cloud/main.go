// Command lobby-cloud is the cloud of all communities: broker, log, API and pages in one process.
package main

import (
	"os"

	"github.com/ntpc-smart-community/lobby/cmd/internal/command"
	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
)

var version = "dev" // set by the linker

func main() { os.Exit(command.Main(command.Cloud(version, look.FS()))) }
