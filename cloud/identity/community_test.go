package identity

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/ntpc-smart-community/lobby/cloud/store"
)

func derivedPerson(subject string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(provider+"\x00"+subject)).String()
}

func TestReadCommunityRefuses(t *testing.T) {
	const head = "site: {id: s, name: 村}\nissuer: https://sign-in.example\n"
	const unit = "units:\n  - label: A-1-1\n"
	tests := []struct{ name, text, want string }{
		{"empty", "", "c.yaml:1:1: empty"},
		{"too large", strings.Repeat("#", maxFile+1), "at most 4194304"},
		{"unknown key", head + "unit: []\n", `c.yaml:3:1: unknown field "unit"`},
		{"duplicate key", head + "issuer: https://x\n", "c.yaml:3:1: "},
		{"bad YAML", head + "units: [\n", "c.yaml:3:"},
		{"two documents", head + "---\nsite: {id: x, name: y}\n", "more than one document"},
		{"site id", "site: {id: Site A, name: 村}\nissuer: https://x\n", `c.yaml:1:12: site.id "Site A"; use a-z`},
		{"no issuer", "site: {id: s, name: 村}\n", `issuer ""; use the https address`},
		{"plain issuer", "site: {id: s, name: 村}\nissuer: http://sign-in.example\n", "c.yaml:2:9: issuer"},
		{"label", head + "units:\n  - label: a 1\n", `c.yaml:4:12: units[0].label "a 1"; use building`},
		{"label twice", head + unit + "  - label: A-1-1\n", "c.yaml:5:12: units[1].label A-1-1 stands twice"},
		{"id", head + "units:\n  - {label: A-1, id: X}\n", `c.yaml:4:22: units[0].id "X"; use a-z`},
		{"a list for a word", head + "units:\n  - label: [A]\n", "c.yaml:4:12: one plain value is wanted here"},
		{"unknown unit", head + unit + "households:\n  - {unit: A-9, from: 2026-01-01}\n", `c.yaml:6:12: households[0].unit "A-9" is none of units`},
		{"day", head + unit + "households:\n  - {unit: A-1-1, from: 2026-02-30}\n", `c.yaml:6:25: households[0].from "2026-02-30"; use a day`},
		{"no day", head + unit + "households:\n  - {unit: A-1-1}\n", `households[0].from ""; use a day`},
		{"until", head + unit + "households:\n  - {unit: A-1-1, from: 2026-01-01, until: 2026-01-01}\n", "c.yaml:6:44: households[0].until is not after from"},
		{"two at once", head + unit + "households:\n  - {unit: A-1-1, from: 2026-01-01}\n  - {unit: A-1-1, from: 2026-02-01}\n",
			"c.yaml:7:12: households[1] lives in A-1-1 at the same time as households[0]"},
		{"standing", head + unit + "households:\n  - {unit: A-1-1, from: 2026-01-01, members: [{subject: a, name: b, role: guard}]}\n",
			`households[0].members[0].role "guard"; use one of owner, tenant, member`},
		{"member twice", head + unit + "households:\n  - unit: A-1-1\n    from: 2026-01-01\n    members:\n      - {subject: a, name: b, role: owner}\n      - {subject: a, name: b, role: owner}\n",
			"c.yaml:10:19: households[0].members[1].subject a stands twice"},
		{"role", head + "roles:\n  - {subject: a, name: b, role: operator}\n", `c.yaml:4:33: roles[0].role "operator"; use one of guard, manager, committee`},
		{"no name", head + "roles:\n  - {subject: a, role: guard}\n", "roles[0].name of 0 characters"},
		{"two names", head + "roles:\n  - {subject: a, name: b, role: guard}\n  - {subject: a, name: c, role: manager}\n", "c.yaml:5:24: roles[1].name is another than before"},
	}
	for _, tt := range tests {
		_, err := ReadCommunity("c.yaml", []byte(tt.text))
		if err == nil || !errors.Is(err, ErrImport) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.want)
		}
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	_, err := ReadCommunity("c.yaml", []byte("site: {id: S, name: ''}\nissuer: x\nunits:\n  - label: ?\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("%v; want four lines", err)
	}
}

func TestNumbersStayWords(t *testing.T) {
	c, err := ReadCommunity("c.yaml", []byte("site: {id: 007, name: 0912}\nissuer: https://x\nunits: [{label: 12}, {label: 0x1A}]\n"))
	if err == nil || !strings.Contains(err.Error(), `units[1].label "0x1A"`) || strings.Contains(err.Error(), "site") {
		t.Errorf("%+v, %v; want 007, 0912 and 12 as written, and 0x1A refused as written", c, err)
	}
}

func TestImportIsIdempotent(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.communities(t)
		before := b.dump(t)
		b.communities(t)
		if sorted(before) != sorted(b.dump(t)) {
			t.Errorf("a second import changed something: %s, then %s", before, b.dump(t))
		}
	})
}

