package bus

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// Open opens the port at path with c's format: a TCP connection for tcp://host:port, else a serial port.
func Open(path string, c Config) (io.ReadWriteCloser, error) {
	if isTCP(path) {
		return OpenTCP(path)
	}
	return OpenSerial(path, c)
}

// remedy says what to check when nothing opens.
func remedy(path string) string {
	if isTCP(path) {
		return "check the address, the network cable and the power of the converter or device"
	}
	return "check the adapter and its name (ls -l /dev/serial/by-id)"
}

// candidates are the paths to try now, in configured order, each glob sorted.
func (c Config) candidates() []string {
	var paths []string
	for _, p := range c.Ports {
		if isTCP(p) || !strings.ContainsAny(p, "*?[") {
			paths = append(paths, p)
			continue
		}
		found, err := filepath.Glob(p)
		if err != nil {
			found = []string{p} // not a pattern after all: opening it says what is wrong
		}
		paths = append(paths, found...)
	}
	return paths
}

// open opens the first candidate that can be opened.
func (b *Bus) open() (*port, error) {
	var faults []error
	for _, path := range b.cfg.candidates() {
		rwc, err := b.deps.Open(path, b.cfg)
		if err == nil {
			p := startPort(path, rwc)
			p.flush()
			return p, nil
		}
		faults = append(faults, err)
	}
	if len(faults) == 0 {
		faults = append(faults, fmt.Errorf("nothing matches %s", strings.Join(b.cfg.Ports, ", ")))
	}
	return nil, fmt.Errorf("%w: %w: %s", drivers.ErrGone, errors.Join(faults...), remedy(b.cfg.Ports[0]))
}
