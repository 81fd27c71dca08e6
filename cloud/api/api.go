// Package api is the cloud's REST API: /v1 for programs and pages, its own description as OpenAPI 3.1, and a page that
// shows it.
//
// Every answer is checked against the rights of who asks, by site and household, in the transaction that reads it. What
// belongs to another site or household does not exist for the asker. A refused value is never sent back: mistyped digits
// may be somebody's PIN.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
)

// Bounds of requests.
const (
	maxBody    = 16 << 10         // bytes of one request's body
	bodyWait   = 10 * time.Second // for a body to come
	answerWait = 20 * time.Second // for one answer
)

// Parts are what the API serves from.
type Parts struct {
	DB         *store.DB
	Fleet      *fleet.Fleet
	Identity   *identity.Identity
	Ingest     *ingest.Ingest
	Parcels    *parcels.Parcels
	Facilities *facilities.Facilities
	Once       *once.Keys
	Now        func() time.Time
	Log        *slog.Logger
	Version    string // of this Lobby
}

// API serves /v1, /openapi.yaml and /docs.
type API struct {
	Parts
	mux     *http.ServeMux
	huma    huma.API
	origins *http.CrossOriginProtection
}

// New makes an API over a database whose tables have been made.
func New(p Parts) *API {
	takeOver()
	a := &API{Parts: p, mux: http.NewServeMux(), origins: http.NewCrossOriginProtection()}
	a.huma = humago.New(a.mux, describe(p.Version))
	a.huma.UseMiddleware(a.signedIn)
	a.people()
	a.boxes()
	a.parcels()
	a.gas()
	a.codes()
	a.wishes()
	a.events()
	a.notices()
	a.facilities()
	a.doors()
	a.mux.Handle("GET /docs", a.docs())
	return a
}

// ServeHTTP answers one request, within answerWait.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWait)
	defer cancel()
	r = r.WithContext(ctx)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept-Language, Authorization, Cookie")
	if a.origins.Check(r) != nil { // a page of another site has a signed-in browser ask
		writeProblem(w, problem(CodeForbidden, languageOf(r.Header.Get("Accept-Language"))))
		return
	}
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.nowhere(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// describe is the API's frame. Nothing of it names a host, and no schema links are added to answers.
func describe(version string) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Lobby",
				Version: "1",
				Description: "The cloud of Lobby. Instants are RFC 3339 with an offset. Errors are application/problem+json (RFC 9457) with a stable `type` and `code`; " +
					"`detail` is in the language of Accept-Language, zh-TW where it says nothing. What belongs to another site or household answers 404.",
				License: &huma.License{Name: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"session": {Type: "apiKey", In: "cookie", Name: "__Host-lobby_session", Description: "set by /auth/login"},
					"bearer":  {Type: "http", Scheme: "bearer", Description: "from POST /auth/token"},
				},
			},
			Security: []map[string][]string{{"session": {}}, {"bearer": {}}},
		},
		OpenAPIPath:                  "/openapi",
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// OpenAPI is the API's description in YAML.
func (a *API) OpenAPI() ([]byte, error) { return a.huma.OpenAPI().YAML() }

type sessionKey struct{}

// signedIn lets nobody through who is not signed in.
func (a *API) signedIn(ctx huma.Context, next func(huma.Context)) {
	r, _ := humago.Unwrap(ctx)
	s, err := a.Identity.SignedIn(r)
	if err != nil {
		code := CodeInternal
		if errors.Is(err, identity.ErrNoSession) {
			code = CodeSignIn
		} else {
			a.Log.Error("session not read", "err", err)
		}
		// A failed write means that the asker has left.
		_ = huma.WriteErr(a.huma, ctx, code.status(), string(code))
		return
	}
	ctx = huma.WithValue(ctx, sessionKey{}, s)
	next(huma.WithValue(ctx, languageKey{}, languageOf(r.Header.Get("Accept-Language"))))
}

// caller is who asks.
func caller(ctx context.Context) identity.Person { return session(ctx).Person }

func session(ctx context.Context) identity.Session {
	s, ok := ctx.Value(sessionKey{}).(identity.Session)
	if !ok {
		panic("api: a route without signedIn")
	}
	return s
}

// handle adds a route: fn's errors become problems, and what is no answer for people is logged.
func handle[I, O any](a *API, op huma.Operation, fn func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes, op.BodyReadTimeout = maxBody, bodyWait
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusNotFound)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := fn(ctx, in)
		if err == nil {
			return out, nil
		}
		p := problemOf(err, languageFrom(ctx))
		if p.Code == CodeInternal {
			a.Log.Error("request failed", "operation", op.OperationID, "err", err)
		}
		return nil, p
	})
}

// site sees that the caller has one of the roles at a site. One who has none of them there and does not belong there is
// told that there is no such site.
func (a *API) site(ctx context.Context, tx *store.Tx, site string, roles ...identity.Role) error {
	who := caller(ctx).ID
	for _, role := range roles {
		can, err := a.Identity.Can(ctx, tx, who, site, role)
		if err != nil || can {
			return err
		}
	}
	for _, role := range []identity.Role{identity.Resident, identity.Guard, identity.Manager, identity.Committee, identity.Operator} {
		belongs, err := a.Identity.Can(ctx, tx, who, site, role)
		if err != nil {
			return err
		}
		if belongs {
			return errForbidden
		}
	}
	return errNotFound
}

// staff are the roles that see how a site's boxes are.
func staff() []identity.Role {
	return []identity.Role{identity.Manager, identity.Committee, identity.Guard, identity.Operator}
}

// managing are the roles that decide for a site.
func managing() []identity.Role { return []identity.Role{identity.Manager, identity.Operator} }

// takeOver makes huma speak in this package's problems. It is set once for the process: huma has one place for it.
var takeOver = sync.OnceFunc(func() {
	huma.NewError = func(status int, _ string, errs ...error) huma.StatusError {
		return refuse(status, zh, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, _ string, errs ...error) huma.StatusError {
		return refuse(status, languageOf(ctx.Header("Accept-Language")), errs)
	}
})
