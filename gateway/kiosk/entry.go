package kiosk

import "github.com/ntpc-smart-community/lobby/gateway/parcels"

// secret is digits on their way to the rules. It shows itself to nobody, and goes with the screen it was typed on.
type secret = parcels.Code

// Lengths of what people type.
const (
	pinLen       = 6
	householdLen = 8
	courierLen   = 8
)
