package cloud

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/gas"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Community is one community as an operator writes it down: its people, and what of it is not about people.
type Community struct {
	identity.Community
	Gateways   []Box
	Meters     []gas.Meter
	Desk       parcels.Desk
	Facilities []facilities.Facility
	Operators  []identity.Granted
}

// Box is one gateway to be registered.
type Box struct {
	ID       string
	EventKey ed25519.PublicKey
}

// maxCommunity bounds a community's file.
const maxCommunity = 4 << 20

// ReadCommunity reads and checks a community's YAML; name is what errors call the file. All that is wrong is told at once,
// one line each: file:line:column, what, remedy. Every error is an identity.ErrImport. Beside what
// identity.ReadCommunity takes there may be:
//
//	gateways:
//	  - {id: gw-1, event_key: 3q2+7w…=}  # lobby-gateway keys prints it
//	meters: # from is the day of its installation, where the flat had another one before
//	  - {id: m-101, gateway: gw-1, unit: A-12-3, serial: "10000101", from: 2026-03-01}
//	couriers:
//	  - {id: black-cat, name: 黑貓, from: 08:00, to: 22:00, until: 2027-01-01}
//	guards:
//	  - {id: chen, masked: 陳○明, until: 2027-01-01}
//	policy: {stay_hours: 72, holidays: [2026-10-10], guard_phone: 分機 100}
//	notices:
//	  - {zh: 明天洗水塔, en: Water tanks are cleaned tomorrow, until: 2026-07-01}
//	facilities: # slots of so many minutes; once: a booking opens the door once; doors of a site have different ids
//	  - {id: ktv, gateway: gw-1, door: ktv, name: KTV, english: KTV, slot: 60, from: 08:00, to: 23:00, once: false}
//	operators: # of the whole fleet
//	  - {subject: op1, name: 周工程師}
func ReadCommunity(name string, b []byte) (Community, error) {
	if len(b) > maxCommunity || !utf8.Valid(b) {
		return Community{}, fmt.Errorf("%s: more than %d bytes, or not UTF-8: %w", name, maxCommunity, identity.ErrImport)
	}
	r := &reader{name: name}
	sections, rest, err := r.split(b)
	if err != nil {
		return Community{}, err
	}
	people, err := identity.ReadCommunity(name, rest)
	c := Community{Community: people}
	for _, s := range sections {
		r.section(&c, s)
	}
	if err := errors.Join(append([]error{err}, r.wrong...)...); err != nil {
		return Community{}, err
	}
	return c, nil
}

// reader takes the sections apart and notes what is wrong.
type reader struct {
	name  string
	wrong []error
}

func (r *reader) at(n ast.Node, format string, args ...any) {
	line, column := 1, 1
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		line, column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	r.wrong = append(r.wrong, fmt.Errorf("%s:%d:%d: %w: %w", r.name, line, column, fmt.Errorf(format, args...), identity.ErrImport))
}

func own() []string {
	return []string{"gateways", "meters", "couriers", "guards", "policy", "notices", "facilities", "operators"}
}

// split finds this package's sections and gives the text without them: their lines are left empty, so that every other
// line keeps its number.
func (r *reader) split(b []byte) (mine []*ast.MappingValueNode, rest []byte, err error) {
	file, err := parser.ParseBytes(b, 0)
	if err != nil || len(file.Docs) != 1 {
		return nil, b, nil // package identity says what is wrong
	}
	var pairs []*ast.MappingValueNode
	switch n := file.Docs[0].Body.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	}
	lines := strings.SplitAfter(string(b), "\n")
	last := 0
	for i, pair := range pairs {
		from, to := pair.Key.GetToken().Position.Line, len(lines)
		if i+1 < len(pairs) {
			to = pairs[i+1].Key.GetToken().Position.Line - 1
		}
		isOwn := slices.Contains(own(), pair.Key.GetToken().Value)
		if from <= last || to < from || to > len(lines) {
			r.at(pair.Key, "two sections on one line; begin each on a line of its own")
			return nil, nil, errors.Join(r.wrong...)
		}
		last = from
		if !isOwn {
			continue
		}
		mine = append(mine, pair)
		for l := from - 1; l < to; l++ {
			lines[l] = "\n"
		}
	}
	return mine, []byte(strings.Join(lines, "")), nil
}

// fields are the plain values of one mapping.
type fields struct {
	node ast.Node
	text map[string]string
	at   map[string]ast.Node
}

// mapping reads a mapping of plain values whose keys are known; lists are left in at.
func (r *reader) mapping(n ast.Node, known ...string) fields {
	f := fields{node: n, text: map[string]string{}, at: map[string]ast.Node{}}
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.at(n, "a mapping (key: value) is wanted here")
		return f
	}
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		if !slices.Contains(known, key) {
			r.at(pair.Key, "unknown key; use one of %s", strings.Join(known, ", "))
			continue
		}
		f.at[key] = pair.Value
		if s, ok := pair.Value.(ast.ScalarNode); ok && pair.Value.Type() != ast.NullType {
			f.text[key] = pair.Value.GetToken().Value
			if t, isText := s.(*ast.StringNode); isText {
				f.text[key] = t.Value
			}
		}
	}
	return f
}

