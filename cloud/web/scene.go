package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/ingest"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// scene is the operators' page at one moment: the fleet through a lens, or one gateway closely.
type scene struct {
	Lens lens
	Now  time.Time
	lang tongued
	took time.Duration

	Streamed bool // this is sent by the stream: the page is live

	Refused            bool // nothing of the fleet is shown, for one of these reasons, or trouble on our side
	SignIn             string
	Forbidden, Nowhere bool

	Total    int          // gateways
	Silent   int          // of those that the lens finds, gateways without word
	Deaf     bool         // no gateway of the whole fleet is heard, and there are several: it may be us
	Choices  []stateCount // by state
	Found    int
	From, To int    // which of them are shown, from 1
	Prev     string // address; "": this is the beginning
	Next     string
	Devices  int // of the gateways shown
	Rows     []row
	SiteName string

	One    *row
	Alarms []alarm
	Orders []order
	Events []event
}

// stateCount is one state to choose, with how many are in it.
type stateCount struct {
	State, Word, Icon string
	Count             int
	Href              string
	On                bool
}

// row is one gateway.
type row struct {
	fleet.Health
	lang    tongued
	now     time.Time
	State   fleet.State
	Reasons []string
	Known   []device // listed
	Folded  int      // devices that are not, and would all say the same: that they answer, or that nobody knows
	Here    lens
}

// judge judges gateways and puts what is worst first.
func (v *scene) judge(all []fleet.Health) []row {
	rows := make([]row, 0, len(all))
	for _, h := range all {
		rows = append(rows, v.row(h))
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), strings.Compare(a.Gateway, b.Gateway))
	})
	return rows
}

func (v *scene) row(h fleet.Health) row {
	r := row{Health: h, lang: v.lang, now: v.Now, Here: v.Lens}
	r.State, r.Reasons = h.State(v.Now)
	return r
}

func (r row) rank() int { return slices.Index(states, r.State) }

// place is where a row stands in the order, for an address.
func (r row) place() string { return fmt.Sprintf("%d%s", r.rank(), r.Gateway) }

// says tells whether a gateway is of the lens's site and says its text somewhere.
func (l lens) says(h fleet.Health) bool {
	if l.Site != "" && h.Site != l.Site {
		return false
	}
	text := strings.ToLower(l.Text)
	said := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	return text == "" || said(h.Gateway) || said(h.Site) || said(h.SiteName) || said(h.Version) ||
		slices.ContainsFunc(h.Devices, func(d fleet.Device) bool { return said(d.ID) || said(d.Error) })
}

func (l lens) wants(s fleet.State) bool {
	return l.State == "" || l.State == string(s) || l.State == trouble && s != fleet.Online
}

// look finds what the lens shows, and gives the ids of the gateways of this page.
func (v *scene) look(all []fleet.Health) []string {
	v.Total = len(all)
	var said []fleet.Health
	heard, lost := 0, 0
	for _, h := range all {
		if s, _ := h.State(v.Now); s.Fresh() {
			heard++
		} else if s != fleet.NeverSeen {
			lost++
		}
		if v.Lens.says(h) {
			said = append(said, h)
		}
	}
	v.Deaf = heard == 0 && lost > 1
	if v.Lens.Site != "" && len(said) > 0 {
		v.SiteName = said[0].SiteName
	}
	var found []row
	count := map[string]int{}
	for _, r := range v.judge(said) {
		count[string(r.State)]++
		if r.State != fleet.Online {
			count[trouble]++
		}
		if v.Lens.wants(r.State) {
			found = append(found, r)
			if !r.State.Fresh() && r.State != fleet.NeverSeen {
				v.Silent++
			}
		}
	}
	v.choose(count, len(said))
	v.turn(found)
	var ids []string
	for _, r := range v.Rows {
		ids = append(ids, r.Gateway)
		v.Devices += r.Total()
	}
	return ids
}

// choose counts the states; those that nobody is in are left out, unless chosen.
func (v *scene) choose(count map[string]int, all int) {
	add := func(state, word, icon string, n int) {
		if n > 0 || state == "" || v.Lens.State == state {
			v.Choices = append(v.Choices, stateCount{state, word, icon, n, v.Lens.To("state", state), v.Lens.State == state})
		}
	}
	add("", v.lang.t("全部", "All"), "list", all)
	add(trouble, v.lang.t("要看的", "Need a look"), "triangle", count[trouble])
	for _, s := range states {
		b := v.lang.state(s)
		add(string(s), b.Word, b.Icon, count[string(s)])
	}
}

