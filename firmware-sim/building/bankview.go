package building

import (
	"fmt"
	"strings"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
)

// bankView is the front of a bank.
type bankView struct {
	BankState
	Title   string
	Facts   string
	Href    string
	Picked  bool
	Columns [][]doorView
	Boards  []boardView
}

type doorView struct {
	cell
	Key, Class, Icon, Label, Href string
	Item, Picked                  bool
}

// boardView is a board of a bank, to be picked.
type boardView struct {
	filterView
	Icon, Trouble string // empty: it is fine
}

func (k *bank) view(c choice, s BankState) bankView {
	at := Target{Kind: Banks, Name: k.Name}
	v := bankView{
		BankState: s, Title: fmt.Sprintf(c.word("%s 棟包裹櫃", "Bank %s"), k.Name), Href: c.picking(at), Picked: c.Pick == at.path(),
		Facts: strings.Join([]string{fmt.Sprintf(c.word("%d 門", "%d doors"), len(s.Locks)), k.Line, k.on.format().String()}, " · "),
	}
	for _, column := range k.cells {
		var doors []doorView
		for _, cell := range column {
			d := doorView{cell: cell}
			if cell.Lock > 0 {
				d = k.door(c, cell, s.Locks[cell.Lock-1])
			}
			doors = append(doors, d)
		}
		v.Columns = append(v.Columns, doors)
	}
	for _, board := range s.Boards {
		v.Boards = append(v.Boards, newBoardView(c, k.Name, board))
	}
	return v
}

func newBoardView(c choice, bank string, s BoardState) boardView {
	at := Target{Boards, bank, s.Address}
	v := boardView{filterView: filterView{
		ID: fmt.Sprintf("board-%s-%d", bank, s.Address), Word: fmt.Sprintf(c.word("%d 號板", "Board %d"), s.Address), Href: c.picking(at), On: c.Pick == at.path(),
	}}
	switch {
	case s.Resets:
		v.Icon, v.Trouble = "refresh", c.word("重新開機", "restarts")
	case s.Fault == kerong.BoardMute:
		v.Icon, v.Trouble = "mute", c.word("不回覆", "mute")
	case s.Fault == kerong.BoardDead:
		v.Icon, v.Trouble = "plug", c.word("沒電", "no power")
	}
	return v
}

func (k *bank) door(c choice, at cell, l LockState) doorView {
	t := Target{Locks, k.Name, at.Lock}
	d := doorView{cell: at, Key: fmt.Sprintf("%s-%d", k.Name, at.Lock), Item: l.Item, Icon: "lock", Picked: c.Pick == t.path(), Href: c.picking(t)}
	state := c.word("鎖上", "latched")
	var classes []string
	if l.Latch == "open" {
		d.Icon, state = "unlock", c.word("打開", "open")
		classes = append(classes, "is-open")
	} else if l.Stuck {
		d.Icon = "x"
		classes = append(classes, "is-bad")
	}
	if l.Stuck {
		state += c.word("，鎖卡住", ", stuck")
	}
	if l.Item {
		state += c.word("，有物品", ", something inside")
	}
	if d.Picked {
		classes = append(classes, "is-picked")
	}
	d.Class = strings.Join(classes, " ")
	d.Label = fmt.Sprintf(c.word("%s %02d 號，%s", "%s %02d, %s"), k.Name, at.Lock, state)
	return d
}
