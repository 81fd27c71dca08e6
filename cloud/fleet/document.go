package fleet

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// document is the state document that a gateway should hold.
type document struct {
	version wire.StateVersion
	root    []byte // signed
	issued  wire.Micros
	stale   bool
}

// part is one encoded part under its name; a shard of households is named households/07.
type part struct {
	name   string
	hash   wire.Hash
	packed []byte
	since  uint64
}

// Refresh issues the state documents of a site's gateways anew where their content has changed, and returns what must be
// published once the transaction has committed: roots, and the parts that the version before did not have.
func (f *Fleet) Refresh(ctx context.Context, tx *store.Tx, site string, now time.Time) ([]Message, error) {
	ids, err := f.GatewayIDs(ctx, tx, site)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	if _, err := f.Lock(ctx, tx, ids); err != nil {
		return nil, err
	}
	shared, err := f.sourced(ctx, tx, site, now)
	if err != nil {
		return nil, err
	}
	var out []Message
	for _, id := range ids {
		before, err := f.document(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		after, parts, err := f.issue(ctx, tx, id, before, shared, 0, now)
		if err != nil {
			return nil, err
		}
		if after.version != before.version {
			out = append(out, deliver(id, after, newer(parts, before.version.Version))...)
		}
	}
	return out, nil
}

// touch marks a gateway's document to be built again, by Refresh or at its next pulse.
func (f *Fleet) touch(ctx context.Context, tx *store.Tx, gateway string) error {
	_, err := tx.Exec(ctx, `UPDATE documents SET stale = 1 WHERE gateway = $1`, gateway)
	return err
}

// RefreshStale issues the documents that were marked to be built again, and publishes them.
func (f *Fleet) RefreshStale(ctx context.Context, now time.Time) error {
	var sites []string
	err := f.db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT DISTINCT g.site FROM documents d JOIN gateways g ON g.id = d.gateway WHERE d.stale = 1 ORDER BY g.site`)
		if err == nil {
			sites, err = store.Texts(rows)
		}
		return err
	})
	for _, site := range sites {
		err = errors.Join(err, f.Change(ctx, site, now, func(*store.Tx) error { return nil }))
	}
	return err
}

// sourced encodes the parts that all gateways of a site share.
func (f *Fleet) sourced(ctx context.Context, tx *store.Tx, site string, now time.Time) ([]part, error) {
	revoked, err := f.revocations(ctx, tx, site, now)
	if err != nil {
		return nil, err
	}
	all := []NamedPart{{Name: wire.PartRevocations, Value: revoked}}
	for _, s := range f.sources {
		more, err := s.Parts(ctx, tx, site)
		if err != nil {
			return nil, fmt.Errorf("state document of site %s: %w", site, err)
		}
		all = append(all, more...)
	}
	var parts []part
	for _, p := range all {
		var err error
		switch v := p.Value.(type) {
		case wire.Households:
			parts, err = appendHouseholds(parts, p.Name, v)
		case wire.Grants:
			parts, err = appendGrants(parts, p.Name, v)
		default:
			parts, err = appendPart(parts, p.Name, v)
		}
		if err != nil {
			return nil, fmt.Errorf("state document of site %s: %w", site, err)
		}
	}
	return parts, nil
}

func appendPart(parts []part, name string, v any) ([]part, error) {
	_, packed, h, err := wire.EncodePart(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return append(parts, part{name: name, hash: h, packed: packed}), nil
}

// appendHouseholds shards the units, so that a household that moves costs one small part and its index.
func appendHouseholds(parts []part, name string, h wire.Households) ([]part, error) {
	units := slices.Clone(h.Units)
	slices.SortFunc(units, func(a, b wire.Unit) int { return strings.Compare(a.ID, b.ID) })
	var shards [wire.HouseholdShards]wire.Households
	for _, u := range units {
		s := &shards[wire.Shard(u.ID)]
		s.Units = append(s.Units, u)
	}
	index := wire.HouseholdIndex{Shards: []wire.PartRef{}}
	for i, s := range shards {
		if len(s.Units) == 0 {
			continue
		}
		number := fmt.Sprintf("%02d", i)
		var err error
		if parts, err = appendPart(parts, name+"/"+number, s); err != nil {
			return nil, err
		}
		index.Shards = append(index.Shards, wire.PartRef{Name: number, Hash: parts[len(parts)-1].hash})
	}
	return appendPart(parts, name, index)
}

// partGrants is how many grants are in one part: all that a day has by the rules of bookings. What was booked before a
// community's list was replaced may add to that.
const partGrants = 120

// appendGrants parts the grants by the day on which they begin, so that a booking costs the one small part of its day. A day
// with too many has several.
func appendGrants(parts []part, name string, all wire.Grants) ([]part, error) {
	grants := slices.Clone(all.Grants)
	slices.SortFunc(grants, func(a, b wire.Grant) int {
		return cmp.Or(cmp.Compare(a.From, b.From), strings.Compare(a.ID, b.ID))
	})
	index := wire.GrantIndex{Days: []wire.PartRef{}}
	last, more := "", 0
	for len(grants) > 0 {
		day := dayOf(grants[0])
		end := slices.IndexFunc(grants, func(g wire.Grant) bool { return dayOf(g) != day })
		if end < 0 {
			end = len(grants)
		}
		end = min(end, partGrants)
		if more++; day != last {
			last, more = day, 1
		}
		if more > 1 {
			day = fmt.Sprintf("%s.%d", day, more)
		}
		var err error
		if parts, err = appendPart(parts, name+"/"+day, wire.Grants{Grants: grants[:end]}); err != nil {
			return nil, err
		}
		index.Days = append(index.Days, wire.PartRef{Name: day, Hash: parts[len(parts)-1].hash})
		grants = grants[end:]
	}
	return appendPart(parts, name, index)
}

func dayOf(g wire.Grant) string { return g.From.Time().In(Taipei()).Format(time.DateOnly) }

// issue builds a gateway's document from the site's parts and its wishes. A new version is signed and stored when the
// content differs from what stands, or when above is no less than its version: the gateway has met that one already.
func (f *Fleet) issue(ctx context.Context, tx *store.Tx, gateway string, before document, shared []part, above uint64, now time.Time) (document, []part, error) {
	living, err := wishes(ctx, tx, `gateway = $1 AND state = 'asked'`, gateway)
	if err != nil {
		return before, nil, err
	}
	slices.Reverse(living)
	list := wire.Wishes{Wishes: []wire.Wish{}}
	for _, w := range living {
		list.Wishes = append(list.Wishes, wire.Wish{ID: w.ID, Kind: w.Kind, Subject: w.Subject, Version: w.Version, Data: w.Data})
	}
	parts, err := appendPart(slices.Clone(shared), wire.PartWishes, list)
	if err != nil {
		return before, nil, fmt.Errorf("state document of gateway %s: %w", gateway, err)
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.name, b.name) })
	held, err := f.parts(ctx, tx, gateway)
	if err != nil {
		return before, nil, err
	}
	same := slices.EqualFunc(parts, held, func(a, b part) bool { return a.name == b.name && a.hash == b.hash })
	if same && before.version.Version > above {
		if before.stale {
			_, err = tx.Exec(ctx, `UPDATE documents SET stale = 0 WHERE gateway = $1`, gateway)
		}
		return before, held, err
	}
	after, err := f.sign(gateway, max(before.version.Version, above), parts, now)
	if err != nil {
		return before, nil, err
	}
	carryOver(parts, held, after.version.Version)
	return after, parts, f.keep(ctx, tx, gateway, after, parts)
}

// carryOver says of each part since which version the document has named it.
func carryOver(parts, held []part, version uint64) {
	since := map[string]part{}
	for _, p := range held {
		since[p.name] = p
	}
	for i, p := range parts {
		if old, ok := since[p.name]; ok && old.hash == p.hash {
			parts[i].since = old.since
		} else {
			parts[i].since = version
		}
	}
}

// sign makes the signed root over parts, at a version above last.
func (f *Fleet) sign(gateway string, last uint64, parts []part, now time.Time) (document, error) {
	id, key, err := f.keys.Signer(UseState, now)
	if err != nil {
		return document{}, fmt.Errorf("state document of gateway %s: %w", gateway, err)
	}
	root := wire.Root{Doc: "root", Gateway: gateway, Key: id, Version: nextVersion(last, now), Issued: wire.At(now), Parts: []wire.PartRef{}}
	for _, p := range parts {
		if !strings.Contains(p.name, "/") { // a shard is named by its index
			root.Parts = append(root.Parts, wire.PartRef{Name: p.name, Hash: p.hash})
		}
	}
	return signRoot(key, root)
}

func signRoot(key ed25519.PrivateKey, root wire.Root) (document, error) {
	signed, err := wire.Sign(key, wire.ContextState, root)
	if err != nil {
		return document{}, err
	}
	if len(signed) > wire.MaxRoot {
		return document{}, fmt.Errorf("root of gateway %s: %d bytes, at most %d: %w", root.Gateway, len(signed), wire.MaxRoot, wire.ErrSize)
	}
	return document{version: wire.StateVersion{Version: root.Version, Hash: wire.HashLine(signed)}, root: signed, issued: root.Issued}, nil
}

// nextVersion is above last, and above whatever a restored database has forgotten.
func nextVersion(last uint64, now time.Time) uint64 { return max(last+1, uint64(now.UnixMilli())) }

func (f *Fleet) keep(ctx context.Context, tx *store.Tx, gateway string, d document, parts []part) error {
	_, err := tx.Exec(ctx, `UPDATE documents SET version = $1, hash = $2, root = $3, issued = $4, stale = 0 WHERE gateway = $5`,
		clamp(d.version.Version), d.version.Hash[:], d.root, int64(d.issued), gateway)
	if err != nil {
		return fmt.Errorf("state document of gateway %s: %w", gateway, err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM parts WHERE gateway = $1`, gateway); err != nil {
		return fmt.Errorf("state document of gateway %s: %w", gateway, err)
	}
	for _, p := range parts {
		_, err := tx.Exec(ctx, `INSERT INTO parts (gateway, name, hash, packed, since) VALUES ($1, $2, $3, $4, $5)`,
			gateway, p.name, p.hash[:], p.packed, clamp(p.since))
		if err != nil {
			return fmt.Errorf("part %s of gateway %s: %w", p.name, gateway, err)
		}
	}
	return nil
}

