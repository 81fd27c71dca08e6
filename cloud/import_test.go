package cloud

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func options(t *testing.T, dsn string) Options {
	t.Helper()
	o := Options{Data: t.TempDir(), DSN: dsn, Log: slog.New(slog.DiscardHandler)}
	if _, err := MakeKeys(o, filepath.Join(o.Data, "root.key"), "test", false, time.Now()); err != nil {
		t.Fatal(err)
	}
	return o
}

func each(t *testing.T, fn func(t *testing.T, o Options)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, options(t, "")) })
	t.Run("postgres", func(t *testing.T) { fn(t, options(t, storetest.Postgres(t))) })
}

func load(t *testing.T, o Options, text string) error {
	t.Helper()
	c, err := ReadCommunity("c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Import(t.Context(), o, c, time.Now())
}

// dump is what a site's tables and its gateway's document hold.
func dump(t *testing.T, o Options) string {
	t.Helper()
	db, err := openDB(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var out strings.Builder
	err = db.Read(t.Context(), func(tx *store.Tx) error {
		for _, q := range []string{
			`SELECT id || name FROM sites ORDER BY 1`, `SELECT id || site FROM gateways ORDER BY 1`, `SELECT id || label FROM units ORDER BY 1`,
			`SELECT person || site || role FROM roles ORDER BY 1`, `SELECT id || name || until FROM couriers ORDER BY 1`, `SELECT id || masked FROM guards ORDER BY 1`,
			`SELECT zh || en FROM screen_notices ORDER BY 1`, `SELECT site || stay_hours || holidays FROM parcel_policies ORDER BY 1`, `SELECT id || gateway || door || name || slot || once FROM facilities ORDER BY 1`,
			`SELECT gateway || ' ' || version FROM documents ORDER BY 1`, `SELECT name FROM parts ORDER BY 1`,
		} {
			rows, err := tx.Query(t.Context(), q)
			if err != nil {
				return err
			}
			all, err := store.Texts(rows)
			if err != nil {
				return err
			}
			fmt.Fprintln(&out, all)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestImportIsAllOrNothingAndIdempotent(t *testing.T) {
	each(t, func(t *testing.T, o Options) {
		if err := load(t, o, goodCommunity); err != nil {
			t.Fatal(err)
		}
		before := dump(t, o)
		if !strings.Contains(before, "couriers") || !strings.Contains(before, "gw-demo") {
			t.Errorf("imported: %s; want a document for the gateway", before)
		}
		if err := load(t, o, goodCommunity); err != nil {
			t.Fatal(err)
		}
		if after := dump(t, o); after != before {
			t.Errorf("a second import changed something: %s, then %s", before, after)
		}
		other := strings.NewReplacer("3q2+", "AAAA", "stay_hours: 48", "stay_hours: 24", "A-12-3", "B-1").Replace(goodCommunity)
		if err := load(t, o, other); !errors.Is(err, identity.ErrImport) {
			t.Errorf("the box with another key: %v; want it refused", err)
		}
		if after := dump(t, o); after != before {
			t.Errorf("a refused import changed something: %s, then %s", before, after)
		}
		if err := load(t, o, strings.Replace(goodCommunity, "gateway: gw-demo", "gateway: gw-other", 1)); !errors.Is(err, identity.ErrImport) || !strings.Contains(err.Error(), "name it among the gateways") {
			t.Errorf("a facility behind a door of nowhere: %v; want it refused", err)
		}
		if after := dump(t, o); after != before {
			t.Errorf("a refused import changed something: %s, then %s", before, after)
		}
		if err := load(t, o, strings.Replace(goodCommunity, "stay_hours: 48", "stay_hours: 24", 1)); err != nil {
			t.Fatal(err)
		}
		if after := dump(t, o); after == before {
			t.Error("another policy changed nothing")
		}
		if err := Rebuild(t.Context(), o); err != nil {
			t.Errorf("Rebuild: %v", err)
		}
	})
}

func TestKeysAreMadeOnceAndRenewed(t *testing.T) {
	o := options(t, "")
	root := filepath.Join(o.Data, "root.key")
	first, err := openKeys(o)
	if err != nil || first.Version() != 1 {
		t.Fatalf("keys %v, %v; want version 1", first, err)
	}
	var public ed25519.PublicKey
	for _, renew := range []bool{false, true} {
		p, err := MakeKeys(o, root, "test", renew, time.Now())
		if err != nil || public != nil && !public.Equal(p) {
			t.Fatalf("MakeKeys = %v", err)
		}
		public = p
	}
	again, err := openKeys(o)
	if err != nil || again.Version() != 2 {
		t.Errorf("keys %v, %v after a renewal; want version 2", again, err)
	}
	if _, err := MakeKeys(o, filepath.Join(o.Data, "other.key"), "test", true, time.Now()); !errors.Is(err, ErrOptions) {
		t.Errorf("another root key: %v; want it refused", err)
	}
	if _, err := MakeKeys(o, root, "other", true, time.Now()); !errors.Is(err, ErrOptions) {
		t.Errorf("another fleet: %v; want it refused", err)
	}
	for _, f := range []string{"root.key", "keys/seal-1.key", "keys/seal-2.key", "keys/keyset"} {
		if st, err := os.Stat(filepath.Join(o.Data, f)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", f, st, err)
		}
	}
}

func TestRunRefusesBeforeItOpensAnything(t *testing.T) {
	dir := t.TempDir()
	err := Run(context.Background(), Options{Data: dir, Log: slog.New(slog.DiscardHandler), Webhook: "ftp://x", ExternalURL: "x"})
	for _, want := range []string{"--broker-cert is missing", "--issuer is missing", "--webhook: not usable", "--external-url: not usable", "--webhook-secret-file"} {
		if !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), want) {
			t.Errorf("Run = %v; want %s", err, want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("refused, and yet made %v", entries)
	}
}
