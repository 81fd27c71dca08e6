package cloud

import (
	"errors"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/facilities/rules"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
)

const goodCommunity = `site: {id: demo, name: 示範社區}
issuer: https://sign-in.example
gateways:
  - id: gw-demo
    event_key: 3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
units:
  - {label: A-12-3}
meters:
  - {id: m-101, gateway: gw-demo, unit: A-12-3, serial: "0010000101"}
  - {id: m-101, gateway: gw-demo, unit: A-12-3, serial: "20000001", from: 2026-07-01}
couriers:
  - {id: black-cat, name: 黑貓, from: 08:00, to: 22:00, until: 2027-01-01}
guards:
  - {id: chen, masked: 陳○明, until: 2027-01-01}
policy: {stay_hours: 48, holidays: [2026-10-10], guard_phone: 分機 100}
households:
  - {unit: A-12-3, from: 2026-01-01, members: [{subject: chen, name: 陳大明, role: owner}]}
notices:
  - {zh: 明天洗水塔, en: Water tanks are cleaned tomorrow, until: 2026-07-01}
facilities:
  - {id: gym, gateway: gw-demo, door: gym, name: 健身房, english: Gym, slot: 60, from: "06:00", to: "22:00", once: true}
operators:
  - {subject: op, name: 周工程師}
`

func TestReadCommunity(t *testing.T) {
	c, err := ReadCommunity("c.yaml", []byte(goodCommunity))
	if err != nil {
		t.Fatal(err)
	}
	d := c.Desk
	if c.Site.ID != "demo" || len(c.Units) != 1 || len(c.Households) != 1 || len(c.Gateways) != 1 || c.Gateways[0].ID != "gw-demo" || c.Gateways[0].EventKey[0] != 0xde ||
		d.Couriers[0].From != 480 || d.Couriers[0].To != 1320 || d.Guards[0].Masked != "陳○明" || d.Policy.StayHours != 48 || d.Policy.Holidays[0] != "2026-10-10" ||
		d.Policy.GuardPhone != "分機 100" || d.Notices[0].EN != "Water tanks are cleaned tomorrow" || c.Operators[0].Subject != "op" ||
		len(c.Meters) != 2 || c.Meters[0].Serial != "0010000101" || c.Meters[0].Unit != c.Units[0].ID || c.Meters[0].From != 0 || c.Meters[1].From == 0 ||
		c.Facilities[0] != (facilities.Facility{ID: "gym", Gateway: "gw-demo", Door: "gym", Name: "健身房", English: "Gym", Once: true, Facility: rules.Facility{Slot: 60, From: 360, To: 1320}}) {
		t.Errorf("ReadCommunity = %+v", c)
	}
}

