// Package parcels knows what the gateways have said of parcels, compartments and codes, and what a community has decided
// about them: carriers, guards, policy, texts for the screen.
//
// The gateway owns every parcel: this package projects its events and asks for changes by wishes. PINs and codes stay
// sealed in SQL; they are opened at the moment of showing and kept nowhere. Instants are wire.Micros.
package parcels

import (
	"context"
	"embed"
	"errors"
	"log/slog"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	ErrUnknown = errors.New("no such parcel, courier or guard")
	ErrSealed  = errors.New("the code cannot be opened any more")
	ErrChanged = errors.New("the parcel has changed in the meantime")
	ErrState   = errors.New("not possible in the parcel's state")
)

// Parcels answers questions about parcels and asks gateways for changes. It may be used by several goroutines at once.
type Parcels struct {
	fleet *fleet.Fleet
}

// New makes a Parcels over a fleet.
func New(f *fleet.Fleet) *Parcels { return &Parcels{fleet: f} }

// Migrate makes or renews the tables of this package.
func Migrate(ctx context.Context, db *store.DB) error { return db.Migrate(ctx, "parcels", migrations) }

// Secret is a PIN or code in clear. It shows nothing when it is printed or logged; Reveal gives it.
type Secret string

// Reveal gives the digits, for the one page or answer that shows them.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret.
func (Secret) String() string { return "[secret]" }

// GoString hides the secret.
func (Secret) GoString() string { return "[secret]" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// unseal opens what a gateway has sealed for a subject.
func (p *Parcels) unseal(gateway, subject string, s wire.Sealed) (Secret, error) {
	b, err := p.fleet.Keys().Unseal(s, gateway, subject)
	if err != nil {
		return "", errors.Join(ErrSealed, err)
	}
	return Secret(b), nil
}