// turn takes the page that the lens is at.
func (v *scene) turn(found []row) {
	v.Found = len(found)
	from := 0
	if v.Lens.After != "" {
		from, _ = slices.BinarySearchFunc(found, v.Lens.After, func(r row, after string) int {
			return cmp.Or(strings.Compare(r.place(), after), -1)
		})
	}
	to := min(from+pageRows, len(found))
	v.Rows, v.From, v.To = found[from:to], from+1, to
	if to < len(found) {
		v.Next = v.Lens.To("after", found[to-1].place())
	}
	switch {
	case from > pageRows:
		v.Prev = v.Lens.To("after", found[from-pageRows-1].place())
	case from > 0:
		v.Prev = v.Lens.To("after", "")
	}
}

// fill lists the devices of the gateways shown: all that were read, or those that are not online. A silent gateway's would
// all say the same.
func (v *scene) fill(read map[string][]fleet.Device) {
	for n := range v.Rows {
		r := &v.Rows[n]
		if of, ok := read[r.Gateway]; ok {
			r.Health.Devices = of
		}
		if r.Fresh() || len(v.Rows) == 1 {
			r.list()
		}
		r.Folded = max(0, r.Total()-r.More-len(r.Known))
	}
}

// list puts the devices that are worst first.
func (r *row) list() {
	for _, d := range r.Health.Devices {
		r.Known = append(r.Known, device{d, *r})
	}
	slices.SortStableFunc(r.Known, func(a, b device) int { return cmp.Compare(a.rank(), b.rank()) })
}

// Total is how many devices the gateway has.
func (r row) Total() int { return max(r.Count, len(r.Health.Devices)) }

// Answering are those of them that answer, as far as is known.
func (r row) Answering() int {
	n := r.Total() - r.More
	for _, d := range r.Health.Devices {
		if !d.Online && r.Listed(d) {
			n--
		}
	}
	return max(n, 0)
}

// closeUp shows one gateway.
func (v *scene) closeUp(h fleet.Health, commands []fleet.Command, events []ingest.Logged) {
	r := v.row(h)
	r.list()
	v.One = &r
	for _, a := range h.Alarms {
		v.Alarms = append(v.Alarms, alarm{a, v.lang, v.Now})
	}
	for _, c := range commands {
		v.Orders = append(v.Orders, order{c, v.lang, v.Now})
	}
	for _, l := range events {
		v.Events = append(v.Events, event{l, v.lang, v.Now})
	}
}

// Badge says the state.
func (r row) Badge() badge { return r.lang.state(r.State) }

// Fresh tells whether what the gateway has said may still be so.
func (r row) Fresh() bool { return r.State.Fresh() }

// Never tells whether it has never spoken.
func (r row) Never() bool { return r.State == fleet.NeverSeen }

// Says is what is to be known of the gateway, a sentence each. When it is silent nothing else counts.
func (r row) Says() []string {
	switch {
	case r.Never():
		return []string{r.lang.t("還沒有回報過", "It has never reported")}
	case !r.Fresh():
		return []string{r.silence()}
	}
	return r.lang.reasons(r)
}

func (r row) silence() string {
	s := r.lang.t("沒有消息 ", "No word for ") + r.Age()
	if r.Gone != 0 {
		s += r.lang.t("，連線斷在 ", ", its connection ended at ") + r.lang.clock(r.Gone.Time(), r.now)
	}
	return s
}

// Heard is when it spoke last, Age how long ago that is.
func (r row) Heard() string { return r.lang.clock(r.AsOf.Time(), r.now) }
func (r row) Age() string   { return r.lang.age(r.now.Sub(r.AsOf.Time())) }

// Waiting is how old the oldest event that the cloud does not have was when the gateway spoke; "": there is none.
func (r row) Waiting() string {
	if r.Undelivered == 0 || r.OldestWall == 0 {
		return ""
	}
	return r.lang.age(r.Wall.Time().Sub(r.OldestWall.Time()))
}

// Off is by how much its clock was ahead when the cloud heard it.
func (r row) Off() string { return offset(r.Wall.Time().Sub(r.AsOf.Time())) }

func (r row) ClockWord() string { return r.lang.quality(r.Clock) }

// Settings says whether it holds what the cloud wants of it.
func (r row) Settings() string {
	switch {
	case r.RefusedDoc != "":
		return r.lang.t("被拒收", "refused")
	case r.Wanted.Version == 0:
		return r.lang.t("還沒發出", "none issued")
	case r.Applied == r.Wanted:
		return r.lang.t("已套用", "applied")
	}
	return r.lang.t("還沒套用", "not yet applied")
}

// ConfigWord says which configuration is in force.
func (r row) ConfigWord() string { return r.lang.config(r.Config) }

// Disk is the free space.
func (r row) Disk() string { return size(r.DiskFree) }

// Held is the size of its store.
func (r row) Held() string { return size(r.StoreSize) }

// Short is the part of the version that fits into a column.
func (r row) Short() string {
	const most = 12
	if v := []rune(r.Version); len(v) > most {
		return string(v[:most]) + "…"
	}
	return r.Version
}