func TestReadCommunityRefuses(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"another section", "gateways:", "gateway:", `c.yaml:3:1: unknown field "gateway"`},
		{"people, after a section", "{label: A-12-3}", "{lable: A-12-3}", `c.yaml:7:6: unknown field "lable"`},
		{"gateway's id", "id: gw-demo", "id: GW", "c.yaml:4:9: id of a gateway; use a-z"},
		{"event key", "event_key: 3q", "event_key: 3", "c.yaml:5:16: event_key; write what lobby-gateway keys prints"},
		{"another site", "id: gw-demo", "id: gw-demo\n    site: other", "c.yaml:5:11: a gateway of another site"},
		{"meter's id", "id: m-101, gateway: gw-demo, unit: A-12-3, serial: \"00", "id: M, gateway: gw-demo, unit: A-12-3, serial: \"00", "c.yaml:9:10: id; use a-z"},
		{"meter's gateway", "gateway: gw-demo, unit: A-12-3, serial: \"00", "gateway: GW, unit: A-12-3, serial: \"00", "c.yaml:9:26: gateway; name the one"},
		{"meter's unit", "unit: A-12-3, serial: \"00", "unit: A-12-4, serial: \"00", "c.yaml:9:41: unit; name one of units by its label"},
		{"meter's serial", "serial: \"0010000101\"", "serial: none", "c.yaml:9:57: serial; write the 1 to 20 digits"},
		{"meter twice", ", from: 2026-07-01", "", "c.yaml:10:10: this meter stands twice; give the later one the day"},
		{"meter's day", "from: 2026-07-01", "from: July", "c.yaml:10:75: from; use a day like"},
		{"hour", "from: 08:00", "from: 8 Uhr", "c.yaml:12:37: from; use a time like 08:30"},
		{"hours", "to: 22:00", "to: 07:00", "c.yaml:12:48: to is not after from"},
		{"unknown key", "masked: 陳○明", "masked: 陳○明, pin: 123456", "c.yaml:14:29: unknown key; use one of id, masked, until"},
		{"whole name", "陳○明", "陳大明", "c.yaml:14:24: masked is a whole name"},
		{"stay", "stay_hours: 48", "stay_hours: 0", "c.yaml:15:22: stay_hours; use 1 to 720"},
		{"holiday", "[2026-10-10]", "[2026-13-10]", "c.yaml:15:37: a holiday; use a day like"},
		{"list", "notices:\n  -", "notices:\n   ", "a list is wanted here"},
		{"nothing", "en: Water tanks are cleaned tomorrow, ", "", "c.yaml:19:6: en of 0 characters"},
		{"two on a line", "units:\n", "x: {a: 1,\nunits: 2}\nunits:\n", "c.yaml:6:1: unknown field"},
		{"bad YAML", "guards:", "guards: [", "c.yaml:"},
		{"twice", "  - {id: chen,", "  - {id: chen, masked: 陳○, until: 2027-01-01}\n  - {id: chen,", "c.yaml:15:10: this id stands twice"},
		{"facility's gateway", "gateway: gw-demo, door", "gateway: GW, door", "c.yaml:21:24: gateway of the door"},
		{"facility's door", "door: gym", "door: Gym!", "c.yaml:21:39: door; use its id"},
		{"slot", "slot: 60", "slot: an hour", "c.yaml:21:75: slot; use minutes"},
		{"no slot fits", "slot: 60", "slot: 1000", "c.yaml:21:75: no slot of 1000 minutes fits"},
		{"once", "once: true", "once: maybe", "c.yaml:21:113: once; use true or false"},
		{"facility twice", "facilities:\n", "facilities:\n  - {id: gym, gateway: gw-demo, door: gym, name: x, english: x, slot: 60}\n", "c.yaml:22:10: this id stands twice"},
		{"one door of two gateways", "facilities:\n", "facilities:\n  - {id: pool, gateway: gw-2, door: gym, name: x, english: x, slot: 60}\n", "give the doors of a site different ids"},
		{"no end of slots", "facilities:\n", "facilities:\n  - {id: pool, gateway: gw-demo, door: gym, name: x, english: x, slot: 15}\n  - {id: ktv, gateway: gw-demo, door: gym, name: x, english: x, slot: 60}\n", "slots a day in all facilities together"},
	} {
		text := strings.Replace(goodCommunity, tt.old, tt.new, 1)
		if text == goodCommunity {
			t.Fatalf("%s: nothing replaced", tt.name)
		}
		_, err := ReadCommunity("c.yaml", []byte(text))
		if !errors.Is(err, identity.ErrImport) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %s", tt.name, err, tt.want)
		}
	}
}

// Whatever is read names its place, and what is accepted can be read again to the same.
func FuzzReadCommunity(f *testing.F) {
	f.Add(goodCommunity)
	f.Add("site: {id: s, name: n}\nissuer: https://x\ncouriers: [{id: a}]\n")
	f.Add("{site: {id: s, name: n}, guards: []}")
	f.Add("guards:\n- &a {id: b}\n- *a\n")
	f.Add("policy:\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ReadCommunity("c.yaml", []byte(text))
		if err != nil && (!errors.Is(err, identity.ErrImport) || !strings.HasPrefix(err.Error(), "c.yaml:")) {
			t.Errorf("%q: %v; want a place", text, err)
		}
		if err == nil && (c.Site.ID == "" || c.Issuer == "") {
			t.Errorf("%q is taken for a community: %+v", text, c)
		}
	})
}
