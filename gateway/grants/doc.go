// Package grants mints and judges rights: what people type, that is parcels' PINs (6 digits) and the codes of households,
// couriers and guards (8 digits); what they carry, signed tickets; and the cloud's signed commands, which are fresh by a
// challenge of this box.
//
// A code is made here, kept as an HMAC-SHA256 under a key that never leaves the box, over purpose, unit, subject and
// code, and goes up only sealed to the cloud's key. Every guess is counted on disk before it is judged, so that pulling
// the plug buys nothing; the budgets are in gateway/grants/rules. The functions work on a transaction of the caller,
// whose loop commits; the package owns the spaces in gateway/store that begin with "grants.".
package grants
