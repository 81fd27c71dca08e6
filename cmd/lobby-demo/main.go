// Command lobby-demo runs a whole Lobby on one machine, to play with or to watch it play by itself.
package main

import (
	"os"

	"github.com/ntpc-smart-community/lobby/cmd/internal/command"
	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
)

var version = "dev" // set by the linker

func main() { os.Exit(command.Main(command.Demo(version, look.FS()))) }
