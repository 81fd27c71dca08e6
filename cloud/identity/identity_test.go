package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const provider = "https://sign-in.example"

// bench is an Identity with a clock that tests move.
type bench struct {
	*Identity
	db  *store.DB
	now time.Time
	log *strings.Builder
}

func each(t *testing.T, fn func(t *testing.T, b *bench)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		b := &bench{db: open(), now: day(t, "2026-06-15"), log: new(strings.Builder)}
		if err := Migrate(t.Context(), b.db); err != nil {
			t.Fatal(err)
		}
		b.Identity = New(b.db, Config{Issuer: provider, ClientID: "lobby", Public: "https://lobby.example",
			Now: func() time.Time { return b.now }, Log: slog.New(slog.NewJSONHandler(b.log, nil))})
		fn(t, b)
	})
}

func day(t *testing.T, s string) time.Time {
	t.Helper()
	d, err := time.ParseInLocation(time.DateOnly, s, taipei())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (b *bench) write(t *testing.T, fn func(tx *store.Tx) error) error {
	t.Helper()
	return b.db.Write(t.Context(), fn)
}

func (b *bench) load(t *testing.T, text string) error {
	t.Helper()
	c, err := ReadCommunity("c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b.write(t, func(tx *store.Tx) error { return Import(t.Context(), tx, c) })
}

// dump is all that the tables hold.
func (b *bench) dump(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	err := b.db.Read(t.Context(), func(tx *store.Tx) error {
		for table, width := range map[string]int{"persons": 4, "units": 4, "households": 4, "memberships": 3, "roles": 3, "sessions": 4} {
			if err := dumpTable(t.Context(), tx, table, width, &out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func dumpTable(ctx context.Context, tx *store.Tx, table string, width int, out *strings.Builder) error {
	rows, err := tx.Query(ctx, "SELECT * FROM "+table+" ORDER BY 1, 2, 3")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row := make([]any, width)
		for i := range row {
			row[i] = new(any)
		}
		if err := rows.Scan(row...); err != nil {
			return err
		}
		for _, v := range row {
			v := *v.(*any)
			if bytes, ok := v.([]byte); ok {
				v = string(bytes)
			}
			fmt.Fprintf(out, "%s: %v\n", table, v)
		}
	}
	return rows.Err()
}

// siteA and siteB have units of the same label, and a guard each; p1 lives in both, p2 in A alone, and moved out of B.
const siteA = `
site: {id: site-a, name: 一村}
issuer: https://sign-in.example
units:
  - {label: A-1-1, id: unit-a1, low: true}
  - {label: A-1-2, id: unit-a2}
  - {label: A-1-3, id: unit-a3}
households:
  - {id: house-a1, unit: A-1-1, from: 2026-01-01, members: [{subject: p1, name: 陳大明, role: owner}, {subject: p3, name: 陳小華, role: member}]}
  - {id: house-a2, unit: A-1-2, from: 2026-01-01, members: [{subject: p2, name: 林美, role: tenant}]}
roles:
  - {subject: g1, name: 王警衛, role: guard}
  - {subject: p2, name: 林美, role: committee}
`

const siteB = `
site: {id: site-b, name: 二村}
issuer: https://sign-in.example
units:
  - {label: A-1-1, id: unit-b1}
  - {label: A-1-2, id: unit-b2}
households:
  - {id: house-b1, unit: A-1-1, from: 2026-01-01, members: [{subject: p1, name: 陳大明, role: tenant}]}
  - {id: house-b2, unit: A-1-2, from: 2026-01-01, until: 2026-06-15, members: [{subject: p2, name: 林美, role: tenant}]}
  - {id: house-b3, unit: A-1-2, from: 2026-06-15, members: [{subject: p4, name: 黃安, role: owner}]}
roles:
  - {subject: g2, name: 李警衛, role: guard}
`

func (b *bench) communities(t *testing.T) {
	t.Helper()
	for _, text := range []string{siteA, siteB} {
		if err := b.load(t, text); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bench) person(t *testing.T, subject string) (id string) {
	t.Helper()
	err := b.write(t, func(tx *store.Tx) (err error) {
		id, err = AddPerson(t.Context(), tx, provider, subject, "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Every person x site x household and role: only the pairs written down here, nothing across households or sites.
func TestRightsMatrix(t *testing.T) {
	lives := map[string]bool{"p1 site-a house-a1": true, "p1 site-b house-b1": true, "p2 site-a house-a2": true,
		"p3 site-a house-a1": true, "p4 site-b house-b3": true}
	is := map[string]bool{"p1 site-a resident": true, "p1 site-b resident": true, "p2 site-a resident": true, "p3 site-a resident": true,
		"p4 site-b resident": true, "g1 site-a guard": true, "g2 site-b guard": true, "p2 site-a committee": true,
		"o1 site-a operator": true, "o1 site-b operator": true, "o1 site-c operator": true, "o1  operator": true}
	people := []string{"p1", "p2", "p3", "p4", "g1", "g2", "o1", "nobody"}
	each(t, func(t *testing.T, b *bench) {
		b.communities(t)
		ids := map[string]string{}
		for _, p := range people {
			ids[p] = b.person(t, p)
		}
		err := b.write(t, func(tx *store.Tx) error { return Grant(t.Context(), tx, ids["o1"], Everywhere, Operator) })
		if err != nil {
			t.Fatal(err)
		}
		err = b.db.Read(t.Context(), func(tx *store.Tx) error {
			for _, p := range people {
				for _, site := range []string{"site-a", "site-b", "site-c", ""} {
					b.checkLives(t, tx, p, ids[p], site, lives)
					for _, role := range []Role{Resident, Guard, Manager, Committee, Operator, Official, Clerk, "", "root"} {
						got, err := b.Can(t.Context(), tx, ids[p], site, role)
						if want := is[fmt.Sprintf("%s %s %s", p, site, role)]; err != nil || got != want {
							t.Errorf("Can(%s, %s, %s) = %t, %v; want %t", p, site, role, got, err, want)
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func (b *bench) checkLives(t *testing.T, tx *store.Tx, p, id, site string, lives map[string]bool) {
	t.Helper()
	all, err := b.HouseholdsOf(t.Context(), tx, id, site)
	if err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, h := range all {
		seen[h.ID] = true
	}
	for _, h := range []string{"house-a1", "house-a2", "house-b1", "house-b2", "house-b3", "none", ""} {
		want := lives[p+" "+site+" "+h]
		_, err := b.HouseholdOf(t.Context(), tx, id, site, h)
		if seen[h] != want || want != (err == nil) || !want && !errors.Is(err, ErrUnknown) {
			t.Errorf("%s at %q in %s: listed %t, asked %v; want %t", p, site, h, seen[h], err, want)
		}
		members, err := b.MembersOf(t.Context(), tx, site, h)
		if own := site != "" && strings.HasPrefix(h, "house-"+strings.TrimPrefix(site, "site-")); err != nil || (len(members) > 0) != own {
			t.Errorf("members of %s at %q: %d, %v; want some: %t", h, site, len(members), err, own)
		}
	}
}

func TestSitesOf(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.communities(t)
		err := b.db.Read(t.Context(), func(tx *store.Tx) error {
			for subject, want := range map[string]string{"p1": "site-a site-b", "p2": "site-a", "g2": "site-b", "nobody": ""} {
				got, err := b.SitesOf(t.Context(), tx, derivedPerson(subject))
				if err != nil || strings.Join(got, " ") != want {
					t.Errorf("SitesOf(%s) = %q, %v; want %q", subject, got, err, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestUnitsFollowTheDate(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.communities(t)
		for date, want := range map[string]string{"2025-12-31": "unit-b1= unit-b2=", "2026-06-14": "unit-b1=house-b1 unit-b2=house-b2",
			"2026-06-15": "unit-b1=house-b1 unit-b2=house-b3"} {
			b.now = day(t, date)
			err := b.db.Read(t.Context(), func(tx *store.Tx) error {
				parts, err := b.Parts(t.Context(), tx, "site-b")
				if err != nil || len(parts) != 1 || parts[0].Name != wire.PartHouseholds {
					return fmt.Errorf("parts %v, %w", parts, err)
				}
				var got []string
				for _, u := range parts[0].Value.(wire.Households).Units {
					got = append(got, u.ID+"="+u.Household)
				}
				if strings.Join(got, " ") != want {
					t.Errorf("on %s: %q; want %s", date, got, want)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// invariant 10: no name leaves the one table in what goes down to a building.
func TestPartsHoldNoName(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.communities(t)
		err := b.db.Read(t.Context(), func(tx *store.Tx) error {
			parts, err := b.Parts(t.Context(), tx, "site-a")
			if err != nil {
				return err
			}
			text := string(wire.Raw(parts[0].Value))
			if !strings.Contains(text, `"label":"A-1-1"`) || !strings.Contains(text, `"low":true`) {
				t.Errorf("parts %s", text)
			}
			for _, name := range []string{"陳大明", "林美", "王警衛", "一村"} {
				if strings.Contains(text, name) {
					t.Errorf("parts name %s: %s", name, text)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func (b *bench) begun(t *testing.T, subject string) (tok token) {
	t.Helper()
	person := b.person(t, subject)
	err := b.write(t, func(tx *store.Tx) (err error) {
		tok, _, err = b.begin(t.Context(), tx, person, b.config.Session, time.Time{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func asked(t *testing.T, header, value string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	r.Header.Set(header, value)
	return r
}

func TestSessions(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.communities(t)
		tok := b.begun(t, "p1")
		cookie := asked(t, "Cookie", b.cookieName()+"="+string(tok))
		bearer := asked(t, "Authorization", "Bearer "+string(tok))
		for name, r := range map[string]*http.Request{"cookie": cookie, "bearer": bearer} {
			if p, err := b.Session(r); err != nil || p.Name != "陳大明" || p.ID != derivedPerson("p1") {
				t.Errorf("%s: %+v, %v; want p1", name, p, err)
			}
		}
		bad := []*http.Request{asked(t, "X", ""), asked(t, "Cookie", b.cookieName()+"="), asked(t, "Authorization", "Basic "+string(tok)),
			asked(t, "Authorization", "Bearer "), asked(t, "Authorization", "Bearer "+string(tok)+"x"), asked(t, "Cookie", "lobby_session="+string(tok))}
		for _, r := range bad {
			if _, err := b.Session(r); !errors.Is(err, ErrNoSession) {
				t.Errorf("%v: %v; want ErrNoSession", r.Header, err)
			}
		}
		began := b.now
		b.now = began.Add(12*time.Hour - time.Microsecond)
		if _, err := b.Session(cookie); err != nil {
			t.Errorf("just before its end: %v", err)
		}
		b.now = began.Add(12 * time.Hour)
		if _, err := b.Session(cookie); !errors.Is(err, ErrNoSession) {
			t.Errorf("at its end: %v; want ErrNoSession", err)
		}
	})
}

func TestLogoutAndTokens(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		tok := b.begun(t, "p1")
		r := asked(t, "Cookie", b.cookieName()+"="+string(tok))
		got := httptest.NewRecorder()
		b.Token(got, r)
		program := strings.Split(got.Body.String(), `"`)
		bearer := asked(t, "Authorization", "Bearer "+program[len(program)-2])
		if _, err := b.Session(bearer); err != nil || program[len(program)-2] == string(tok) {
			t.Errorf("token %s: %v", got.Body, err)
		}
		b.Logout(httptest.NewRecorder(), r)
		if _, err := b.Session(r); !errors.Is(err, ErrNoSession) {
			t.Errorf("after signing out: %v; want ErrNoSession", err)
		}
		got = httptest.NewRecorder()
		if b.Token(got, r); got.Code != http.StatusUnauthorized {
			t.Errorf("a token for nobody: %d; want 401", got.Code)
		}
		b.now = b.now.Add(time.Hour)
		if _, err := b.Session(bearer); !errors.Is(err, ErrNoSession) {
			t.Errorf("a token after an hour: %v; want ErrNoSession", err)
		}
		for range maxSessions + 5 {
			b.begun(t, "p2")
		}
		if n := strings.Count(b.dump(t), "sessions: "+derivedPerson("p2")); n != maxSessions {
			t.Errorf("%d sessions of one person; want %d", n, maxSessions)
		}
	})
}

// invariant 10
func TestOnlyHashesOfTokensAreKept(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		tok := b.begun(t, "p1")
		if strings.Contains(b.dump(t), string(tok)) {
			t.Error("a session's token stands in SQL")
		}
		for _, form := range []string{"%v", "%s", "%q", "%#v", "%+v"} {
			if strings.Contains(fmt.Sprintf(form, tok), string(tok)) {
				t.Errorf("a token shows itself to %s", form)
			}
		}
		b.config.Log.Info("session", "token", tok)
		if strings.Contains(b.log.String(), string(tok)) {
			t.Error("a token shows itself in the log")
		}
	})
}

func TestOtherSitesSignNobodyOut(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		tok := b.begun(t, "p1")
		for path, site := range map[string]string{"/auth/logout": "cross-site", "/auth/token": "same-site"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil)
			r.Header.Set("Cookie", b.cookieName()+"="+string(tok))
			r.Header.Set("Sec-Fetch-Site", site)
			got := httptest.NewRecorder()
			b.Handler().ServeHTTP(got, r)
			if _, err := b.Session(r); got.Code != http.StatusForbidden || err != nil {
				t.Errorf("%s from a %s page: %d, %v; want 403 and the session kept", path, site, got.Code, err)
			}
		}
	})
}

func TestNextStaysHere(t *testing.T) {
	for in, want := range map[string]string{"": "/", "/parcels?x=1": "/parcels?x=1", "//evil.example": "/", `/\evil.example`: "/",
		"https://evil.example": "/", "parcels": "/", "/a\nb": "/", "/\t/evil": "/", "/" + strings.Repeat("x", 500): "/"} {
		if got := local(in); got != want {
			t.Errorf("local(%q) = %q; want %q", in, got, want)
		}
	}
}
