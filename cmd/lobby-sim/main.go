// Command lobby-sim simulates the devices of a building, for tests, demonstrations and development without hardware.
package main

import (
	"os"

	"github.com/ntpc-smart-community/lobby/cmd/internal/command"
	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
)

var version = "dev" // set by the linker

func main() { os.Exit(command.Main(command.Sim(version, look.FS()))) }
