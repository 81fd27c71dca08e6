// Package gateway is the daemon on a community's box: it composes the rooms below it and runs them until it is told to
// stop. Run starts one, Probe looks at the hardware once.
package gateway

import (
	"maps"
	"slices"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
