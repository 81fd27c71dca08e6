package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const maxFile = 4 << 20 // bytes of a community's file

// Community is one site with its people, as an operator writes it down.
type Community struct {
	Site       Site
	Issuer     string // of all accounts named here
	Units      []Unit
	Households []Entry
	Roles      []Granted
}

// Site names the community.
type Site struct{ ID, Name string }

// Unit is one flat.
type Unit struct {
	ID    string
	Label string // as on the door: A-12-3
	Low   bool   // wants low compartments
}

// Entry is one household.
type Entry struct {
	ID      string
	Unit    string // the unit's id
	From    time.Time
	Until   time.Time // zero: no end is known
	Members []Granted
}

// Granted is a person's account with what it is given: a Standing in a household, or a Role.
type Granted struct {
	Subject string // at the issuer
	Name    string
	As      string
}

// word is a scalar of the file with its place.
type word struct {
	text         string
	line, column int
}

// UnmarshalYAML takes a scalar as it is written.
func (w *word) UnmarshalYAML(n ast.Node) error {
	at := n.GetToken().Position
	s, ok := n.(ast.ScalarNode)
	if !ok || n.Type() == ast.NullType {
		return fmt.Errorf("%d:%d: one plain value is wanted here", at.Line, at.Column)
	}
	w.text, w.line, w.column = fmt.Sprint(s.GetValue()), at.Line, at.Column
	if _, isText := n.(*ast.StringNode); !isText {
		w.text = n.GetToken().Value // 0912 is no number here
	}
	return nil
}

// file is the form of a community's YAML.
type file struct {
	Site struct {
		ID   word `yaml:"id"`
		Name word `yaml:"name"`
	} `yaml:"site"`
	Issuer word `yaml:"issuer"`
	Units  []struct {
		ID    word `yaml:"id"`
		Label word `yaml:"label"`
		Low   bool `yaml:"low"`
	} `yaml:"units"`
	Households []struct {
		ID      word         `yaml:"id"`
		Unit    word         `yaml:"unit"`
		From    word         `yaml:"from"`
		Until   word         `yaml:"until"`
		Members []fileMember `yaml:"members"`
	} `yaml:"households"`
	Roles []fileMember `yaml:"roles"`
}

type fileMember struct {
	Subject word `yaml:"subject"`
	Name    word `yaml:"name"`
	Role    word `yaml:"role"`
}

// ReadCommunity reads and checks a community's YAML; name is what errors call the file. All that is wrong is told at once,
// one line each: file:line:column, what, remedy. Every error is an ErrImport.
//
//	site: {id: linkou-1, name: 林口一村}
//	issuer: https://sign-in.example
//	units:
//	  - {label: A-12-3, low: true}
//	households:
//	  - unit: A-12-3
//	    from: 2026-01-01
//	    members:
//	      - {subject: p1, name: 陳大明, role: owner}
//	roles:
//	  - {subject: g1, name: 王小華, role: guard}
func ReadCommunity(name string, b []byte) (Community, error) {
	if len(b) > maxFile {
		return Community{}, fmt.Errorf("%s: %d bytes, at most %d; name sites one by one: %w", name, len(b), maxFile, ErrImport)
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(b), yaml.Strict())
	if err := decode(d, &f); err != nil {
		return Community{}, placed(name, err)
	}
	if err := decode(d, new(file)); !errors.Is(err, io.EOF) {
		return Community{}, fmt.Errorf("%s: more than one document; use one file for each community: %w", name, ErrImport)
	}
	c := checker{name: name, labels: map[string]string{}, ids: map[string]bool{}, names: map[string]string{}}
	out := c.community(f)
	if err := errors.Join(c.wrong...); err != nil {
		return Community{}, err
	}
	return out, nil
}

// decode fills into. The YAML library panics on some texts (a tag before nothing where a list belongs), and a text must not be
// able to do that to us.
func decode(d *yaml.Decoder, into *file) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("1:1: a value is of another kind than its place wants (%v); write it as in configs/community-demo.yaml", p)
		}
	}()
	return d.Decode(into)
}

func placed(name string, err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		p := at.GetToken().Position
		text, _, _ := strings.Cut(at.GetMessage(), "\n")
		return fmt.Errorf("%s:%d:%d: %s: %w", name, p.Line, p.Column, text, ErrImport)
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s:1:1: empty; write site, issuer, units, households and roles: %w", name, ErrImport)
	}
	return fmt.Errorf("%s:%w: %w", name, err, ErrImport)
}

// checker turns a file into a Community and notes what is wrong.
type checker struct {
	name   string
	wrong  []error
	labels map[string]string // unit ids by label
	ids    map[string]bool   // of units and households
	names  map[string]string // of persons by subject
}

func (c *checker) at(w word, format string, args ...any) {
	line, column := max(w.line, 1), max(w.column, 1)
	c.wrong = append(c.wrong, fmt.Errorf("%s:%d:%d: %w: %w", c.name, line, column, fmt.Errorf(format, args...), ErrImport))
}

var (
	labelForm = regexp.MustCompile(`^[0-9A-Z]{1,4}(-[0-9A-Z]{1,4}){0,3}$`)
	idForm    = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
)

