package building

import (
	"cmp"
	"fmt"
	"strings"
)

type bankView struct {
	BankState
	Baud    int
	Columns [][]doorView
	Picked  *pickedView
}

type doorView struct {
	cell
	Key, Class, Icon, Label, Href string
	Item, Picked                  bool
}

type pickedView struct {
	Lock    int
	Facts   string
	Actions []actionView
}

func (k *bank) view(c choice, s BankState) bankView {
	v := bankView{BankState: s, Baud: k.on.Baud}
	for _, column := range k.cells {
		var doors []doorView
		for _, cell := range column {
			d := doorView{cell: cell}
			if cell.Lock > 0 {
				d = k.door(c, cell, s.Locks[cell.Lock-1])
			}
			if d.Picked {
				v.Picked = picked(c, k.Name, s.Locks[cell.Lock-1])
			}
			doors = append(doors, d)
		}
		v.Columns = append(v.Columns, doors)
	}
	return v
}

func (k *bank) door(c choice, at cell, l LockState) doorView {
	d := doorView{cell: at, Key: fmt.Sprintf("%s-%d", k.Name, at.Lock), Item: l.Item, Icon: "lock"}
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
	if d.Picked = c.Door == d.Key; d.Picked {
		classes = append(classes, "is-picked")
	}
	d.Class, d.Href = strings.Join(classes, " "), c.with(func(c *choice) { c.Door = d.Key })
	d.Label = fmt.Sprintf(c.word("%s %02d 號，%s", "%s %02d, %s"), k.Name, at.Lock, state)
	return d
}

// picked is the row of buttons below the bank. What cannot be done now is disabled and says why.
func picked(c choice, bank string, l LockState) *pickedView {
	open := l.Door == "open"
	v := &pickedView{Lock: l.Lock}
	shut := c.why(!open, "門關著，先打開", "the door is closed; open it first")
	add := func(action, class, zh, en, reason string) {
		v.Actions = append(v.Actions, actionView{
			ID: "do-" + action, Class: class, Word: c.word(zh, en), Why: reason,
			Action: fmt.Sprintf("/touch/locks/%s/%d/%s%s", bank, l.Lock, action, c.query()),
		})
	}
	add("close", "btn-filled", "關上", "Close", shut)
	add("put", "", "放入", "Put in", cmp.Or(shut, c.why(l.Item, "裡面已有物品", "something is inside already")))
	add("take", "", "取出", "Take out", cmp.Or(shut, c.why(!l.Item, "裡面沒有東西", "nothing is inside")))
	add("open-by-key", "", "用鑰匙開", "Open by key", c.why(open, "門已經開著", "the door is open already"))
	if l.Stuck {
		add("unstick", "", "放開門鎖", "Free latch", "")
	} else {
		add("stick", "btn-danger-line", "卡住門鎖", "Jam latch", "")
	}
	facts := []string{fmt.Sprintf(c.word("%d 號板", "Board %d"), l.Board)}
	if open {
		facts = append(facts, c.word("門開著", "door open"))
	} else {
		facts = append(facts, c.word("門關著，要先打開才能放入或取出", "door closed: open it before you put in or take out"))
	}
	facts = append(facts, fmt.Sprintf(c.word("通電 %d 次", "%d pulses"), l.Pulses), fmt.Sprintf(c.word("開門 %d 次", "%d openings"), l.Openings),
		fmt.Sprintf(c.word("用鑰匙 %d 次", "%d by key"), l.KeyOpenings))
	v.Facts = strings.Join(facts, " · ")
	return v
}
