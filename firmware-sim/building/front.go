package building

import (
	"fmt"
	"strconv"
	"strings"
)

// Size of a compartment.
type Size string

// The sizes. Their heights on the front are 1, 2 and 3 units.
const (
	Small  Size = "S"
	Medium Size = "M"
	Large  Size = "L"
)

// Units is the height on the front.
func (s Size) Units() int { return strings.Index("-SML", string(s)) }

// cell is one place on a bank's front: a door, or the screen when Lock is 0.
type cell struct {
	Lock  int
	Size  Size
	Units int
}

// parseCell reads "7 M" or "screen 6".
func parseCell(s string) (cell, error) {
	what, how, _ := strings.Cut(strings.TrimSpace(s), " ")
	n, err := strconv.Atoi(how)
	if what == "screen" && err == nil && n >= 1 && n <= 12 {
		return cell{Units: n}, nil
	}
	lock, err := strconv.Atoi(what)
	if size := Size(how); err == nil && lock > 0 && (size == Small || size == Medium || size == Large) {
		return cell{Lock: lock, Size: size, Units: size.Units()}, nil
	}
	return cell{}, fmt.Errorf("%q; write a door with its size (7 S, 7 M, 7 L) or the screen with its height (screen 6)", s)
}

// columns checks that every lock is drawn once and that all columns are equally high.
func (c *checker) columns(at string, columns [][]string, locks int) {
	if len(columns) == 0 || len(columns) > 16 {
		c.wrong(at, "%d columns; draw the front in 1 to 16 columns", len(columns))
		return
	}
	drawn, height := map[int]bool{}, 0
	for i, column := range columns {
		units := 0
		for j, text := range column {
			place := fmt.Sprintf("%s[%d][%d]", at, i, j)
			cell, err := parseCell(text)
			switch {
			case err != nil:
				c.wrong(place, "%v", err)
			case drawn[cell.Lock] && cell.Lock > 0:
				c.wrong(place, "door %d is drawn twice; leave one out", cell.Lock)
			case cell.Lock > locks:
				c.wrong(place, "door %d, but the boards drive %d locks; correct the number or the boards", cell.Lock, locks)
			}
			drawn[cell.Lock], units = true, units+cell.Units
		}
		if height == 0 {
			height = units
		}
		if units != height || units > maxUnits {
			c.wrong(fmt.Sprintf("%s[%d]", at, i), "%d units high; make every column as high as the first (%d), at most %d", units, height, maxUnits)
		}
	}
	var missing []string
	for lock := 1; lock <= locks; lock++ {
		if !drawn[lock] {
			missing = append(missing, strconv.Itoa(lock))
		}
	}
	if len(missing) > 0 {
		c.wrong(at, "doors not drawn: %s; put each into a column", strings.Join(missing, ", "))
	}
}

// front returns the drawn columns of a bank that has been checked.
func (b Bank) front() [][]cell {
	out := make([][]cell, len(b.Columns))
	for i, column := range b.Columns {
		for _, text := range column {
			c, err := parseCell(text)
			if err != nil {
				panic(fmt.Sprintf("building: unchecked column: %v", err))
			}
			out[i] = append(out[i], c)
		}
	}
	return out
}
