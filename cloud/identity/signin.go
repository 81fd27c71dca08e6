package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"
	"golang.org/x/oauth2"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

const (
	startCookie = "lobby_sign_in"
	startLife   = 600 // seconds to sign in at the issuer
	authPath    = "/auth"
	maxName     = 100         // runes of a name that is taken over from the issuer
	justNow     = time.Minute // between signing in at the issuer and coming back, and between the two clocks
)

// start is what the browser keeps while its owner is at the issuer.
type start struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Next     string `json:"t"`
	StepUp   bool   `json:"u,omitempty"` // the issuer must ask who it is, signed in there or not
}

// Handler answers the routes of this package: GET /auth/login (?next=/path, and &step_up=1 to sign in anew), GET
// /auth/callback, POST /auth/logout and POST /auth/token. A POST that a browser sends for another site is refused.
func (i *Identity) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+authPath+"/login", i.Login)
	mux.HandleFunc("GET "+authPath+"/callback", i.Callback)
	mux.HandleFunc("POST "+authPath+"/logout", i.Logout)
	mux.HandleFunc("POST "+authPath+"/token", i.Token)
	return http.NewCrossOriginProtection().Handler(mux)
}

// redirect is where the issuer must send browsers back to.
func (i *Identity) redirect() string { return i.config.Public + authPath + "/callback" }

// issuer finds the issuer's addresses and keys, once.
func (i *Identity) issuer(ctx context.Context) (*oidc.Provider, error) {
	i.mu.Lock()
	p := i.provider
	i.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := oidc.NewProvider(ctx, i.config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.provider = p
	return p, nil
}

func (i *Identity) oauth(p *oidc.Provider) *oauth2.Config {
	endpoint := p.Endpoint()
	if i.config.Secret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: i.config.ClientID, ClientSecret: i.config.Secret, Endpoint: endpoint,
		RedirectURL: i.redirect(), Scopes: []string{oidc.ScopeOpenID, "profile"}}
}

// Login sends the browser to the issuer; afterwards it comes back to next. With step_up the issuer must ask who it is even
// of somebody who is signed in there.
func (i *Identity) Login(w http.ResponseWriter, r *http.Request) {
	p, err := i.issuer(oidc.ClientContext(r.Context(), i.config.Client))
	if err != nil {
		i.fail(w, "issuer not reached", err)
		return
	}
	s := start{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: local(r.FormValue("next")), StepUp: r.FormValue("step_up") == "1"}
	b, err := json.Marshal(s)
	if err != nil {
		i.fail(w, "sign-in not begun", err)
		return
	}
	http.SetCookie(w, i.cookie(startCookie, base64.RawURLEncoding.EncodeToString(b), authPath, startLife))
	w.Header().Set("Cache-Control", "no-store")
	more := []oauth2.AuthCodeOption{oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier)}
	if s.StepUp {
		more = append(more, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	http.Redirect(w, r, i.oauth(p).AuthCodeURL(s.State, more...), http.StatusSeeOther)
}

// local keeps a path of this cloud and nothing that leads elsewhere.
func local(next string) string {
	if len(next) > 500 || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}

// Errors of coming back from the issuer.
var (
	errSignIn  = errors.New("sign-in did not begin here")
	errStale   = errors.New("the issuer did not ask anew who it is")
	errAnother = errors.New("signed in anew as somebody else")
)

// Callback takes the browser back from the issuer and begins a session.
func (i *Identity) Callback(w http.ResponseWriter, r *http.Request) {
	s, err := i.started(r)
	var who account
	if err == nil {
		who, err = i.exchange(oidc.ClientContext(r.Context(), i.config.Client), s, r.FormValue("code"))
	}
	http.SetCookie(w, i.cookie(startCookie, "", authPath, -1))
	var before Session
	if err == nil && s.StepUp {
		before, err = i.SignedIn(r)
		if errors.Is(err, ErrNoSession) { // it ended meanwhile: there is nobody to be the same as
			err = nil
		}
	}
	if err != nil {
		i.config.Log.Warn("sign-in refused", "err", err)
		http.Error(w, "登入沒有完成，請再試一次。 Sign-in did not complete; please try again.", http.StatusBadRequest)
		return
	}
	var t token
	err = i.db.Write(r.Context(), func(tx *store.Tx) error {
		person, err := keepPerson(r.Context(), tx, who)
		if err != nil {
			return err
		}
		if before.ID != "" && before.ID != person {
			return errAnother
		}
		if old, ok := i.shown(r); ok && s.StepUp {
			if err := i.end(r.Context(), tx, old); err != nil {
				return err
			}
		}
		t, _, err = i.begin(r.Context(), tx, person, i.config.Session, who.proven)
		return err
	})
	if errors.Is(err, errAnother) {
		i.config.Log.Warn("sign-in refused", "person", before.ID, "err", err)
		http.Error(w, "這是另一個人的帳號。請用原來的帳號再登入一次，或先登出。 That is somebody else's account. Sign in with your own, or sign out first.", http.StatusForbidden)
		return
	}
	if err != nil {
		i.fail(w, "sign-in not kept", err)
		return
	}
	http.SetCookie(w, i.cookie(i.cookieName(), string(t), "/", int(i.config.Session.Seconds())))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, s.Next, http.StatusSeeOther)
}

