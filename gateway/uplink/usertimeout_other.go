//go:build !linux

package uplink

import "syscall"

// userTimeout does nothing: only Linux has it, and elsewhere keep-alive finds a dead connection later.
func userTimeout(_, _ string, _ syscall.RawConn) error { return nil }
