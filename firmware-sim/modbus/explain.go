package modbus

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// asks says what a request means, and remembers it for its answer.
func (t *heard) asks(unit byte, pdu []byte) line.Meaning {
	r, ok := parseRequest(pdu)
	t.last[unit] = r
	slave := t.bus.slaves[unit]
	switch {
	case unit == broadcast:
		return line.Meaning{ZH: "對全部裝置的廣播，這裡的裝置不理", EN: "broadcast, ignored by these devices"}
	case slave == nil:
		return line.Meaning{ZH: fmt.Sprintf("問 %d 號，線上沒有這個位址", unit), EN: fmt.Sprintf("for unit %d, which is not on this line", unit)}
	case !ok:
		return line.Meaning{ZH: fmt.Sprintf("功能 %02X，長度不對", r.fn), EN: fmt.Sprintf("function %02X of a wrong length", r.fn)}
	}
	m, s := slave.asked(r), slave.base()
	m.ZH, m.EN = fmt.Sprintf("%s（%d 號）：%s", s.name, unit, m.ZH), fmt.Sprintf("%s (unit %d): %s", s.name, unit, m.EN)
	return m
}

// says tells what an answer means.
func (t *heard) says(unit byte, pdu []byte) line.Meaning {
	slave, r := t.bus.slaves[unit], t.last[unit]
	if slave == nil {
		return line.Meaning{ZH: fmt.Sprintf("以 %d 號回覆，線上沒有這個位址", unit), EN: fmt.Sprintf("answer of unit %d, which is not on this line", unit)}
	}
	var m line.Meaning
	switch {
	case len(pdu) == 2 && pdu[0]&refused != 0:
		zh, en := why(pdu[1])
		m = line.Meaning{ZH: fmt.Sprintf("拒絕，例外 %02X（%s）", pdu[1], zh), EN: fmt.Sprintf("refused, exception %02X (%s)", pdu[1], en)}
	case r.fn != pdu[0]:
		m = line.Meaning{ZH: fmt.Sprintf("功能 %02X 的回覆，沒有人問", pdu[0]), EN: fmt.Sprintf("an answer of function %02X that was not asked for", pdu[0])}
	default:
		m = slave.answered(r, pdu)
	}
	name := slave.base().name
	m.ZH, m.EN = name+"："+m.ZH, name+": "+m.EN
	return m
}

func why(code byte) (zh, en string) {
	switch code {
	case noFunction:
		return "沒有這個功能", "no such function"
	case noAddress:
		return "沒有這個位址", "no such address"
	case noValue:
		return "值不對", "bad value"
	case busy:
		return "忙", "busy"
	}
	return "不明", "unknown"
}

// span names what a read asks for: 0 to 5, or 3.
func span(r request) string {
	if r.n <= 1 {
		return fmt.Sprint(r.addr)
	}
	return fmt.Sprintf("%d–%d", r.addr, int(r.addr)+int(r.n)-1)
}

// unknown is a request that a device refuses by its function.
func unknown(r request) line.Meaning {
	return line.Meaning{ZH: fmt.Sprintf("功能 %02X，這種裝置沒有", r.fn), EN: fmt.Sprintf("function %02X, which it does not have", r.fn)}
}

// damaged says what is wrong with bytes from the host that are no request.
func damaged(b []byte) line.Meaning {
	if len(b) < requestLen(b) {
		return rubbish(b)
	}
	return wrongCRC(b)
}

// wrongCRC shows the check as it stands on the wire, low byte first.
func wrongCRC(b []byte) line.Meaning {
	got, want := b[len(b)-2:], binary.LittleEndian.AppendUint16(nil, crc(b[:len(b)-2]))
	return line.Meaning{
		ZH:  fmt.Sprintf("CRC 不符：收到 % X，應為 % X；整格丟棄", got, want),
		EN:  fmt.Sprintf("wrong CRC: got % X, want % X; dropped", got, want),
		Bad: true,
	}
}

func rubbish([]byte) line.Meaning {
	return line.Meaning{ZH: "不成一格，丟棄", EN: "no frame, dropped", Bad: true}
}

// phrase is a meaning put together from parts.
type phrase []string

func (p *phrase) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (p phrase) join(between string) string { return strings.Join(p, between) }

// grouped writes a number with commas: 1,866,064.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
