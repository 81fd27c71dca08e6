// Package kiosk is the screen of a locker bank: it asks one question at a time and shows what the doors do.
//
// It decides nothing about doors. The parcels service judges codes, opens locks and knows from their feedback what
// happened; the kiosk holds which question stands on the one screen, what has been typed so far, and when a person has
// gone. That is one session for the screen, held in the server by one loop: no cookie, and a second browser sees and
// works the same screen. Pages are plain HTML with forms; htmx and a small script only spare reloading them.
//
// # For programs
//
// GET / is the screen. Its main element says what it shows: data-screen, data-step, data-version, and where they apply
// data-role (collect, deliver), data-unit, data-door and data-next (numbers), data-phase (opening, open, closed, stuck,
// fault, unknown) and data-error (form, unit, moved, wrong, ended, hours, no_unit, full, late, cap). Screens are idle, building,
// unit, pin, household, courier, size, door, taken, next, dispute, thanks, verify, inside, full, handed, locked, closed,
// used, ended, office, nothing, still and trouble. GET /live is a stream of server-sent events "changed" with the version.
//
// Forms are posted, never put into an address, and carry step as shown in data-step (or the hidden field of that name):
//
//	/collect  /deliver                  from the idle screen
//	/building building=A                the block
//	/unit     key=0…9|dash|back|clear|enter, or unit=12-3 at once
//	/digits   key=0…9|back|clear, or digits=471903 at once: the code, judged when it is complete
//	/pin  /household                    asks for the other kind of code
//	/size     size=S|M|L|XL             chooses, opens nothing
//	/open                               opens: the size chosen, the stuck door again, or the next door
//	/taken    answer=yes|no             after closing, when collecting
//	/dispute  why=not_mine|empty        without why it asks which
//	/empty    answer=yes|no             of a door whose last collection was not confirmed
//	/inside   answer=inside|too_small|occupied|took_back
//	/undo                               the last drop
//	/stay  /back  /change  /finish      still here; a question back; another unit; the end
//	/settings set=language|large|contrast|low
//
// The answer is 303 to /, or 200 with the page for htmx (HX-Request). A form of an earlier screen, or one that makes no
// sense now, gets 409, a malformed one 400, both with the screen as it stands; neither changes anything.
package kiosk
