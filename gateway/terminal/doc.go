// Package terminal is the screen beside a facility's door: it takes a ticket from a code reader, or a unit and its
// household code, and shows what the door does.
//
// It decides nothing about doors. The doors service judges, releases the strike and knows from the contact what happened;
// the terminal holds what has been typed so far and when a person has gone. Each door has one screen, held in the server
// by a loop of its own: no cookie, and a second browser sees and works the same screen. A ticket's text is as good as a
// key: it is passed on and forgotten, and stands in no address, no page and no log.
//
// # For programs
//
// GET /door/ lists the screens, /door/{door} is one. Its main element says what it shows: data-screen (idle, building,
// unit, code, door, refused, trouble), data-door, data-step, data-version, data-state and data-contact of the door,
// data-closed and data-silent where they hold, and where they apply data-outcome (opening, opened, unopened, unknown,
// refused: of the newest intent), data-reason (why not: a Reason of doors.Verdict) and data-error (form, unit, moved).
// GET /door/{door}/live is a stream of server-sent events "changed" with the version.
//
// Forms are posted, never put into an address, and carry step as shown in data-step:
//
//	/door/{door}/ticket    ticket=LOBBY1…: what the reader read
//	/door/{door}/household                     from the idle screen: asks for the building
//	/door/{door}/building  building=A
//	/door/{door}/unit      key=0…9|dash|back|clear|enter, or unit=12-3 at once
//	/door/{door}/digits    key=0…9|back|clear, or digits=80217764 at once: judged when it is complete
//	/door/{door}/back      a question back; from an answer to the idle screen
//	/door/{door}/language  the other language first, until the screen is idle again
//
// The answer is 303 to the screen, or 200 with the page for htmx (HX-Request). A form of an earlier screen, or one that
// makes no sense now, gets 409, a malformed one 400, both with the screen as it stands; neither changes anything.
package terminal
