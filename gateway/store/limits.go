package store

import (
	"os"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of this package, all of them here (invariant 13).
const (
	queueLength   = 256         // callers of Update in line; the next one waits with its context
	batchLength   = 256         // most of them in one transaction
	lockTimeout   = time.Second // wait for another process to let go of the file
	mapBytes      = 64 << 20    // address space reserved at first, so that readers seldom hold up a growing file
	defaultQuota  = 512 << 20   // bytes of events when Options.Quota is 0
	pruneSegments = 64          // most segments one call of Prune drops
	firstRoom     = 512         // bytes of an event kept free for the first name it may need one day
	keepTelemetry = 14 * 24 * time.Hour
	keepAudit     = 7 * 24 * time.Hour // delivered audit stays so long even over quota
	mode          = os.FileMode(0o600)
	format        = 1 // version of the file's layout
)

// maxFresh is the longest event that may be appended: one appended again must still fit with its first name.
const maxFresh = wire.MaxEvent - firstRoom