func (f *Fleet) document(ctx context.Context, tx *store.Tx, gateway string) (d document, err error) {
	err = tx.QueryRow(ctx, `SELECT version, hash, root, issued, stale FROM documents WHERE gateway = $1`, gateway).
		Scan(&d.version.Version, (*hash)(&d.version.Hash), &d.root, &d.issued, &d.stale)
	if err != nil {
		return document{}, fmt.Errorf("state document of gateway %s: %w", gateway, err)
	}
	return d, nil
}

func (f *Fleet) parts(ctx context.Context, tx *store.Tx, gateway string) ([]part, error) {
	rows, err := tx.Query(ctx, `SELECT name, hash, packed, since FROM parts WHERE gateway = $1`, gateway)
	if err != nil {
		return nil, fmt.Errorf("parts of gateway %s: %w", gateway, err)
	}
	all, err := store.Collect(rows, func(r *sql.Rows) (p part, err error) {
		err = r.Scan(&p.name, (*hash)(&p.hash), &p.packed, &p.since)
		return p, err
	})
	// Not in SQL: the engines' collations may differ.
	slices.SortFunc(all, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return all, err
}

func newer(parts []part, version uint64) []part {
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return p.since <= version })
}

// deliver makes the messages of a root and parts.
func deliver(gateway string, d document, parts []part) []Message {
	out := []Message{{Topic: wire.StateTopic(gateway), Payload: d.root}}
	for _, p := range parts {
		out = append(out, Message{Topic: wire.StateTopic(gateway), Payload: p.packed})
	}
	return out
}

