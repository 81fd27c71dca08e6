// Package store keeps a gateway's state and its log of events in one bbolt file, so that both commit together.
//
// Update is the only way to write. One committer takes whatever is queued, runs it in one transaction and syncs the
// file once (group commit, no timer); Update returns after that. State lies in spaces, which belong to the packages
// that write them; every stored value ends in a CRC-32C over its space, its key and itself.
//
// The log has two streams, each cut into segments and joined by a hash chain (docs/wire.md 2). Events are kept as
// the exact bytes that were hashed. Nothing is deleted because it was delivered: only Drop and Prune take whole
// sealed segments away, and each leaves a loss event in the same transaction.
//
// The package knows no clock and no network: whoever appends brings the time, and gateway/uplink judges answers.
package store
