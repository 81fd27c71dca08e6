// Package fleet knows the boxes: sites and gateways with their keys, how far each gateway's segments are committed, what
// each was answered, the state document that each should hold, what the cloud wishes of them, and how they are.
//
// It answers pulses: the signed answer is the only thing that makes an event delivered (docs/wire.md). Positions are
// moved by cloud/ingest, in the transaction that logs and projects. A gateway's row is the lock of everything that
// belongs to it. Instants are wire.Micros of the cloud's clock, handed in as now, unless they are called wall.
package fleet
