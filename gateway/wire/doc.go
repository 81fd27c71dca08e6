// Package wire is the contract between a gateway and the cloud: topics, events and their blocks, pulses and answers,
// the state document, commands, and how each is encoded, signed and checked.
//
// It holds types and pure functions only: no clock, no I/O, no goroutine. Everything signed is one JSON line followed by
// a line with the base64 Ed25519ctx signature over that line's bytes; nothing is encoded again before it is checked.
// Times are Unix microseconds. docs/wire.md describes every message byte by byte; testdata holds golden vectors.
package wire
