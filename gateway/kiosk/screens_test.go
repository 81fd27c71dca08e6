package kiosk

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/page"
	"github.com/ntpc-smart-community/lobby/gateway/parcels"
)

// scene is one screen with the state that shows it.
type scene struct {
	name string
	s    state
}

func visitOf(role string, doors ...Door) Visit {
	return Visit{Role: role, Unit: "A-12-3", Who: map[string]string{deliver: "迅達物流"}[role], Doors: doors, Drops: 7}
}

// scenes are all the screens there are.
func scenes(now time.Time) []scene {
	door := func(state string) Door { return Door{Compartment: "A-18", Number: 18, State: state, Since: now} }
	six := Door{Compartment: "A-6", Number: 6, State: parcels.DoorWaiting}
	at := func(name, place, role string, change func(*state)) scene {
		sc := scene{name: name, s: state{place: place, role: role, unit: "A-12-3", block: "A", pick: "S"}}
		if place == "visit" || role == deliver && place != "courier" {
			sc.s.visit = "visit-1"
		}
		sc.s.seen.Role = role
		if change != nil {
			change(&sc.s)
		}
		return sc
	}
	visit := func(name, role string, doors ...Door) scene {
		return at(name, "visit", role, func(s *state) { s.seen = visitOf(role, doors...) })
	}
	old, verify := door(parcels.DoorOpen), door(parcels.DoorOpen)
	old.Since, verify.Verify = now.Add(-time.Minute), true
	drop := func(s *state) {
		s.seen = visitOf(deliver)
		s.seen.Last = &Drop{Number: 11, Unit: "B-07-1", Until: now.Add(92 * time.Second)}
	}
	verdict := func(v Verdict) func(*state) { return func(s *state) { s.verdict = v } }
	return []scene{
		at("idle", "", "", nil), at("idle-off", "", "", func(s *state) { s.front.Deposits = false; s.front.Online = false }),
		at("building", "building", collect, nil), at("unit", "unit", collect, func(s *state) { s.typed = "12-" }),
		at("pin", "pin", collect, func(s *state) { s.code = "471" }),
		at("wrong", "pin", collect, func(s *state) { s.problem = problem{"wrong", "code.wrong", []any{"Count", 3}} }),
		at("household", "household", collect, func(s *state) { s.code = "80217" }),
		at("locked", "locked", collect, verdict(Verdict{Until: now.Add(5 * time.Minute)})), at("closed", "closed", collect, nil),
		at("used", "used", collect, verdict(Verdict{At: now.Add(-96 * time.Hour)})), at("ended", "ended", collect, nil),
		at("office", "office", collect, verdict(Verdict{Shelf: "乙 14"})), at("nothing", "nothing", collect, nil),
		visit("opening", collect, door(parcels.DoorOpening), six), visit("open", collect, door(parcels.DoorOpen), six),
		visit("open-long", collect, old), visit("taken", collect, door(parcels.DoorClosed), six),
		visit("stuck", collect, door(parcels.DoorStuck)), visit("fault", collect, door(parcels.DoorFault), six),
		visit("unknown", collect, door(parcels.DoorUnknown)), visit("next", collect, door(parcels.DoorKept), six),
		visit("thanks", collect, door(parcels.DoorDone)), visit("disputed", collect, door(parcels.DoorDisputed)),
		at("dispute", "dispute", collect, func(s *state) { s.seen, s.dispute = visitOf(collect, door(parcels.DoorOpen)), "A-18" }),
		at("courier", "courier", deliver, nil), at("which", "building", deliver, nil),
		at("no-unit", "unit", deliver, func(s *state) { drop(s); s.typed = "99-9"; s.problem = problem{"no_unit", "unit.none", nil} }),
		at("size", "size", deliver, drop), visit("put", deliver, door(parcels.DoorOpen)), visit("verify", deliver, verify),
		visit("inside", deliver, door(parcels.DoorClosed)), visit("put-stuck", deliver, door(parcels.DoorStuck)), visit("put-fault", deliver, door(parcels.DoorFault)),
		at("full", "full", deliver, nil), at("handed", "handed", deliver, func(s *state) { s.seen = visitOf(deliver) }),
		at("still", "pin", collect, func(s *state) { s.still = true }), at("trouble", "trouble", collect, nil),
	}
}

// paint draws a scene as the browser gets it.
func paint(t *testing.T, k *Kiosk, f *fake, sc scene, set settings) string {
	t.Helper()
	front := f.Front()
	front.Deposits, front.Online = sc.name != "idle-off", sc.name != "idle-off"
	sc.s.front, sc.s.settings, sc.s.touched = front, set, time.Now()
	var b strings.Builder
	if err := k.view(&sc.s).draw(&b, true); err != nil {
		t.Fatalf("%s: %v", sc.name, err)
	}
	return b.String()
}

func TestEveryScreenInBothLanguages(t *testing.T) {
	f := newFake()
	k := New(f, os.DirFS("."), Options{Site: "江翠河岸社區", Phone: "分機 100", Bank: bank()})
	missing := regexp.MustCompile(`>[a-z_]+(\.[a-zA-Z_]+)+<`) // a message that does not exist comes out as its id
	forbidden := regexp.MustCompile(`<script>|\son[a-z]+="|\sstyle="|javascript:|https?://|&lt;no value`)
	for _, sc := range scenes(f.Front().Now) {
		for _, lang := range []page.Lang{page.Chinese, page.English} {
			html := paint(t, k, f, sc, settings{lang: lang})
			if m := missing.FindString(html); m != "" {
				t.Errorf("%s in %s shows %s", sc.name, lang, m)
			}
			if m := forbidden.FindString(html); m != "" {
				t.Errorf("%s has %q, which the page's own policy forbids", sc.name, m)
			}
			for _, l := range []page.Lang{page.Chinese, page.English} {
				if !strings.Contains(html, `lang="`+string(l)+`">`) {
					t.Errorf("%s in %s has nothing in %s", sc.name, lang, l)
				}
			}
			if strings.Count(html, "btn-filled")+strings.Count(html, "is-main") > 1 {
				t.Errorf("%s has more than one filled button", sc.name)
			}
		}
	}
}

// Nothing is said about doors of others: only the one door and the next carry a mark.
func TestDrawMarksOnlyOnesOwnDoors(t *testing.T) {
	marked := map[int]string{}
	for _, col := range bank().draw(18, "is-open", "已開", 6) {
		for _, d := range col {
			if d.Class != "" {
				marked[d.Number] = d.Class
			}
		}
	}
	if len(marked) != 2 || marked[18] != "is-open" || marked[6] != "is-next" {
		t.Errorf("draw marks %v; want 18 is-open and 6 is-next", marked)
	}
	if err := bank().Check(); err != nil {
		t.Errorf("Check() = %v; want nil", err)
	}
	for _, bad := range []Cell{{Number: 1, Size: "XXL"}, {Number: 0, Size: "S"}, {Number: 18, Size: "S"}} {
		b := bank()
		b.Columns = append(b.Columns, []Cell{bad})
		if b.Check() == nil {
			t.Errorf("Check() accepts %+v", bad)
		}
	}
}