// place is where a field stands, or the mapping that lacks it.
func (f fields) place(key string) ast.Node {
	if n, ok := f.at[key]; ok {
		return n
	}
	switch n := f.node.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			return n.Values[0].Key
		}
	case *ast.MappingValueNode:
		return n.Key
	}
	return f.node
}

func (r *reader) list(n ast.Node, each func(ast.Node)) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		r.at(n, "a list is wanted here")
		return
	}
	for _, item := range list.Values {
		each(item)
	}
}

func (r *reader) section(c *Community, s *ast.MappingValueNode) {
	switch s.Key.GetToken().Value {
	case "gateways":
		r.list(s.Value, func(n ast.Node) { c.Gateways = append(c.Gateways, r.box(n, c.Site.ID)) })
	case "meters":
		seen := map[string]bool{}
		r.list(s.Value, func(n ast.Node) { c.Meters = append(c.Meters, r.meter(n, *c, seen)) })
	case "couriers":
		seen := map[string]bool{}
		r.list(s.Value, func(n ast.Node) { c.Desk.Couriers = append(c.Desk.Couriers, r.courier(n, seen)) })
	case "guards":
		seen := map[string]bool{}
		r.list(s.Value, func(n ast.Node) { c.Desk.Guards = append(c.Desk.Guards, r.guard(n, seen)) })
	case "policy":
		c.Desk.Policy = r.policy(s.Value)
	case "notices":
		r.list(s.Value, func(n ast.Node) {
			f := r.mapping(n, "zh", "en", "until")
			c.Desk.Notices = append(c.Desk.Notices, wire.Notice{ZH: r.word(f, "zh", 200), EN: r.word(f, "en", 200), Until: r.day(f, "until")})
		})
	case "facilities":
		seen, before := map[string]bool{}, len(r.wrong)
		r.list(s.Value, func(n ast.Node) { c.Facilities = append(c.Facilities, r.facility(n, seen)) })
		if err := facilities.Check(c.Facilities); err != nil && len(r.wrong) == before {
			r.at(s.Key, "%w", err)
		}
	case "operators":
		r.list(s.Value, func(n ast.Node) {
			f := r.mapping(n, "subject", "name")
			c.Operators = append(c.Operators, identity.Granted{Subject: r.word(f, "subject", 100), Name: r.word(f, "name", 100), As: string(identity.Operator)})
		})
	}
}

