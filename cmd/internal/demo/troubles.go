package demo

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/ntpc-smart-community/lobby/firmware-sim/building"
)

// trouble is one fault that was on, by the building's own log.
type trouble struct {
	on       string // kind and name, as scripts have them: line meters-1, lock A/3
	do       string // the action that began it
	from, to time.Time
	litres   int64 // of wander: so far off
	noticed  bool  // an alarm was explained by it
}

func (t trouble) String() string {
	return fmt.Sprintf("%s of %s from %s to %s", t.do, t.on, t.from.Format(time.TimeOnly), t.to.Format(time.TimeOnly))
}

// touched is one entry of the building's log of what was done to it: a fault script that does the same again.
type touched struct {
	At    time.Duration `yaml:"at"`
	Line  string        `yaml:"line"`
	Bank  string        `yaml:"bank"`
	Board string        `yaml:"board"`
	Lock  string        `yaml:"lock"`
	Meter string        `yaml:"meter"`
	Door  string        `yaml:"door"`
	Do    string        `yaml:"do"`

	building.Options `yaml:",inline"`
}

// target is what was touched.
func (t touched) target() (kind building.Kind, on string) {
	for _, one := range []struct {
		kind  building.Kind
		of    string
		named string
	}{
		{building.Lines, "line", t.Line}, {building.Banks, "bank", t.Bank}, {building.Boards, "board", t.Board},
		{building.Locks, "lock", t.Lock}, {building.Meters, "meter", t.Meter}, {building.Doors, "door", t.Door},
	} {
		if one.named != "" {
			return one.kind, one.of + " " + one.named
		}
	}
	return "", ""
}

// troublesOf reads the building's log: what was wrong, and when. What has not ended was wrong until now.
func troublesOf(text []byte, now time.Time) (all []*trouble, err error) {
	since := regexp.MustCompile(`(?m)^# .* since (\S+)\.$`).FindSubmatch(text)
	if since == nil {
		return nil, fmt.Errorf("the building's log does not say when it begins: %.80q", text)
	}
	begun, err := time.Parse(time.RFC3339Nano, string(since[1]))
	if err != nil {
		return nil, err
	}
	var log struct {
		Seed   uint64    `yaml:"seed"`
		Faults []touched `yaml:"faults"`
	}
	if err := yaml.Unmarshal(text, &log); err != nil {
		return nil, fmt.Errorf("the building's log: %w", err)
	}
	open := map[string]*trouble{}
	for _, t := range log.Faults {
		kind, on := t.target()
		at := begun.Add(t.At)
		begins, ends := meaning(kind, t.Do, t.Options)
		for _, name := range ends {
			if o := open[on+" "+name]; o != nil {
				o.to = at
				delete(open, on+" "+name)
			}
		}
		if begins == "" {
			continue
		}
		one := &trouble{on: on, do: t.Do, from: at, to: now}
		if t.Options.Litres != nil {
			one.litres = *t.Options.Litres
		}
		if begins == once {
			one.to = at
		} else {
			open[on+" "+begins] = one
		}
		all = append(all, one)
	}
	return all, nil
}

// once is what begins and is over at once, such as a door that is forced.
const once = "once"

// meaning says which fault a touch begins, by the action that would end it, and which it ends.
func meaning(kind building.Kind, do string, o building.Options) (begins string, ends []string) {
	begins = once
	for _, a := range building.Actions() {
		if a.Kind != kind {
			continue
		}
		undone := fmt.Sprint(a.Off.Fields()) == fmt.Sprint(o.Fields())
		switch {
		case a.Fault && a.Undo == do && (a.Name != do || undone), do == "clear" && a.Fault && a.Undo != "replug":
			begins, ends = "", append(ends, a.Name)
		case a.Fault && a.Name == do: // it replaces itself
			begins, ends = a.Name, append(ends, a.Name)
		}
	}
	return begins, ends
}

// troubles asks the building what was wrong with it.
func (s *soak) troubles(ctx context.Context) ([]*trouble, error) {
	code, text, _, err := fetch(ctx, s.hand.http, http.MethodGet, s.hand.base+"/api/faults.yaml", nil, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("the building's faults: %d %.200s", code, text)
	}
	if err != nil {
		return nil, err
	}
	return troublesOf(text, time.Now())
}

// on gives those that were on something at some moment from one time to another.
func on(all []*trouble, targets []string, from, to time.Time) *trouble {
	i := slices.IndexFunc(all, func(t *trouble) bool {
		return slices.Contains(targets, t.on) && !t.from.After(to) && !t.to.Before(from)
	})
	if i < 0 {
		return nil
	}
	return all[i]
}
