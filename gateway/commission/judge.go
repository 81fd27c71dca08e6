package commission

import (
	"slices"

	"github.com/ntpc-smart-community/lobby/drivers/kerong"
)

// verdict is what a pulse showed.
type verdict uint8

const (
	opened  verdict = iota // its own bit changed, and no other
	still                  // no bit changed
	several                // more than one bit changed
	crossed                // one bit changed, that of another lock
	silent                 // the board did not answer after the pulse
)

// String is the verdict as events carry it.
func (v verdict) String() string {
	return [...]string{"opened", "still", "several", "crossed", "silent"}[v]
}

// moved is which locks' bits differ between two readings, from lock 1. Locks that one of them does not know count for nothing.
func moved(before, after []kerong.Raw) []int {
	var locks []int
	for i := range before {
		if before[i].Known && after[i].Known && before[i].Latch != after[i].Latch {
			locks = append(locks, i+1)
		}
	}
	return locks
}

// merge adds what two lists of locks have, in order.
func merge(a, b []int) []int {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// judge says what a pulse on lock showed; heard tells whether its board answered after it.
func judge(lock int, changed []int, heard bool) verdict {
	switch {
	case len(changed) > 1:
		return several
	case len(changed) == 1 && changed[0] == lock:
		return opened
	case len(changed) == 1:
		return crossed
	case !heard:
		return silent
	}
	return still
}

// bit is a latch bit as configurations write it.
func bit(r kerong.Raw) int {
	if r.Latch {
		return 1
	}
	return 0
}
