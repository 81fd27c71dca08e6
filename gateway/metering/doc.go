// Package metering reads the gas meters of a building on schedule and says what each reading is worth.
//
// A sweep asks every meter: the lines at once, the meters of a line one after the other, those that failed once more when
// the rest have been asked. gateway/metering/rules judge what came; then all readings of the sweep, and what is remembered
// of each meter, are committed in one transaction (invariant 1). A total that is not good is kept as it was seen, with its
// name, and nothing is counted from it. Totals are whole litres. docs/metering.md says it in words.
package metering
