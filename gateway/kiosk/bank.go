package kiosk

import "fmt"

// Cell is one piece of a bank's front, as it is built.
type Cell struct {
	Number int    // the door's number as painted on it; 0 for the screen
	Size   string // S, M, L, XL, or screen
}

// Units is the height of the piece in twelfths of a usual column, 0 for a size that nobody knows.
func (c Cell) Units() int {
	return map[string]int{"S": 1, "M": 2, "L": 3, "XL": 4, "screen": 6}[c.Size]
}

// Screen tells whether the piece is the screen that the person stands at.
func (c Cell) Screen() bool { return c.Size == "screen" }

// Bank is the real front of the locker bank: its columns from left to right, each from top to bottom.
type Bank struct {
	ID      string
	Columns [][]Cell
}

// Check tells what is wrong with the drawing: a size that nobody knows, a door without a number or with another's.
func (b Bank) Check() error {
	seen := map[int]bool{}
	for i, col := range b.Columns {
		for j, c := range col {
			switch {
			case c.Units() == 0:
				return fmt.Errorf("bank %s: column %d, piece %d: size %q; use S, M, L, XL or screen", b.ID, i+1, j+1, c.Size)
			case c.Screen():
			case c.Number < 1 || c.Number > 999:
				return fmt.Errorf("bank %s: column %d, piece %d: door number %d; use 1 to 999", b.ID, i+1, j+1, c.Number)
			case seen[c.Number]:
				return fmt.Errorf("bank %s: column %d, piece %d: door %d is drawn twice", b.ID, i+1, j+1, c.Number)
			}
			seen[c.Number] = !c.Screen()
		}
	}
	return nil
}

// drawn is a cell as shown to one person.
type drawn struct {
	Cell
	Name  string // 06
	Class string // how the style sheet shows it
	Word  string // beside the number of the one door lit
}

// doorName is how a door is called on screens: two digits, as painted.
func doorName(number int) string { return fmt.Sprintf("%02d", number) }

// draw lights one door and dashes the next; nothing is said about any other door, which belongs to others.
func (b Bank) draw(door int, class, word string, next int) [][]drawn {
	out := make([][]drawn, len(b.Columns))
	for i, col := range b.Columns {
		out[i] = make([]drawn, len(col))
		for j, c := range col {
			d := drawn{Cell: c, Name: doorName(c.Number)}
			switch {
			case c.Screen():
			case c.Number == door:
				d.Class, d.Word = class, word
			case c.Number == next:
				d.Class = "is-next"
			}
			out[i][j] = d
		}
	}
	return out
}
