package building

import "github.com/ntpc-smart-community/lobby/firmware-sim/line"

// OpenPipes builds cfg as Open does, with lines that only line.Line's Dial reaches: for a synctest bubble, where the whole
// building lives by the bubble's clock.
func OpenPipes(cfg Config) (*Building, error) {
	return open(cfg, func(w *line.Wire, _ Line) (*line.Line, error) { return line.Pipe(w) })
}
