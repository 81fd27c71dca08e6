//go:build race

package town

// Raced says that the race detector watches. It crashes (go1.26.8: SIGSEGV where it hashes a stack) in a bubble in which timers
// have fired some hundred thousand times, as they do in an hour of a tower.
const Raced = true
