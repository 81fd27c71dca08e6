// Package rules is the book by which parcels and compartments move: pure functions of state, input and now.
//
// Two tables (compartmentMoves, parcelMoves) say every move there is; what is not in them cannot happen. Step applies one
// input to the whole building and returns the next state with what must be committed beside it and what may be done after
// that. Time comes in with the input: wall time for what people are told, monotonic time for what is waited for. Ids come
// in with the input too; minting and judging codes is gateway/grants' work, Step only says which PIN begins or ends.
// docs/parcels.md is printed from the tables.
package rules