func sorted(dump string) string {
	var tables [6][]string
	for _, line := range strings.Split(dump, "\n") {
		for i, name := range []string{"persons", "units", "households", "memberships", "roles", "sessions"} {
			if strings.HasPrefix(line, name+":") {
				tables[i] = append(tables[i], line)
			}
		}
	}
	var out string
	for _, t := range tables {
		out += strings.Join(t, "\n") + "\n"
	}
	return out
}

func TestImportMakesMembersAndRolesExact(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.communities(t)
		next := strings.Replace(siteA, ", {subject: p3, name: 陳小華, role: member}", "", 1)
		next = strings.Replace(next, "  - {subject: g1, name: 王警衛, role: guard}\n", "", 1)
		next = strings.Replace(next, "  - {label: A-1-3, id: unit-a3}\n", "", 1)
		if err := b.load(t, next); err != nil {
			t.Fatal(err)
		}
		err := b.db.Read(t.Context(), func(tx *store.Tx) error {
			if ok, err := b.Can(t.Context(), tx, derivedPerson("p3"), "site-a", Resident); ok || err != nil {
				t.Errorf("p3 still lives there: %v", err)
			}
			if ok, err := b.Can(t.Context(), tx, derivedPerson("g1"), "site-a", Guard); ok || err != nil {
				t.Errorf("g1 is still a guard: %v", err)
			}
			if ok, err := b.Can(t.Context(), tx, derivedPerson("g2"), "site-b", Guard); !ok || err != nil {
				t.Errorf("the import of one site took another's guard: %v", err)
			}
			units, err := b.Units(t.Context(), tx, "site-a")
			if len(units) != 3 {
				t.Errorf("%d units; want the unnamed one kept", len(units))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// invariant 9
func TestRefusedImportChangesNothing(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"unit of another site", "id: unit-a2", "id: unit-b1", "stands at another site"},
		{"label with another id", "id: unit-a2", "id: unit-a9", "stands with the id unit-a2"},
		{"household that moves", "{id: house-a2, unit: A-1-2", "{id: house-a2, unit: A-1-3", "another household"},
		{"household of another site", "id: house-a2", "id: house-b1", "another household"},
		{"two in one unit", "id: house-a2", "id: house-a9", "two households at once"},
	}
	each(t, func(t *testing.T, b *bench) {
		b.communities(t)
		before := sorted(b.dump(t))
		for _, tt := range tests {
			text := strings.Replace(strings.Replace(siteA, "陳大明", "改名", 1), tt.old, tt.new, 1)
			c, err := ReadCommunity("c.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			err = b.write(t, func(tx *store.Tx) error {
				if err := Import(t.Context(), tx, c); err == nil || !errors.Is(err, ErrImport) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v; want %s", tt.name, err, tt.want)
				}
				return nil // the transaction goes on: the import alone is undone
			})
			if err != nil {
				t.Fatal(err)
			}
			if after := sorted(b.dump(t)); after != before {
				t.Errorf("%s: a refused import changed %s to %s", tt.name, before, after)
			}
		}
		err := b.write(t, func(tx *store.Tx) error {
			return Import(t.Context(), tx, Community{Site: Site{ID: "site-a"}, Households: []Entry{{ID: "h", Unit: "unit-b1"}}})
		})
		if !errors.Is(err, ErrImport) {
			t.Errorf("a household in another site's unit: %v; want ErrImport", err)
		}
	})
}

func TestGrantKnowsWhereARoleHolds(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		p := b.person(t, "p1")
		for _, tt := range []struct {
			site string
			role Role
			ok   bool
		}{{"site-a", Guard, true}, {"", Guard, false}, {"site-a", Operator, false}, {"", Operator, true}, {"site-a", Resident, false}, {"", "root", false}, {"site-a", "root", false}} {
			err := b.write(t, func(tx *store.Tx) error { return Grant(t.Context(), tx, p, tt.site, tt.role) })
			if (err == nil) != tt.ok {
				t.Errorf("Grant(%q, %s) = %v; want ok %t", tt.site, tt.role, err, tt.ok)
			}
		}
	})
}

func FuzzReadCommunity(f *testing.F) {
	f.Add([]byte(siteA))
	f.Add([]byte(siteB))
	f.Add([]byte("site: {id: S, name: ''}\nissuer: x\nunits:\n  - label: ?\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ReadCommunity("c.yaml", in)
		if err != nil {
			if !errors.Is(err, ErrImport) || !strings.HasPrefix(err.Error(), "c.yaml:") {
				t.Errorf("%v: no place", err)
			}
			return
		}
		units := map[string]bool{}
		for _, u := range c.Units {
			if units[u.ID] || u.ID == "" {
				t.Errorf("unit id %q twice or empty", u.ID)
			}
			units[u.ID] = true
		}
		for _, h := range c.Households {
			if !units[h.Unit] || h.From.IsZero() {
				t.Errorf("household %+v without unit or day", h)
			}
		}
	})
}
