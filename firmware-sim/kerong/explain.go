package kerong

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
)

// explainRequest says what a frame from the host asks for.
func (c *Chain) explainRequest(r request, frame []byte) line.Meaning {
	m := c.asked(r)
	if !r.sumOK {
		damage := wrongSum(frame, c.cfg.IgnoresSum)
		m.ZH, m.EN, m.Bad = damage.ZH+"（"+m.ZH+"）", damage.EN+" ("+m.EN+")", true
	}
	return m
}

func (c *Chain) asked(r request) line.Meaning {
	zh, en := fmt.Sprintf(" %d 號板", r.board), fmt.Sprintf("board %d", r.board)
	if r.all {
		zh, en = "全部的板", "every board"
	}
	switch r.cmd {
	case cmdStatus, cmdStatusAll:
		return line.Meaning{ZH: "問" + zh + "狀態", EN: "ask " + en + " for its status"}
	case cmdUnlock:
		return c.askedUnlock(r)
	case cmdUnlockAll:
		return line.Meaning{ZH: "開" + zh + "的每一個門", EN: "open every door of " + en, Marked: true}
	case cmdPulse:
		if len(r.data) == 0 {
			return line.Meaning{ZH: "問" + zh + "通電多久", EN: "ask " + en + " for its pulse"}
		}
		d := time.Duration(binary.BigEndian.Uint16(r.data)) * pulseUnit
		return line.Meaning{ZH: fmt.Sprintf("設定%s通電 %v", zh, d), EN: fmt.Sprintf("set the pulse of %s to %v", en, d), Marked: true}
	}
	return line.Meaning{ZH: fmt.Sprintf("對%s的設定指令 %02X，模擬板不理", zh, r.cmd), EN: fmt.Sprintf("setting %02X for %s, ignored here", r.cmd, en), Marked: true}
}

func (c *Chain) askedUnlock(r request) line.Meaning {
	for _, b := range c.boards {
		if b.Address == r.board && r.lock < b.Locks {
			n := b.first + r.lock + 1
			return line.Meaning{
				ZH:     fmt.Sprintf("開 %02d 號（%d 號板第 %d 鎖）", n, r.board, r.lock+1),
				EN:     fmt.Sprintf("open door %02d (board %d, lock %d)", n, r.board, r.lock+1),
				Marked: true,
			}
		}
	}
	return line.Meaning{
		ZH:     fmt.Sprintf("開 %d 號板第 %d 鎖，沒有這個鎖", r.board, r.lock+1),
		EN:     fmt.Sprintf("open board %d, lock %d, which is not there", r.board, r.lock+1),
		Marked: true,
	}
}

// Explain says what bytes on their way to the host mean. It is a method of line.Device.
func (c *Chain) Explain(b []byte) line.Meaning {
	if len(b) > 1 && b[len(b)-1] != sum(b[:len(b)-1]) {
		return wrongSum(b, false)
	}
	if c.cfg.Dialect == B {
		board, latch, status, ok := c.cfg.Codes.parseAnswer(b)
		switch {
		case !ok:
			return noFrame()
		case !status:
			return line.Meaning{ZH: fmt.Sprintf("%d 號板收到開門指令", board), EN: fmt.Sprintf("board %d has taken the unlock", board)}
		}
		return c.explainStatus(board, latch, 0)
	}
	switch {
	case len(b) == 7 && b[2] == rspPulse:
		d := time.Duration(binary.BigEndian.Uint16(b[3:])) * pulseUnit
		return line.Meaning{ZH: fmt.Sprintf("%d 號板通電 %v", b[1]>>4, d), EN: fmt.Sprintf("board %d: pulse %v", b[1]>>4, d)}
	case len(b) != 9 || b[0] != stx || b[7] != etx || b[2] != rspStatus && b[2] != rspStatusAll:
		return noFrame()
	}
	return c.explainStatus(int(b[1]>>4), uint64(binary.LittleEndian.Uint16(b[3:])), uint64(binary.LittleEndian.Uint16(b[5:])))
}

func noFrame() line.Meaning { return line.Meaning{ZH: "不成一格", EN: "no frame", Bad: true} }

func (c *Chain) explainStatus(address int, latch, item uint64) line.Meaning {
	at := slices.IndexFunc(c.boards, func(b *board) bool { return b.Address == address })
	if at < 0 {
		return line.Meaning{ZH: fmt.Sprintf("沒有 %d 號板", address), EN: fmt.Sprintf("there is no board %d", address), Bad: true}
	}
	b := c.boards[at] // its number and locks never change
	var open, items []string
	for i := range b.Locks {
		n := fmt.Sprintf("%02d", b.first+i+1)
		if int(latch>>i&1) != c.cfg.ClosedBit {
			open = append(open, n)
		}
		if item>>i&1 == 1 {
			items = append(items, n)
		}
	}
	board := strconv.Itoa(b.Address)
	m := line.Meaning{ZH: board + " 號板：全部鎖上", EN: "board " + board + ": all latched"}
	if len(open) > 0 {
		m.ZH = board + " 號板：" + strings.Join(open, "、") + " 號打開，其餘鎖上"
		m.EN = "board " + board + ": " + strings.Join(open, ", ") + " open, the others latched"
	}
	if len(items) > 0 {
		m.ZH += "；有物品 " + strings.Join(items, "、")
		m.EN += "; something in " + strings.Join(items, ", ")
	}
	return m
}

func wrongSum(b []byte, obeyed bool) line.Meaning {
	got, want := b[len(b)-1], sum(b[:len(b)-1])
	m := line.Meaning{
		ZH:  fmt.Sprintf("總和不符：收到 %02X，應為 %02X；整格丟棄", got, want),
		EN:  fmt.Sprintf("wrong sum: got %02X, want %02X; dropped", got, want),
		Bad: true,
	}
	if obeyed {
		m.ZH = fmt.Sprintf("總和不符：收到 %02X，應為 %02X；這種板照做", got, want)
		m.EN = fmt.Sprintf("wrong sum: got %02X, want %02X; obeyed all the same", got, want)
	}
	return m
}
