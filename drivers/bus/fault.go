package bus

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// fault is what is wrong with an open line as a whole. To who asks, its port is as good as gone.
type fault string

func (f fault) Error() string { return string(f) }

// Is makes every fault drivers.ErrGone.
func (f fault) Is(target error) bool { return target == drivers.ErrGone }

// errEchoes refuses requests on a line that returns what is sent: an unlock's or a release's echo looks like its answer.
const errEchoes = fault("the line returns what is sent, and nothing more is: set echo: true on this line")

// showsEcho tells whether x, which energises nothing, would show that the line returns what is sent.
func (x *exchange) showsEcho() bool { return x.match != nil && !x.Proven && !x.takes(x.frame) }

// foundEcho remembers that the line returns what is sent. A reading is let through now and then, to see whether it still does.
func (l *line) foundEcho() error {
	l.echoes = time.Now().Add(echoRetry)
	l.tellFault(errEchoes.Error())
	return errEchoes
}

// noEcho takes it back: an answer came and no echo.
func (l *line) noEcho() {
	l.echoes = time.Time{}
	l.tellFault("")
}

func (l *line) tellFault(words string) {
	b := l.bus
	b.mu.Lock()
	said := b.stats.Fault == words
	b.stats.Fault = words
	b.mu.Unlock()
	switch {
	case said:
	case words == "":
		b.deps.Log.Info("line is well again", "bus", b.cfg.Name, "port", l.port.name)
	default:
		b.deps.Log.Warn("line is not well", "bus", b.cfg.Name, "port", l.port.name, "err", words)
	}
}

// silence says what was heard instead of an answer to x and, where it can be told, what is wrong with the line. What is wrong
// with the device its driver says.
func (l *line) silence(x *exchange) error {
	took := time.Since(x.left).Round(time.Millisecond)
	heard := ""
	if x.bad+x.foreign+len(x.in) > 0 {
		heard = fmt.Sprintf(" (%d damaged and %d foreign frames, %d bytes over)", x.bad, x.foreign, len(x.in))
	}
	if cause := l.cause(x); cause != "" {
		return fmt.Errorf("%w in %v%s: %s", drivers.ErrSilent, took, heard, cause)
	}
	return fmt.Errorf("%w in %v%s", drivers.ErrSilent, took, heard)
}

// cause is what is wrong with the line, as far as x shows it; empty if that cannot be told.
func (l *line) cause(x *exchange) string {
	b := l.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	noise := x.foreign == 0 && (x.bad > 0 || len(x.in) > 0 || b.devices.noise)
	switch {
	case x.bare:
		return "the answer came without the echo of what was sent: set echo: false on this line"
	case b.cfg.Echo && x.echo && x.got == 0:
		return "not even the echo of what was sent came: set echo: false on this line, or check its adapter"
	case b.cfg.Direct:
		return ""
	case !b.devices.heard && noise:
		return "only damaged bytes come on this line: check baud and parity, whether A and B are swapped, the ground between the devices"
	case !b.devices.heard:
		return "nobody on this line answers: check baud and parity, whether A and B are swapped, the power of its converter"
	case !b.devices.alone(x.Device):
		return "nobody on this line answers any more: check its cable, the power of its converter and of the devices"
	}
	return ""
}