// Revoke ends a credential of a site until its own end. It stays in the state document whatever later documents say. It
// must run in Change, or be followed by Refresh.
func (f *Fleet) Revoke(ctx context.Context, tx *store.Tx, site string, r wire.Revocation) error {
	_, err := tx.Exec(ctx, `INSERT INTO revocations (site, id, until) VALUES ($1, $2, $3)
		ON CONFLICT (site, id) DO UPDATE SET until = excluded.until WHERE excluded.until > revocations.until`, site, r.ID, int64(r.Until))
	if err != nil {
		return fmt.Errorf("revocation of site %s: %w", site, err)
	}
	return nil
}

// Revoked takes in a revocation that a gateway has applied: a cloud restored from before it learns of it again.
func (f *Fleet) Revoked(ctx context.Context, tx *store.Tx, gateway string, r wire.Revocation) error {
	g, err := f.Gateway(ctx, tx, gateway)
	if err != nil {
		return err
	}
	if err := f.Revoke(ctx, tx, g.Site, r); err != nil {
		return err
	}
	return f.touch(ctx, tx, gateway)
}

func (f *Fleet) revocations(ctx context.Context, tx *store.Tx, site string, now time.Time) (wire.Revocations, error) {
	rows, err := tx.Query(ctx, `SELECT id, until FROM revocations WHERE site = $1 AND until > $2`, site, now.UnixMicro())
	if err != nil {
		return wire.Revocations{}, fmt.Errorf("revocations of site %s: %w", site, err)
	}
	all, err := store.Collect(rows, func(r *sql.Rows) (v wire.Revocation, err error) {
		err = r.Scan(&v.ID, &v.Until)
		return v, err
	})
	slices.SortFunc(all, func(a, b wire.Revocation) int { return strings.Compare(a.ID, b.ID) })
	if all == nil {
		all = []wire.Revocation{}
	}
	return wire.Revocations{Revoked: all}, err
}