func (r *reader) box(n ast.Node, site string) Box {
	f := r.mapping(n, "id", "site", "event_key")
	if of := f.text["site"]; of != "" && site != "" && of != site {
		r.at(f.place("site"), "a gateway of another site; leave site out")
	}
	if !wire.ValidGateway(f.text["id"]) {
		r.at(f.place("id"), "id of a gateway; use a-z, 0-9 and -, at most 40")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(f.text["event_key"])
	if err != nil || len(key) != ed25519.PublicKeySize {
		r.at(f.place("event_key"), "event_key; write what lobby-gateway keys prints: 32 bytes in base64")
	}
	return Box{ID: f.text["id"], EventKey: key}
}

// meter reads one meter; seen are those that stand before it, by id and day.
func (r *reader) meter(n ast.Node, c Community, seen map[string]bool) gas.Meter {
	f := r.mapping(n, "id", "gateway", "unit", "serial", "from")
	m := gas.Meter{ID: f.text["id"], Gateway: f.text["gateway"], Serial: f.text["serial"]}
	if !idForm.MatchString(m.ID) {
		r.at(f.place("id"), "id; use a-z, 0-9 and -, at most 40")
	}
	if !wire.ValidGateway(m.Gateway) {
		r.at(f.place("gateway"), "gateway; name the one that reads this meter")
	}
	if !serialForm.MatchString(m.Serial) {
		r.at(f.place("serial"), "serial; write the 1 to 20 digits of the meter's plate, in quotes")
	}
	if _, ok := f.at["from"]; ok {
		m.From = r.day(f, "from")
	}
	if u := slices.IndexFunc(c.Units, func(u identity.Unit) bool { return u.Label == f.text["unit"] }); u >= 0 {
		m.Unit = c.Units[u].ID
	} else if c.Site.ID != "" { // else package identity says what is wrong with the units
		r.at(f.place("unit"), "unit; name one of units by its label")
	}
	key := fmt.Sprintf("%s/%s/%d", m.Gateway, m.ID, m.From)
	if seen[key] {
		r.at(f.place("id"), "this meter stands twice; give the later one the day from which it counts")
	}
	seen[key] = true
	return m
}

func (r *reader) courier(n ast.Node, seen map[string]bool) wire.Courier {
	f := r.mapping(n, "id", "name", "from", "to", "until")
	c := wire.Courier{ID: r.id(f, seen), Name: r.word(f, "name", 40), From: r.clock(f, "from", 0), To: r.clock(f, "to", 24*60), Until: r.day(f, "until")}
	if c.To <= c.From {
		r.at(f.place("to"), "to is not after from; use hours of one day")
	}
	return c
}

func (r *reader) guard(n ast.Node, seen map[string]bool) wire.Guard {
	f := r.mapping(n, "id", "masked", "until")
	g := wire.Guard{ID: r.id(f, seen), Masked: r.word(f, "masked", 20), Until: r.day(f, "until")}
	if g.Masked != "" && !strings.ContainsAny(g.Masked, "○*") {
		r.at(f.place("masked"), "masked is a whole name; mask it like 陳○明")
	}
	return g
}

func (r *reader) facility(n ast.Node, seen map[string]bool) facilities.Facility {
	f := r.mapping(n, "id", "gateway", "door", "name", "english", "slot", "from", "to", "once")
	one := facilities.Facility{ID: r.id(f, seen), Gateway: f.text["gateway"], Door: f.text["door"], Name: r.word(f, "name", 40), English: r.word(f, "english", 40)}
	if !wire.ValidGateway(one.Gateway) {
		r.at(f.place("gateway"), "gateway of the door; use its id, like gw-1")
	}
	if !idForm.MatchString(one.Door) {
		r.at(f.place("door"), "door; use its id in the gateway's configuration: a-z, 0-9 and -, at most 40")
	}
	minutes, err := strconv.Atoi(f.text["slot"])
	one.Slot, one.From, one.To = minutes, r.clock(f, "from", 0), r.clock(f, "to", 24*60)
	if err != nil {
		r.at(f.place("slot"), "slot; use minutes, like 60")
	} else if err := one.Valid(); err != nil {
		r.at(f.place("slot"), "%w", err)
	}
	switch f.text["once"] {
	case "true":
		one.Once = true
	case "", "false":
	default:
		r.at(f.place("once"), "once; use true or false")
	}
	return one
}

func (r *reader) policy(n ast.Node) wire.Policy {
	f := r.mapping(n, "stay_hours", "holidays", "guard_phone")
	p := wire.Policy{Holidays: []string{}, GuardPhone: f.text["guard_phone"]}
	if text, ok := f.text["stay_hours"]; ok {
		hours, err := strconv.Atoi(text)
		if err != nil || hours < 1 || hours > 30*24 {
			r.at(f.place("stay_hours"), "stay_hours; use 1 to 720")
		}
		p.StayHours = hours
	}
	if utf8.RuneCountInString(p.GuardPhone) > 40 {
		r.at(f.place("guard_phone"), "guard_phone; use at most 40 characters")
	}
	if days, ok := f.at["holidays"]; ok {
		r.list(days, func(n ast.Node) {
			day := n.GetToken().Value
			if _, err := time.Parse(time.DateOnly, day); err != nil {
				r.at(n, "a holiday; use a day like 2026-10-10")
			}
			p.Holidays = append(p.Holidays, day)
		})
	}
	return p
}

var (
	idForm     = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	serialForm = regexp.MustCompile(`^[0-9]{1,20}$`)
)

func (r *reader) id(f fields, seen map[string]bool) string {
	id := f.text["id"]
	switch {
	case !idForm.MatchString(id):
		r.at(f.place("id"), "id; use a-z, 0-9 and -, at most 40")
	case seen[id]:
		r.at(f.place("id"), "this id stands twice; remove one")
	}
	seen[id] = true
	return id
}

func (r *reader) word(f fields, key string, most int) string {
	text := f.text[key]
	if n := utf8.RuneCountInString(text); n == 0 || n > most || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' }) {
		r.at(f.place(key), "%s of %d characters; use 1 to %d on one line", key, n, most)
	}
	return text
}

// clock reads 08:30 as minutes after midnight; 24:00 is the day's end.
func (r *reader) clock(f fields, key string, missing int) int {
	text, ok := f.text[key]
	if !ok {
		return missing
	}
	if text == "24:00" {
		return 24 * 60
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		r.at(f.place(key), "%s; use a time like 08:30", key)
		return missing
	}
	return t.Hour()*60 + t.Minute()
}

// day reads a day's begin in the buildings' time.
func (r *reader) day(f fields, key string) wire.Micros {
	t, err := time.ParseInLocation(time.DateOnly, f.text[key], parcels.Taipei())
	if err != nil {
		r.at(f.place(key), "%s; use a day like 2027-01-01", key)
		return 0
	}
	return wire.At(t)
}