// AlarmCount and DeviceCount say numbers.
func (r row) AlarmCount() string {
	return r.lang.many(len(r.Alarms), "%d 個警報", "1 alarm", "%d alarms")
}

func (r row) DeviceCount(n int) string {
	return r.lang.many(n, "%d 個裝置", "1 device", "%d devices")
}

// Part is the name under which the stream sends this row.
func (r row) Part() string { return "gw-" + r.Gateway }

// device is one device of a row.
type device struct {
	fleet.Device
	of row
}

// rank puts first what does not answer, then what is not known.
func (d device) rank() int {
	switch {
	case !d.of.Fresh(), !d.of.Listed(d.Device), d.Code == wire.DeviceUnasked:
		return 1
	case !d.Online:
		return 0
	}
	return 2
}

// StateCode is the device's state in one word, for who reads the page by program.
func (d device) StateCode() string { return []string{"silent", "unknown", "online"}[d.rank()] }

// Badge says the device's state. While its gateway is silent nobody knows it.
func (d device) Badge() badge {
	switch t := d.of.lang; d.rank() {
	case 0:
		return badge{"bad", "octagon-x", t.code(d.Code)}
	case 1:
		if d.of.Fresh() && d.Code == wire.DeviceUnasked {
			return badge{"stale", "question", t.code(d.Code)}
		}
		return badge{"stale", "question", t.t("狀態不明", "Unknown")}
	default:
		return badge{"ok", "check", t.t("有回應", "Answers")}
	}
}

// KindWord is what it is.
func (d device) KindWord() string { return d.of.lang.kind(d.Kind) }

// Says is its last error in its driver's words, or what it was when last heard of.
func (d device) Says() string {
	t := d.of.lang
	if d.rank() == 1 && d.Code != wire.DeviceUnasked {
		was := t.t("有回應", "it answered")
		if !d.Online {
			was = t.code(d.Code)
		}
		return strings.TrimSuffix(t.t("最後聽說時：", "when last heard of: ")+was+t.t("。", ". ")+d.Error, " ")
	}
	return d.Error
}

// Answered is when it last answered, by its gateway's clock.
func (d device) Answered() string {
	if d.At == 0 {
		return d.of.lang.t("從來沒有", "never")
	}
	return d.of.lang.clock(d.At.Time(), d.of.now)
}

// alarm is one alarm that stands.
type alarm struct {
	fleet.Alarm
	lang tongued
	now  time.Time
}

func (a alarm) Word() string  { return a.lang.alarm(a.Kind) }
func (a alarm) Since() string { return a.lang.clock(a.First.Time(), a.now) }
func (a alarm) Again() string { return a.lang.clock(a.Last.Time(), a.now) }

// order is one command, without who gave it.
type order struct {
	fleet.Command
	lang tongued
	now  time.Time
}

// Badge says what became of it, Says the same in a sentence.
func (o order) Badge() badge {
	short, _, kind, icon := commandState(o.Command, string(o.lang))
	return badge{kind, icon, short}
}

func (o order) Says() string {
	_, long, _, _ := commandState(o.Command, string(o.lang))
	return long
}

// At is when it was asked, or, of one that was asked in a life of the database that was lost, when it ended.
func (o order) At() string { return o.lang.clock(cmp.Or(o.Asked, o.Ended).Time(), o.now) }

// WhyWord is the reason that was given.
func (o order) WhyWord() string {
	for _, r := range reasons(string(o.lang)) {
		if r.Code == o.Why {
			return r.Name
		}
	}
	return o.Why
}

// event is one event of the log, without what it carries: that may be sealed codes.
type event struct {
	ingest.Logged
	lang tongued
	now  time.Time
}

func (e event) Word() string  { return e.lang.event(e.Event.Type) }
func (e event) Wall() string  { return e.lang.clock(e.Event.Wall.Time(), e.now) }
func (e event) Clock() string { return e.lang.quality(e.Event.Clock) }
func (e event) Came() string  { return e.lang.clock(e.Received, e.now) }

// Subject is what it is about, and its name in the log.
func (e event) Subject() string { return e.Event.Subject }
func (e event) Where() string   { return e.Name.String() }

// Late tells whether it came more than a minute after it happened.
func (e event) Late() bool { return e.Received.Sub(e.Event.Wall.Time()) > time.Minute }

// SilentCount says how many gateways are silent.
func (v *scene) SilentCount() string {
	return v.lang.many(v.Silent, "%d 個閘道沒有消息。", "No word from 1 gateway. ", "No word from %d gateways. ")
}

// Clock is the time now, and Day the day, as people here have it.
func (v *scene) Clock() string { return v.Now.In(parcels.Taipei()).Format("15:04:05") }
func (v *scene) Day() string   { return v.lang.day(v.Now) }

// OtherLang is the other language.
func (v *scene) OtherLang() string { return map[string]string{"zh": "en", "en": "zh"}[v.Lens.Lang] }
