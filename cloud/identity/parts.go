package identity

import (
	"context"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

var _ fleet.PartSource = (*Identity)(nil)

// Parts gives the households part of a site's state document. It holds no name. It changes when somebody moves in or
// out, also by the date alone.
func (i *Identity) Parts(ctx context.Context, tx *store.Tx, site string) ([]fleet.NamedPart, error) {
	units, err := i.Units(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	return []fleet.NamedPart{{Name: wire.PartHouseholds, Value: wire.Households{Units: units}}}, nil
}
