package rules

import (
	"fmt"
	"strings"
)

// Page is docs/doors.md, printed from the table and the numbers of this package.
func Page() string {
	var b strings.Builder
	b.WriteString(`# Doors

The gateway owns its doors. The machine is printed from the table in gateway/doors/rules
(` + "`go test ./gateway/doors/rules -update`" + `); a move that is not here cannot happen. Leaving never depends on it: the
button inside, the fire input and a fail-safe lock are hardware; software only records what it sees of them.

## The machine

`)
	b.WriteString("```mermaid\nstateDiagram-v2\n")
	for _, m := range moves {
		if !found(m.On) {
			fmt.Fprintf(&b, "    %s --> %s: %s\n", m.From, rest(m.To), m.On)
		}
	}
	b.WriteString("```\n\n" + `"At rest" is secured, or forced while no guard has looked yet. Events show a door as ` + "`released`" + ` from the intent on, since it
may be, and as ` + "`forced`" + ` until a guard has looked; screens show it as released once its device has said so.

At a start the output is turned off before anything else is asked of the device, then the door is read:

| Found at the start | Contact | Becomes |
|---|---|---|
`)
	for _, m := range moves {
		if found(m.On) {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", m.From, strings.TrimPrefix(string(m.On), "found_"), rest(m.To))
		}
	}
	fmt.Fprintf(&b, `
`+"`closed`"+` also stands for a door without a contact; `+"`blind`"+`: the device is silent. An intent without an outcome is then
recorded as unknown, with what the door shows; nothing is ever released for it.

## One passage

1. A right is judged: a ticket, a household's code with a grant, a signed command (docs/wire.md 8 and 9), or a guard.
2. `+"`door.opening`"+`, the intent, is committed; a command's id with it, which is kept for 30 days.
3. The output is released for the strike's time, 5 s unless configured, by the device's own timer where it has one. The
   frame is not written more than 5 s after the intent; for a command not after its challenge's end. Late is refused.
4. The contact says what came of it: opened, or closed all the time and so unopened. What is not known %s after the
   strike's time is unknown. The outcome is committed, the command's in the same transaction.

| Outcome | Door's event | Command's event | Counts as a use |
|---|---|---|---|
| seen to open | door.opened | command.opened | yes |
| released, no contact is fitted | door.opened, code no_contact | command.pulsed | yes |
| released, the contact stayed closed | door.unopened | command.pulsed | no |
| nothing was released | door.refused, with its code | command.refused | no |
| the device fell silent, or the power went | door.unknown | command.unknown | yes |

An unknown outcome counts as a use on purpose: somebody may have gone in, and a ticket for one person must not let a
second one in. Its holder asks the guard; the cloud does not take an unknown passage for an arrival. How often a grant was
used is kept until a day after its end, on disk, by the time that has certainly passed: a clock that is wrong by years
makes nothing usable again. A disk that was put back forgets what it had not counted yet, as it does spent PINs.

## Who is let in

The first line that holds decides.

| Case | Answer |
|---|---|
| a guard closed the door down | closed_down for every ticket, code and command, at once: a release under way is cut off. Not for the guard |
| its device is silent, or was not read since the start | silent: the guard lets people in |
| it stands open, or is being released | already_open: nothing is released |
| opened %d times in a minute | crowded |
| the grant's uses are used up | used |

A forced door lets people in as before; its alarm goes on until a guard has looked. A record that is damaged closes its
own door until a guard reopens it. A grant whose count is damaged counts as used up.

Tickets: signed by a ticket key that lived when the ticket was issued and has not ended; for this gateway and this door; at
most 24 h 20 min long. While the clock is uncertain one that ended before the time that has certainly passed is refused,
and one that begins more than 15 min after the estimate; the rest is let in and marked. A ticket's issue time has certainly
passed. Only a text whose signature fails counts as wrong. It cannot be guessed, so right ones never wait for wrong ones:
%d an hour are recorded for a door, the rest is counted.

Codes: unit and 8 digits, with the budget of all household codes (gateway/grants/rules), counted on disk before it is judged; then
a living grant of that household for that door.

Commands: %d a minute for the gateway, and none in the first %s after a boot: its bucket starts empty.

## The contact

- Open without a release, without the button inside in the last %s and not within %s of closing (the latch had not caught):
  forced, an alarm until a guard has looked.
- Open for %s: held, a warning; for %s: left open, an alarm.
- A contact that flaps is recorded %d times an hour and counted beyond that; passages and alarms are always recorded.
- The button's input should stay on for at least a second (a timer relay): doors are read each second, and five times a
  second while somebody is let in.
- An output that is on although nobody is let in is turned off.
`, ReleaseGrace, MaxOpenings, MaxWrong, MaxOrders, orderCost, ExitGrace, LatchGrace, HeldAfter, LeftOpenAfter, MaxChanges)
	return b.String()
}

func found(on Turn) bool { return strings.HasPrefix(string(on), "found_") }

func rest(s State) string {
	if s == atRest {
		return "at_rest"
	}
	return string(s)
}
