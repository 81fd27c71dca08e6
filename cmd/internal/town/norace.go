//go:build !race

package town

// Raced says that the race detector watches.
const Raced = false
