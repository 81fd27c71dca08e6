// Command lobby-gateway is the daemon on a community's box.
package main

import (
	"os"

	"github.com/ntpc-smart-community/lobby/cmd/internal/command"
	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
)

var version = "dev" // set by the linker

func main() { os.Exit(command.Main(command.Gateway(version, look.FS()))) }
