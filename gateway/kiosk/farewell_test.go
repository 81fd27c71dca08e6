package kiosk

import (
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

// After the thanks nobody is asked whether he is still there: the next person waits.
func TestFarewell(t *testing.T) {
	for name, to := range map[string]func(h *hand){
		"thanks": func(h *hand) {
			h.f.waiting["A-12-3"] = []int{18}
			h.toPIN()
			h.touch("/digits", "digits", "471903")
			h.lock(parcels.DoorOpening, parcels.DoorOpen)
			h.lock(parcels.DoorOpen, parcels.DoorClosed)
			h.touch("/taken", "answer", "yes")
		},
		"handed": func(h *hand) {
			h.toCourier()
			h.touch("/finish")
		},
	} {
		t.Run(name, func(t *testing.T) {
			atScreen(t, func(h *hand) {
				to(h)
				h.want("screen", name)
				time.Sleep(farewell - time.Second)
				h.look()
				h.want("screen", name)
				h.says("1</span> 秒後回到首頁")
				time.Sleep(time.Second)
				h.look()
				h.want("screen", "idle")
			})
		})
	}
}

// A door that was too small is still open when the next one opens: the screen says so until the parcel is inside.
func TestDoorLeftOpen(t *testing.T) {
	const say = "號門不用了，請也關好"
	atScreen(t, func(h *hand) {
		h.toCourier()
		h.toDoor("S")
		first := doorName(h.f.Visit("visit-1").Doors[0].Number)
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		if strings.Contains(h.body, say) {
			t.Error("the door at hand is said to be not needed")
		}
		h.touch("/inside", "answer", "too_small")
		h.want("screen", "door")
		h.says(first + " " + say)
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		h.lock(parcels.DoorOpen, parcels.DoorClosed)
		h.want("screen", "inside")
		h.touch("/inside", "answer", "inside")
		if strings.Contains(h.body, say) {
			t.Error("the hint outlived the deposit")
		}
	})
}

// Who changes the language wants to read what was wrong.
func TestLanguageKeepsRefusal(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toPIN()
		h.touch("/digits", "digits", "111111")
		h.want("error", "wrong")
		h.touch("/settings", "set", "language")
		h.want("error", "wrong", "lang", "en")
		h.touch("/digits", "key", "1")
		h.want("error", "")
	})
}

// The last drop can be undone from the first screen that comes after it: the door that reopens is what is shown.
func TestUndoFromTheBuildings(t *testing.T) {
	atScreen(t, func(h *hand) {
		h.toCourier()
		h.toDoor("S")
		h.lock(parcels.DoorOpening, parcels.DoorOpen)
		h.lock(parcels.DoorOpen, parcels.DoorClosed)
		h.touch("/inside", "answer", "inside")
		h.want("screen", "building")
		h.says(`id="undo"`)
		h.touch("/undo")
		h.want("screen", "door", "phase", "opening")
	})
}
