package building

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// lineView is a line of the page.
type lineView struct {
	LineState
	Href, Format, Devices, Trouble string
	Sent, Received, Bad            uint64
	Picked                         bool
}

func (b *Building) linesView(c choice, s State, wrong map[Target][]string) (out []lineView) {
	for i, l := range s.Lines {
		at := Target{Kind: Lines, Name: l.Name}
		n := b.log.Counts(l.Name)
		v := lineView{
			LineState: l, Href: c.picking(at), Picked: c.Pick == at.path(), Sent: n.Sent, Received: n.Received, Bad: n.Bad,
			Format: "Modbus TCP", Devices: devices(c, s, l.Name), Trouble: few(c, wrong[at]),
		}
		if cfg := b.lines[i].cfg; !cfg.Direct() {
			v.Format = cfg.format().String()
			if cfg.TCP != "" {
				v.Format = c.word("轉換器 ", "converter ") + v.Format
			}
		}
		out = append(out, v)
	}
	return out
}

// devices says what hangs on a line.
func devices(c choice, s State, line string) string {
	boards, meters, doors := 0, 0, 0
	for _, k := range s.Banks {
		if k.Line == line {
			boards += len(k.Boards)
		}
	}
	for _, m := range s.Meters {
		if m.Line == line {
			meters++
		}
	}
	for _, d := range s.Doors {
		if d.Line == line {
			doors++
		}
	}
	var out []string
	for _, kind := range []struct {
		n      int
		zh, en string
	}{{boards, "板 %d", "boards %d"}, {meters, "表 %d", "meters %d"}, {doors, "門 %d", "doors %d"}} {
		if kind.n > 0 {
			out = append(out, fmt.Sprintf(c.word(kind.zh, kind.en), kind.n))
		}
	}
	return strings.Join(out, " · ")
}

// nextLink is the name an adapter gets when it comes back as another one: rs485-a, rs485-a-1, rs485-a-2.
func nextLink(link string) string {
	if m := regexp.MustCompile(`^(.*)-(\d{1,4})$`).FindStringSubmatch(link); m != nil {
		n, _ := strconv.Atoi(m[2]) // digits by the pattern
		return fmt.Sprintf("%s-%d", m[1], n+1)
	}
	return link + "-1"
}
