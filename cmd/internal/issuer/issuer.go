// Package issuer is the demo's sign-in page: an OpenID Connect issuer in memory, where one picks an account from a list.
//
// It speaks the authorization code flow with PKCE (S256) to public clients and signs with ES256. It remembers nobody: every
// sign-in asks who it is, so that prompt=login and max_age are always met, prompt=none never is, and auth_time is when the
// account was picked. It asks for no password and is for loopback only; a city brings its own issuer.
package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	codeLife  = time.Minute
	tokenLife = 5 * time.Minute
	maxCodes  = 1000 // waiting to be exchanged
	maxForm   = 16 << 10
)

// Account is somebody who can sign in.
type Account struct {
	Subject string // stable id
	Name    string
	Note    string // who this is in the demo, shown under the name
}

// Client is a page that people sign in to.
type Client struct {
	ID       string
	Redirect string // the one address that codes are sent to
}

// Config is what an issuer needs.
type Config struct {
	URL      string // its own address, without a slash at the end; routes stand below its path
	Accounts []Account
	Clients  []Client
	Style    string           // address of the style sheet
	Now      func() time.Time // tells the time
}

// Issuer answers the four endpoints.
type Issuer struct {
	config Config
	key    *ecdsa.PrivateKey
	mux    *http.ServeMux

	mu    sync.Mutex
	codes map[string]grant
}

// grant is what a code stands for.
type grant struct {
	client, redirect, nonce, challenge string
	account                            Account
	picked                             time.Time // auth_time
	until                              time.Time
}

const keyID = "demo"

// New makes an issuer with a key of its own.
func New(c Config) (*Issuer, error) {
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" || strings.HasSuffix(c.URL, "/") || c.Now == nil {
		return nil, fmt.Errorf("issuer %q: needs an address without a slash at the end, and a clock", c.URL)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	i := &Issuer{config: c, key: key, mux: http.NewServeMux(), codes: make(map[string]grant)}
	i.mux.HandleFunc("GET "+base.Path+"/.well-known/openid-configuration", i.discovery)
	i.mux.HandleFunc("GET "+base.Path+"/jwks", i.jwks)
	i.mux.HandleFunc("GET "+base.Path+"/authorize", i.choose)
	i.mux.HandleFunc("POST "+base.Path+"/authorize", i.authorize)
	i.mux.HandleFunc("POST "+base.Path+"/token", i.token)
	return i, nil
}

// ServeHTTP answers the discovery document, the keys, the sign-in page and the token endpoint below Config.URL.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	i.mux.ServeHTTP(w, r)
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                i.config.URL,
		"authorization_endpoint":                i.config.URL + "/authorize",
		"token_endpoint":                        i.config.URL + "/token",
		"jwks_uri":                              i.config.URL + "/jwks",
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 []string{"authorization_code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(jose.ES256)},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"none"},
		"scopes_supported":                      []string{"openid", "profile"},
		"prompt_values_supported":               []string{"none", "login", "select_account"},
		"claims_supported":                      []string{"iss", "sub", "aud", "iat", "exp", "nonce", "auth_time", "name"},
	})
}

func (i *Issuer) jwks(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: i.key.Public(), KeyID: keyID, Algorithm: string(jose.ES256), Use: "sig"}}})
}

// asked checks the request of an authorization. What is wrong with it is never sent to an unknown address.
func (i *Issuer) asked(r *http.Request) (grant, error) {
	get := r.FormValue
	at := slices.IndexFunc(i.config.Clients, func(c Client) bool { return c.ID == get("client_id") && c.Redirect == get("redirect_uri") })
	switch {
	case at < 0:
		return grant{}, errors.New("unknown client_id or redirect_uri")
	case get("response_type") != "code":
		return grant{}, errors.New("response_type must be code")
	case !slices.Contains(strings.Fields(get("scope")), "openid"):
		return grant{}, errors.New("scope must hold openid")
	case !knownPrompt(get("prompt")):
		return grant{}, errors.New("prompt must be none alone, or login or select_account")
	case !seconds(get("max_age")):
		return grant{}, errors.New("max_age must be a number of seconds")
	case get("code_challenge_method") != "S256" || len(get("code_challenge")) != base64.RawURLEncoding.EncodedLen(sha256.Size):
		return grant{}, errors.New("code_challenge must be of method S256")
	}
	return grant{client: get("client_id"), redirect: get("redirect_uri"), nonce: get("nonce"), challenge: get("code_challenge")}, nil
}

