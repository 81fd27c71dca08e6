package gateway

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// CheckPorts looks for the ports of a configuration from this machine: a fault for each line whose port is missing, in use,
// or does not open. It sends nothing.
func CheckPorts(c config.Config) []config.Fault {
	var faults []config.Fault
	for _, l := range c.Lines {
		if f, bad := checkPort(c, l); bad {
			faults = append(faults, f)
		}
	}
	return faults
}

func checkPort(c config.Config, l config.Line) (config.Fault, bool) {
	var last error
	for _, pattern := range l.Ports {
		paths, err := []string{pattern}, error(nil)
		if !l.OnNetwork() {
			paths, err = filepath.Glob(pattern)
		}
		if err != nil {
			return c.LineFault(l.Name, "ports", fmt.Sprintf("%s: %v", pattern, err), "write a path, or a pattern with * and ?"), true
		}
		for _, path := range paths {
			port, err := bus.Open(path, busConfig(c, l))
			if err == nil {
				return config.Fault{}, port.Close() != nil
			}
			last = err
		}
	}
	switch {
	case last == nil:
		return c.LineFault(l.Name, "ports", "no such serial port: "+strings.Join(l.Ports, ", "), "plug the adapter in, or see ls /dev/serial/by-id"), true
	case errors.Is(last, bus.ErrInUse):
		return c.LineFault(l.Name, "ports", last.Error(), "stop the other program (a running gateway holds its ports)"), true
	case l.OnNetwork():
		return c.LineFault(l.Name, "ports", last.Error(), "check the address, the network cable and the power of the converter or device"), true
	}
	return c.LineFault(l.Name, "ports", last.Error(), "check the adapter and who may use it (group dialout)"), true
}
