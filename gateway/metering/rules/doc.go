// Package rules judges what was read of a gas meter: pure functions of what is remembered, what was seen, and now.
//
// A total is good if it is of the right meter and follows from the last good one: not less, but for a rollover, and not
// more than the meter can measure in the time. Whatever else was seen is kept as it was, named for what is wrong with it,
// and nothing is ever counted from it. docs/metering.md says it in words.
package rules