// knownPrompt takes prompt as OpenID Connect Core 3.1.2.1 has it, consent apart: there is nothing to consent to.
func knownPrompt(prompt string) bool {
	words := strings.Fields(prompt)
	for _, w := range words {
		if w != "login" && w != "select_account" && (w != "none" || len(words) > 1) {
			return false
		}
	}
	return true
}

// seconds takes a max_age, or none.
func seconds(text string) bool {
	_, err := strconv.ParseUint(text, 10, 31)
	return text == "" || err == nil
}

// unseen sends the browser back at once if nobody may be asked: prompt=none, and nobody is signed in here.
func (i *Issuer) unseen(w http.ResponseWriter, r *http.Request, g grant) bool {
	if strings.TrimSpace(r.FormValue("prompt")) != "none" {
		return false
	}
	q := url.Values{"error": {"login_required"}, "state": {r.FormValue("state")}, "iss": {i.config.URL}}
	http.Redirect(w, r, g.redirect+"?"+q.Encode(), http.StatusSeeOther)
	return true
}

// authorize takes the account that was picked: the parameters of the page, and account.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	g, err := i.asked(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if i.unseen(w, r, g) {
		return
	}
	at := slices.IndexFunc(i.config.Accounts, func(a Account) bool { return a.Subject == r.PostFormValue("account") })
	if at < 0 {
		http.Error(w, "no such account", http.StatusBadRequest)
		return
	}
	g.account, g.picked = i.config.Accounts[at], i.config.Now()
	g.until = g.picked.Add(codeLife)
	code := rand.Text()
	if !i.keep(code, g) {
		http.Error(w, "too many sign-ins under way", http.StatusServiceUnavailable)
		return
	}
	q := url.Values{"code": {code}, "state": {r.FormValue("state")}, "iss": {i.config.URL}}
	http.Redirect(w, r, g.redirect+"?"+q.Encode(), http.StatusSeeOther)
}

func (i *Issuer) keep(code string, g grant) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for c, old := range i.codes {
		if !i.config.Now().Before(old.until) {
			delete(i.codes, c)
		}
	}
	if len(i.codes) >= maxCodes {
		return false
	}
	i.codes[code] = g
	return true
}

// take spends a code, whatever comes of it.
func (i *Issuer) take(code string) (grant, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	g, ok := i.codes[code]
	delete(i.codes, code)
	return g, ok && i.config.Now().Before(g.until)
}

func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	get := r.PostFormValue
	if get("client_id") == "" { // some ask by HTTP Basic first; their code is not spent for that
		answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	sum := sha256.Sum256([]byte(get("code_verifier")))
	proof := base64.RawURLEncoding.EncodeToString(sum[:])
	g, ok := i.take(get("code"))
	switch {
	case get("grant_type") != "authorization_code":
		answer(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	case !ok || g.client != get("client_id") || g.redirect != get("redirect_uri") ||
		subtle.ConstantTimeCompare([]byte(proof), []byte(g.challenge)) != 1:
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	id, err := i.sign(g)
	if err != nil {
		http.Error(w, "cannot sign", http.StatusInternalServerError)
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": rand.Text(), "token_type": "Bearer",
		"expires_in": int(tokenLife.Seconds()), "id_token": id})
}

func (i *Issuer) sign(g grant) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.key, KeyID: keyID}}, nil)
	if err != nil {
		return "", err
	}
	now := i.config.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{Issuer: i.config.URL, Subject: g.account.Subject, Audience: jwt.Audience{g.client},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(tokenLife))}).
		Claims(map[string]any{"nonce": g.nonce, "name": g.account.Name, "auth_time": g.picked.Unix()}).Serialize()
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "cannot encode", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(b)
}
