package identity

import (
	"context"
	"fmt"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Units gives every unit of a site by id, with the household that lives there now.
func (i *Identity) Units(ctx context.Context, tx *store.Tx, site string) ([]wire.Unit, error) {
	rows, err := tx.Query(ctx, `SELECT u.id, u.label, u.low, COALESCE(MAX(h.id), '') FROM units u
		LEFT JOIN households h ON h.unit = u.id AND `+living+`
		WHERE u.site = $2 GROUP BY u.id, u.label, u.low ORDER BY u.id`, i.now(), site)
	if err != nil {
		return nil, fmt.Errorf("units of site %s: %w", site, err)
	}
	defer rows.Close()
	units := []wire.Unit{}
	for rows.Next() {
		var u wire.Unit
		if err := rows.Scan(&u.ID, &u.Label, &u.Low, &u.Household); err != nil {
			return nil, fmt.Errorf("units of site %s: %w", site, err)
		}
		units = append(units, u)
	}
	return units, rows.Err()
}
