package cloud

import (
	"context"
	"errors"

	"github.com/ntpc-smart-community/lobby/cloud/notify"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Matters tells notices what there is to tell of a parcel: modules do not know each other.
type Matters struct{ Parcels *parcels.Parcels }

var _ notify.Source = Matters{}

// Matter reads a parcel as it is now. One that is not known does not wait.
func (m Matters) Matter(ctx context.Context, tx *store.Tx, gateway, parcel string) (notify.Matter, error) {
	p, err := m.Parcels.ByID(ctx, tx, gateway, parcel)
	if errors.Is(err, parcels.ErrUnknown) {
		return notify.Matter{}, nil
	}
	if err != nil || !p.Waiting() {
		return notify.Matter{}, err
	}
	policy, err := parcels.ReadPolicy(ctx, tx, p.Site)
	return notify.Matter{
		Waiting: true, Site: p.Site, Household: p.Household, Door: p.Door, Shelf: p.Shelf, Since: p.StoredAt, Due: parcels.Due(p.KnownAt, policy),
	}, err
}