func (c *checker) community(f file) Community {
	out := Community{Site: Site{f.Site.ID.text, f.Site.Name.text}, Issuer: f.Issuer.text}
	if !wire.ValidGateway(out.Site.ID) {
		c.at(f.Site.ID, "site.id %q; use a-z, 0-9 and -, at most 40", out.Site.ID)
	}
	c.text(f.Site.Name, "site.name")
	if !strings.HasPrefix(out.Issuer, "https://") && !strings.HasPrefix(out.Issuer, "http://127.0.0.1") && !strings.HasPrefix(out.Issuer, "http://localhost") {
		c.at(f.Issuer, "issuer %q; use the https address of the sign-in", out.Issuer)
	}
	for i, u := range f.Units {
		place := fmt.Sprintf("units[%d]", i)
		if !labelForm.MatchString(u.Label.text) {
			c.at(u.Label, "%s.label %q; use building, floor and number like A-12-3", place, u.Label.text)
		} else if c.labels[u.Label.text] != "" {
			c.at(u.Label, "%s.label %s stands twice; remove one", place, u.Label.text)
		}
		id := c.id(u.ID, place, "unit", out.Site.ID, u.Label.text)
		c.labels[u.Label.text] = id
		out.Units = append(out.Units, Unit{ID: id, Label: u.Label.text, Low: u.Low})
	}
	for i, h := range f.Households {
		out.Households = append(out.Households, c.household(h.ID, h.Unit, h.From, h.Until, h.Members, fmt.Sprintf("households[%d]", i), out.Site.ID))
	}
	c.apart(f, out.Households)
	for i, r := range f.Roles {
		place := fmt.Sprintf("roles[%d]", i)
		out.Roles = append(out.Roles, c.granted(r, place, Guard, Manager, Committee))
	}
	return out
}

func (c *checker) household(id, unit, from, until word, members []fileMember, place, site string) Entry {
	e := Entry{Unit: c.labels[unit.text], From: c.date(from, place+".from", true), Until: c.date(until, place+".until", false)}
	if e.Unit == "" {
		c.at(unit, "%s.unit %q is none of units; add it there", place, unit.text)
	}
	if !e.Until.IsZero() && !e.Until.After(e.From) {
		c.at(until, "%s.until is not after from; use the day after the last", place)
	}
	e.ID = c.id(id, place, "household", site, unit.text, from.text)
	seen := map[string]bool{}
	for i, m := range members {
		at := fmt.Sprintf("%s.members[%d]", place, i)
		e.Members = append(e.Members, c.granted(m, at, Role(Owner), Role(Tenant), Role(Member)))
		if seen[m.Subject.text] {
			c.at(m.Subject, "%s.subject %s stands twice; remove one", at, m.Subject.text)
		}
		seen[m.Subject.text] = true
	}
	return e
}

// apart sees that no two households live in one unit at once.
func (c *checker) apart(f file, all []Entry) {
	for i, a := range all {
		for j, b := range all[:i] {
			if a.Unit == b.Unit && a.Unit != "" && overlap(a, b) {
				c.at(f.Households[i].Unit, "households[%d] lives in %s at the same time as households[%d]; give the earlier one an until",
					i, f.Households[i].Unit.text, j)
			}
		}
	}
}

func overlap(a, b Entry) bool {
	return (b.Until.IsZero() || a.From.Before(b.Until)) && (a.Until.IsZero() || b.From.Before(a.Until))
}

func (c *checker) granted(m fileMember, place string, roles ...Role) Granted {
	var known []string
	for _, r := range roles {
		if m.Role.text == string(r) {
			known = nil
			break
		}
		known = append(known, string(r))
	}
	if known != nil {
		c.at(m.Role, "%s.role %q; use one of %s", place, m.Role.text, strings.Join(known, ", "))
	}
	c.text(m.Subject, place+".subject")
	c.text(m.Name, place+".name")
	if before, ok := c.names[m.Subject.text]; ok && before != m.Name.text {
		c.at(m.Name, "%s.name is another than before for subject %s; use one", place, m.Subject.text)
	}
	c.names[m.Subject.text] = m.Name.text
	return Granted{Subject: m.Subject.text, Name: m.Name.text, As: m.Role.text}
}

func (c *checker) text(w word, place string) {
	if n := utf8.RuneCountInString(w.text); n == 0 || n > maxName || strings.ContainsFunc(w.text, func(r rune) bool { return r < ' ' }) {
		c.at(w, "%s of %d characters; use 1 to %d on one line", place, n, maxName)
	}
}

// taipei has no summer time.
func taipei() *time.Location { return time.FixedZone("Asia/Taipei", 8*60*60) }

func (c *checker) date(w word, place string, needed bool) time.Time {
	if w.text == "" && !needed {
		return time.Time{}
	}
	t, err := time.ParseInLocation(time.DateOnly, w.text, taipei())
	if err != nil {
		c.at(w, "%s %q; use a day like 2026-01-31", place, w.text)
	}
	return t
}

// id is the given id, or one made of what the thing is, so that a second import finds the first one's.
func (c *checker) id(given word, place, kind string, of ...string) string {
	id := given.text
	if id == "" {
		id = derived(kind, of...)
	} else if !idForm.MatchString(id) {
		c.at(given, "%s.id %q; use a-z, 0-9 and -, at most 40, or leave it out", place, id)
	}
	if c.ids[kind+id] {
		c.at(given, "%s: its id stands twice; remove one", place)
	}
	c.ids[kind+id] = true
	return id
}
