// Package parcels runs a building's locker banks: couriers' deposits, residents' collections and the guard's clearing,
// with or without the cloud.
//
// One loop (Run) takes one input at a time, lets the pure rules of gateway/parcels/rules decide, commits the new state
// and its events in one transaction, and only then acts (docs/invariants.md 1 and 2). The methods for the kiosk and the
// desk post an input and return once what they asked is durable; what a door then does is seen in View, and Changed says
// when to look. The package owns every parcel and compartment of its building, and the spaces in gateway/store that
// begin with "parcels."; rights are minted and judged by gateway/grants.
package parcels
