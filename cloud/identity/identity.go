// Package identity knows people: who somebody is (OpenID Connect), which household somebody belongs to, and what somebody
// may do at which site. It holds the one table with names; everything else in the cloud holds ids.
//
// Every question about rights names a site, and the answer never reaches beyond it.
package identity

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Role is what somebody may be at a site, or everywhere.
type Role string

// The roles. Resident follows from a household; the others are granted. Operator, Official and Clerk are granted everywhere
// (Everywhere), the rest at one site.
const (
	Resident  Role = "resident"
	Guard     Role = "guard"
	Manager   Role = "manager"
	Committee Role = "committee"
	Operator  Role = "operator"
	Official  Role = "official" // of the city
	Clerk     Role = "clerk"    // of a gas company
)

// Everywhere is the site of roles that hold at all sites.
const Everywhere = ""

// Standing is a person's place in a household.
type Standing string

// The standings.
const (
	Owner  Standing = "owner"
	Tenant Standing = "tenant"
	Member Standing = "member"
)

// Errors of this package.
var (
	ErrNoSession = errors.New("not signed in")
	ErrUnknown   = errors.New("unknown")
	ErrImport    = errors.New("not valid")
)

// Person is somebody who can sign in.
type Person struct {
	ID   string
	Name string
}

// Config is what an Identity needs.
type Config struct {
	Issuer   string           // address of the OpenID issuer
	ClientID string           // what this cloud is called there
	Secret   string           // "" for a public client
	Public   string           // this cloud's own address as browsers see it, without a slash at the end
	Now      func() time.Time // tells the time
	Log      *slog.Logger
	Client   *http.Client  // reaches the issuer; nil means one with a limit of 10s
	Session  time.Duration // life of a session; 0 means 12h
}

// Identity answers who somebody is and what somebody may do. It may be used by several goroutines at once.
type Identity struct {
	db     *store.DB
	config Config

	mu       sync.Mutex
	provider *oidc.Provider // nil until the issuer was first reached
}

// Migrate makes or renews the tables of this package.
func Migrate(ctx context.Context, db *store.DB) error { return db.Migrate(ctx, "identity", migrations) }

// New makes an Identity over a database whose tables Migrate has made. The issuer is asked at the first sign-in.
func New(db *store.DB, c Config) *Identity {
	if db == nil || c.Now == nil || c.Log == nil {
		panic("identity: New needs a database, a clock and a log")
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 10 * time.Second}
	}
	if c.Session == 0 {
		c.Session = 12 * time.Hour
	}
	return &Identity{db: db, config: c}
}
