package desk

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

const (
	cookieName  = "__Host-desk"
	sessionLife = 12 * time.Hour
	maxSessions = 16 // browsers signed in at once; the oldest gives way
)

// session is one guard signed in on one browser. It lives in memory: a restart signs everybody out.
type session struct {
	end   time.Time
	token string // the parcels service's own handle on the guard's right
}

// sessions are bounded in number and in life. The key is what the cookie holds, 130 random bits.
type sessions struct {
	mu   sync.Mutex
	held map[string]session
}

func newSessions() *sessions { return &sessions{held: map[string]session{}} }

// start remembers s for sessionLife and returns the cookie's value.
func (ss *sessions) start(s session, now time.Time) string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	oldest := ""
	for key, other := range ss.held {
		switch {
		case !now.Before(other.end):
			delete(ss.held, key)
		case oldest == "" || other.end.Before(ss.held[oldest].end):
			oldest = key
		}
	}
	if len(ss.held) >= maxSessions {
		delete(ss.held, oldest)
	}
	s.end = now.Add(sessionLife)
	key := rand.Text()
	ss.held[key] = s
	return key
}

// of returns the session of a request, if it has a living one.
func (ss *sessions) of(r *http.Request, now time.Time) (string, session, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return "", session{}, false
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s, ok := ss.held[c.Value]
	if !ok || !now.Before(s.end) {
		delete(ss.held, c.Value)
		return "", session{}, false
	}
	return c.Value, s, true
}

// change replaces what is remembered, unless the session has ended meanwhile.
func (ss *sessions) change(key string, s session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if _, ok := ss.held[key]; ok {
		ss.held[key] = s
	}
}

func (ss *sessions) end(key string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.held, key)
}

// cookie is what the browser keeps: only for this host, only over TLS, never for a script, never from another site.
func cookie(value string, life time.Duration) *http.Cookie {
	age := int(life / time.Second)
	if value == "" {
		age = -1
	}
	return &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: age,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}
