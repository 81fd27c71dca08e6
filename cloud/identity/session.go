package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

const (
	bearerLife  = time.Hour       // of a token for a program
	provenLife  = 5 * time.Minute // of having signed in anew
	maxSessions = 20              // living ones of one person; the oldest go
)

// token is a session's secret: whoever shows it is the person. SQL holds its hash.
type token string

func (token) String() string   { return "[secret]" }
func (token) GoString() string { return "[secret]" }

// LogValue keeps the token out of JSON logs too, which ask no String.
func (token) LogValue() slog.Value { return slog.StringValue("[secret]") }

func (t token) hash() []byte {
	sum := sha256.Sum256([]byte(t))
	return sum[:]
}

// newToken makes 260 random bits.
func newToken() token { return token(rand.Text() + rand.Text()) }

// Session is one person's sign-in.
type Session struct {
	Person
	Proven time.Time // when the person last signed in anew for something that asks for it; zero: not
}

// Session tells who is signed in: by "Authorization: Bearer …", or else by the cookie. ErrNoSession when nobody is, or no
// longer.
func (i *Identity) Session(r *http.Request) (Person, error) {
	s, err := i.SignedIn(r)
	return s.Person, err
}

// SignedIn is Session with what it was proven by.
func (i *Identity) SignedIn(r *http.Request) (Session, error) {
	t, ok := i.shown(r)
	if !ok {
		return Session{}, ErrNoSession
	}
	var s Session
	var proven int64
	err := i.db.Read(r.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(r.Context(), `SELECT p.id, p.name, s.proven FROM sessions s JOIN persons p ON p.id = s.person
			WHERE s.hash = $1 AND s.expires > $2`, t.hash(), i.now()).Scan(&s.ID, &s.Name, &proven)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, ErrNoSession
	}
	if err != nil {
		return Session{}, fmt.Errorf("session: %w", err)
	}
	if proven > 0 {
		s.Proven = time.UnixMicro(proven)
	}
	return s, nil
}

// Fresh tells whether a session's person has signed in anew within the last 5 minutes: who finds a browser that was left
// open opens no doors.
func (i *Identity) Fresh(s Session) bool {
	return !s.Proven.IsZero() && i.config.Now().Sub(s.Proven) < provenLife
}

func (i *Identity) shown(r *http.Request) (token, bool) {
	if given := r.Header.Get("Authorization"); given != "" {
		t, ok := strings.CutPrefix(given, "Bearer ")
		return token(t), ok
	}
	c, err := r.Cookie(i.cookieName())
	if err != nil {
		return "", false
	}
	return token(c.Value), true
}

// begin starts a session of person, proven at an instant or, if that is zero, not.
func (i *Identity) begin(ctx context.Context, tx *store.Tx, person string, life time.Duration, proven time.Time) (token, time.Time, error) {
	t, ends := newToken(), i.config.Now().Add(life)
	if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE expires <= $1`, i.now()); err != nil {
		return "", ends, fmt.Errorf("session: %w", err)
	}
	_, err := tx.Exec(ctx, `DELETE FROM sessions WHERE hash IN (
		SELECT hash FROM sessions WHERE person = $1 ORDER BY expires DESC LIMIT 1000 OFFSET $2)`, person, maxSessions-1)
	if err != nil {
		return "", ends, fmt.Errorf("session: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO sessions (hash, person, expires, proven) VALUES ($1, $2, $3, $4)`, t.hash(), person, ends.UnixMicro(), micros(proven))
	if err != nil {
		return "", ends, fmt.Errorf("session: %w", err)
	}
	return t, ends, nil
}

// end ends a session at once.
func (i *Identity) end(ctx context.Context, tx *store.Tx, t token) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE hash = $1`, t.hash()); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// Token is the handler of POST /auth/token: it gives a program that is signed in a bearer token of its own for an hour,
// as proven as the session that asks.
func (i *Identity) Token(w http.ResponseWriter, r *http.Request) {
	s, err := i.SignedIn(r)
	if errors.Is(err, ErrNoSession) {
		http.Error(w, "請先登入。 Sign in first.", http.StatusUnauthorized)
		return
	}
	var t token
	var ends time.Time
	if err == nil {
		err = i.db.Write(r.Context(), func(tx *store.Tx) error {
			t, ends, err = i.begin(r.Context(), tx, s.ID, bearerLife, s.Proven)
			return err
		})
	}
	if err != nil {
		i.fail(w, "token not given", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]string{"token": string(t), "expires": ends.UTC().Format(time.RFC3339)})
}

// Logout is the handler of POST /auth/logout: the session ends at once, here and in the browser.
func (i *Identity) Logout(w http.ResponseWriter, r *http.Request) {
	if t, ok := i.shown(r); ok {
		err := i.db.Write(r.Context(), func(tx *store.Tx) error { return i.end(r.Context(), tx, t) })
		if err != nil {
			i.fail(w, "session not ended", err)
			return
		}
	}
	http.SetCookie(w, i.cookie(i.cookieName(), "", "/", -1))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// cookieName has the prefix that binds a cookie to this very host, where browsers allow it.
func (i *Identity) cookieName() string {
	if i.secure() {
		return "__Host-lobby_session"
	}
	return "lobby_session"
}

func (i *Identity) secure() bool { return strings.HasPrefix(i.config.Public, "https://") }

func (i *Identity) cookie(name, value, path string, age int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: path, MaxAge: age, HttpOnly: true, Secure: i.secure(), SameSite: http.SameSiteLaxMode}
}

func (i *Identity) fail(w http.ResponseWriter, message string, err error) {
	i.config.Log.Error(message, "err", err)
	http.Error(w, "現在不行，請稍後再試。 Not now; please try again later.", http.StatusServiceUnavailable)
}
