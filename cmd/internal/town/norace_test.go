//go:build !race

package town

const raced = false
