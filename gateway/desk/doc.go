// Package desk is the guard's page for parcels and doors: what has to be looked at, done in guided steps.
//
// A guard signs in with an 8-digit code that lasts 12 h; whatever overrides a lock or mints a code asks for it again, with
// a reason. The parcels service judges, opens and records, under the guard's name; the desk only asks. It speaks HTTPS
// alone: the composer hands the handler to a server with a certificate, and the cookie goes over nothing else.
//
// # For programs
//
// GET / is the list, /door/{compartment} one door of a locker bank, /doors those of facilities and /doors/{door} one of
// them, /shelf the parcels at the office, /households codes of residents,
// /time the clock. main carries data-page, and on a door data-compartment, data-door (closed, opening, open, unknown)
// and data-content; data-error holds the code of what was refused. Forms:
//
//	/signin code      /signout          /language lang=zh-TW|en
//	/door/{compartment}/open     reason, code       (reason: check, resident, fault, clearing, emergency)
//	/door/{compartment}/inside   what=vacant|occupied|office, shelf (A-Z, 0-9, -), reason
//	/door/{compartment}/service  set=in|out, reason
//	/shelf/{parcel}              what=handed|returned, pin (may be empty), reason
//	/households/unlock           unit, reason, code
//	/households/code             unit, reason, code: the answer holds the new code, once
//	/time                        time (2026-11-24T18:42), reason, code
//
// A form that is refused is answered with its page and 400, 403 or 409, and changed nothing.
package desk
