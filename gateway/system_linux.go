package gateway

import (
	"golang.org/x/sys/unix"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// timeKeeper asks the kernel whether a time service keeps the system's clock.
func timeKeeper() wire.Quality {
	const unsynchronised = 5 // TIME_ERROR of adjtimex(2)
	if state, err := unix.Adjtimex(new(unix.Timex)); err == nil && state != unsynchronised {
		return wire.FromNTP
	}
	return wire.FromRTC
}

// diskFree is the free space of a folder's disk in bytes; 0 when it cannot be told.
func diskFree(path string) uint64 {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0
	}
	return s.Bavail * uint64(s.Bsize)
}
