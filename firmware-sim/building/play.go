package building

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxDone   = 5000
	clearLine = "clear" // the action that ends every fault of a line but an unplugged adapter
)

// Done is one touch that was done, or refused.
type Done struct {
	At      time.Time
	Target  Target
	Do      string
	Options Options
	Script  bool  // by a script; otherwise by hand
	Ends    bool  // by a script: it ends what the script began
	Err     error // of a script's touch that was refused, such as an unplugging of what a hand had unplugged already
}

// Done are the touches so far, oldest first, at most the last 5000: what people do there every day is not among them, nor
// what was refused by hand.
func (b *Building) Done() []Done {
	b.touching.Lock()
	defer b.touching.Unlock()
	return slices.Clone(b.done)
}

// Forget lets go of the touches so far and returns how many there were: for whoever measures what a process holds.
func (b *Building) Forget() (touches int) {
	b.touching.Lock()
	defer b.touching.Unlock()
	touches = len(b.done)
	b.done, b.forgot = nil, b.forgot+touches
	return touches
}

// Touch does one action of Actions to a target.
func (b *Building) Touch(t Target, action string, o Options) error {
	a, err := actionOf(t.Kind, action)
	if err != nil {
		return err
	}
	if err := a.check(o); err != nil {
		return err
	}
	return b.touchNow(a, Done{Target: t, Do: action, Options: o})
}

// touchNow does an action and notes it.
func (b *Building) touchNow(a Action, d Done) error {
	b.touching.Lock()
	defer b.touching.Unlock()
	if d.Ends && d.Do == "replug" {
		d.Options.Link = b.comesBackAs(d.Target.Name)
	}
	d.At, d.Err = time.Now(), a.do(b, d.Target, d.Options)
	if a.daily() || d.Err != nil && !d.Script {
		return d.Err
	}
	if b.done = append(b.done, d); len(b.done) > maxDone {
		b.forgot += len(b.done) - maxDone
		b.done = slices.Clone(b.done[len(b.done)-maxDone:])
	}
	return d.Err
}

// daily reports whether people do this every day and nothing is wrong.
func (a Action) daily() bool {
	return slices.Contains([]string{"open-by-key", "close", "put", "take", "push", "shut", "exit"}, a.Name)
}

// comesBackAs is the link under which a script plugs an adapter in again: another one, as a computer may name it, where
// there are names.
func (b *Building) comesBackAs(name string) string {
	l, err := b.Line(name)
	if err != nil || strings.HasPrefix(l.Port().Path, "tcp://") {
		return ""
	}
	// nextLink would make gas-2 of gas-1, which is another line's
	n, _ := strconv.Atoi(strings.TrimPrefix(l.Port().Link, name+"-")) // 0 where it is the line's own name
	return fmt.Sprintf("%s-%d", name, n+1)
}

// Play does what a script says until it is at its end, or ctx ends, whose cause it returns then. What is wrong at that moment
// stays so. A step that the building refuses is noted and passed over.
func (b *Building) Play(ctx context.Context, s Script) error {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for step := range s.Steps() {
		timer.Reset(time.Until(start.Add(step.At)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if step.Do == "" {
			continue
		}
		a, err := actionOf(step.Target.Kind, step.Do)
		if err != nil {
			return fmt.Errorf("a script for another building: %w", err)
		}
		_ = b.touchNow(a, Done{Target: step.Target, Do: step.Do, Options: step.Options, Script: true, Ends: step.Ends}) // it is noted
	}
	return nil
}

// Recording is the script that does again what was done to the building since it was opened, at the same times.
func (b *Building) Recording() []byte {
	b.touching.Lock()
	defer b.touching.Unlock()
	var out strings.Builder
	fmt.Fprintf(&out, "# What was done to %s in the %v since %s.\n", oneLine(b.cfg.Name), time.Since(b.begun).Round(time.Second), b.begun.UTC().Format(time.RFC3339))
	if b.forgot > 0 {
		fmt.Fprintf(&out, "# The first %d touches are no longer known.\n", b.forgot)
	}
	fmt.Fprintf(&out, "seed: %d\nfaults:", b.cfg.Seed)
	none := true
	for _, d := range b.done {
		if d.Err != nil {
			continue
		}
		none = false
		fmt.Fprintf(&out, "\n  - {at: %v, %s: %s, do: %s", d.At.Sub(b.begun).Round(time.Millisecond), d.Target.Kind.one(), d.Target.script(), d.Do)
		given, _ := d.Options.given() // it was checked
		for _, name := range sortedKeys(given) {
			if word, ok := given[name].(string); ok { // in quotes, or a serial number would be taken for a number
				fmt.Fprintf(&out, ", %s: %q", name, word)
			} else {
				fmt.Fprintf(&out, ", %s: %s", name, d.Options.Fields()[name])
			}
		}
		out.WriteString("}")
	}
	if none {
		out.WriteString(" []")
	}
	out.WriteString("\n")
	return []byte(out.String())
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