func (i *Identity) started(r *http.Request) (start, error) {
	var s start
	c, err := r.Cookie(startCookie)
	if err != nil {
		return s, errSignIn
	}
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || json.Unmarshal(b, &s) != nil || s.State == "" ||
		subtle.ConstantTimeCompare([]byte(s.State), []byte(r.FormValue("state"))) != 1 {
		return start{}, errSignIn
	}
	s.Next = local(s.Next)
	return s, nil
}

// account is somebody as the issuer knows them.
type account struct {
	issuer, subject, name string
	proven                time.Time // when they signed in anew; zero: nobody asked them to
}

func (i *Identity) exchange(ctx context.Context, s start, code string) (account, error) {
	p, err := i.issuer(ctx)
	if err != nil {
		return account{}, err
	}
	answer, err := i.oauth(p).Exchange(ctx, code, oauth2.VerifierOption(s.Verifier))
	if err != nil {
		return account{}, fmt.Errorf("code: %w", err)
	}
	raw, _ := answer.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: i.config.ClientID, Now: i.config.Now}).Verify(ctx, raw)
	if err != nil {
		return account{}, fmt.Errorf("id token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(s.Nonce)) != 1 {
		return account{}, fmt.Errorf("id token: another nonce: %w", errSignIn)
	}
	var claims struct {
		Name     string `json:"name"`
		AuthTime int64  `json:"auth_time"` // seconds
	}
	if err := id.Claims(&claims); err != nil {
		return account{}, fmt.Errorf("id token: %w", err)
	}
	name := []rune(claims.Name)
	who := account{issuer: id.Issuer, subject: id.Subject, name: string(name[:min(len(name), maxName)])}
	if s.StepUp {
		// An issuer that knows neither prompt nor max_age says nothing of when, or something old.
		at := time.Unix(claims.AuthTime, 0)
		if i.config.Now().Sub(at).Abs() > justNow {
			return account{}, fmt.Errorf("id token: auth_time: %w", errStale)
		}
		who.proven = at
	}
	return who, nil
}

// keepPerson finds or makes the person of an account. An account without a name keeps the one that is known.
func keepPerson(ctx context.Context, tx *store.Tx, a account) (string, error) {
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(a.issuer+"\x00"+a.subject)).String()
	_, err := tx.Exec(ctx, `INSERT INTO persons (id, issuer, subject, name) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET name = CASE WHEN excluded.name = '' THEN persons.name ELSE excluded.name END`,
		id, a.issuer, a.subject, a.name)
	if err != nil {
		return "", fmt.Errorf("person: %w", err)
	}
	return id, nil
}
