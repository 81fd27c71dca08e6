// Package rules is the book by which doors let people through: pure functions of state, input and now.
//
// One table (moves) says every move there is; what is not in it cannot happen. Step applies one input to all doors of a
// building and returns the next state with what must be committed beside it and what may be done after that. Time comes
// in with the input: wall time for what people are told, monotonic time for what is waited for. Whether a ticket, a code
// or a command is right was judged before (gateway/grants); here it is decided whether the door may be released for it
// now, and what its contact says afterwards. docs/doors.md is printed from the table.
package rules
