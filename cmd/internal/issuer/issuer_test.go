package issuer_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/ntpc-smart-community/lobby/cmd/internal/issuer"
)

const redirect = "http://127.0.0.1:1/auth/callback"

// bench is an issuer behind a real server, and a relying party of go-oidc.
type bench struct {
	url    string
	now    time.Time
	oauth  oauth2.Config
	verify *oidc.IDTokenVerifier
}

func start(t *testing.T, path string) *bench {
	t.Helper()
	b := &bench{now: time.Now()}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	b.url = server.URL + path
	i, err := issuer.New(issuer.Config{URL: b.url, Style: "/look/look.css", Now: func() time.Time { return b.now },
		Accounts: []issuer.Account{{Subject: "p1", Name: "陳大明", Note: "A-12-3"}, {Subject: "p2", Name: "<b>Lin"}},
		Clients:  []issuer.Client{{ID: "lobby", Redirect: redirect}}})
	if err != nil {
		t.Fatal(err)
	}
	handler = i
	provider, err := oidc.NewProvider(t.Context(), b.url)
	if err != nil {
		t.Fatal(err)
	}
	b.oauth = oauth2.Config{ClientID: "lobby", RedirectURL: redirect, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile"}}
	b.verify = provider.Verifier(&oidc.Config{ClientID: "lobby", SupportedSigningAlgs: []string{oidc.ES256}})
	return b
}

// post sends a form and does not follow a redirect.
func post(t *testing.T, address string, form url.Values) *http.Response {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

func (b *bench) code(t *testing.T, verifier, account string) string {
	t.Helper()
	answer := post(t, b.oauth.AuthCodeURL("the state", oidc.Nonce("the nonce"), oauth2.S256ChallengeOption(verifier)), url.Values{"account": {account}})
	to, err := answer.Location()
	if err != nil {
		t.Fatalf("%s: %v", answer.Status, err)
	}
	if !strings.HasPrefix(to.String(), redirect+"?") || to.Query().Get("state") != "the state" {
		t.Errorf("sent to %s; want the client with its state", to)
	}
	return to.Query().Get("code")
}

func TestSignIn(t *testing.T) {
	for _, path := range []string{"", "/sign-in"} {
		b := start(t, path)
		verifier := oauth2.GenerateVerifier()
		token, err := b.oauth.Exchange(t.Context(), b.code(t, verifier, "p1"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := token.Extra("id_token").(string)
		id, err := b.verify.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		var claims struct{ Name string }
		if err := id.Claims(&claims); err != nil {
			t.Fatal(err)
		}
		if id.Subject != "p1" || id.Nonce != "the nonce" || claims.Name != "陳大明" {
			t.Errorf("signed in as %q %q with nonce %q", id.Subject, claims.Name, id.Nonce)
		}
	}
}

func TestCodeIsSpentOnceAndSoon(t *testing.T) {
	b := start(t, "")
	verifier := oauth2.GenerateVerifier()
	exchange := func(code, verifier string) error {
		_, err := b.oauth.Exchange(context.Background(), code, oauth2.VerifierOption(verifier))
		return err
	}
	code := b.code(t, verifier, "p1")
	if err := exchange(code, verifier); err != nil {
		t.Fatal(err)
	}
	if exchange(code, verifier) == nil {
		t.Error("a code was taken twice")
	}
	code = b.code(t, verifier, "p1")
	if exchange(code, oauth2.GenerateVerifier()) == nil {
		t.Error("a code was taken with another verifier")
	}
	if exchange(code, verifier) == nil {
		t.Error("a code lived on after a wrong verifier")
	}
	code = b.code(t, verifier, "p1")
	b.now = b.now.Add(time.Minute)
	if exchange(code, verifier) == nil {
		t.Error("a code was taken after a minute")
	}
	code = b.code(t, verifier, "p1")
	b.oauth.ClientID = "other"
	if exchange(code, verifier) == nil {
		t.Error("another client took the code")
	}
}

// It remembers nobody: when somebody signed in is when the account was picked, not when the code was exchanged, and nobody
// can be signed in unasked.
func TestEverySignInAsks(t *testing.T) {
	b := start(t, "")
	verifier := oauth2.GenerateVerifier()
	for _, prompt := range []string{"", "login", "select_account login"} {
		address := b.oauth.AuthCodeURL("the state", oidc.Nonce("n"), oauth2.S256ChallengeOption(verifier),
			oauth2.SetAuthURLParam("prompt", prompt), oauth2.SetAuthURLParam("max_age", "0"))
		answer, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || strings.Contains(string(text), "once more") != strings.Contains(prompt, "login") {
			t.Errorf("prompt %q: %s, %v", prompt, text, err)
		}
		picked := b.now
		to, err := post(t, address, url.Values{"account": {"p1"}}).Location()
		if err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(30 * time.Second)
		token, err := b.oauth.Exchange(t.Context(), to.Query().Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := token.Extra("id_token").(string)
		id, err := b.verify.Verify(t.Context(), raw)
		var claims struct {
			AuthTime int64 `json:"auth_time"`
		}
		if err != nil || id.Claims(&claims) != nil || claims.AuthTime != picked.Unix() {
			t.Errorf("prompt %q: auth_time %d, %v; want %d", prompt, claims.AuthTime, err, picked.Unix())
		}
	}
	quiet := b.oauth.AuthCodeURL("the state", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("prompt", "none"))
	to, err := post(t, quiet, url.Values{"account": {"p1"}}).Location()
	if err != nil || to.Query().Get("error") != "login_required" || to.Query().Get("state") != "the state" || to.Query().Get("code") != "" {
		t.Errorf("prompt=none leads to %s, %v; want login_required", to, err)
	}
}

func TestRefusals(t *testing.T) {
	b := start(t, "")
	good, err := url.Parse(b.oauth.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, key, value string }{
		{"client", "client_id", "other"}, {"redirect", "redirect_uri", "http://evil.example/"}, {"type", "response_type", "token"},
		{"scope", "scope", "profile"}, {"plain challenge", "code_challenge_method", "plain"}, {"no challenge", "code_challenge", ""},
		{"account", "account", "nobody"}, {"prompt", "prompt", "consent"}, {"none and more", "prompt", "none login"}, {"age", "max_age", "-1"}, {"age in words", "max_age", "soon"},
	}
	for _, tt := range tests {
		q := good.Query()
		form := url.Values{"account": {"p1"}}
		if tt.key == "account" {
			form.Set(tt.key, tt.value)
		} else {
			q.Set(tt.key, tt.value)
		}
		answer := post(t, b.url+"/authorize?"+q.Encode(), form)
		if answer.StatusCode != http.StatusBadRequest || answer.Header.Get("Location") != "" {
			t.Errorf("%s: %s to %q; want 400", tt.name, answer.Status, answer.Header.Get("Location"))
		}
	}
}

func TestPage(t *testing.T) {
	b := start(t, "")
	answer, err := http.Get(b.oauth.AuthCodeURL("a\"b", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"登入", "Sign in", "陳大明", "&lt;b&gt;Lin", `value="a&#34;b"`, `href="/look/look.css"`, `value="p2"`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if csp := answer.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' http://127.0.0.1:1") {
		t.Errorf("policy %q does not let the form go on to the client", csp)
	}
}
