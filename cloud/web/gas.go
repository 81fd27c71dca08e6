package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/gas"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const (
	tableHours = 24             // hours of the table
	chartHours = 8              // the newest of them, as bars
	gasOld     = 25 * time.Hour // meters are read once a day at least
)

// gasView is the page about gas.
type gasView struct {
	frame
	W      gasWords
	Person string // empty: not signed in
	Homes  []gasHome
	Error  string
}

// gasHome is one household with its meters.
type gasHome struct {
	home
	Meters []gasMeter
}

// gasMeter is one meter as its household sees it.
type gasMeter struct {
	Serial string
	Total  string // 度, of the newest reading that counts; empty: there is none
	Seen   string // when that was
	Good   bool   // the newest reading is the one that counts
	Old    bool   // nothing has come for long
	Note   string // what is wrong with the newest reading, as a sentence
	Badge  string // bad, warn or stale: how wrong
	Today  string // litres; empty: not known
	Since  string // of Today, if not midnight
	Chart  chart
	Hours  []hourRow // newest first
}

type hourRow struct {
	When, Total, Used string
}

func (w *web) gas(rw http.ResponseWriter, r *http.Request) {
	lang := tongue(r)
	v := gasView{frame: w.frame(r, in(lang, "瓦斯", "Gas"), ""), W: gasWordsIn(lang)}
	who, err := w.Identity.Session(r)
	if err == nil {
		v.Person = who.Name
		v.Nav = w.navOf(r.Context(), who, "/gas", lang)
		v.Homes, err = w.gasHomes(r.Context(), who, lang)
	}
	status := http.StatusOK
	if err != nil && !errors.Is(err, identity.ErrNoSession) {
		w.Log.Error("page not made", "err", err)
		v.Error, status = v.W.Trouble, http.StatusServiceUnavailable
	}
	w.showPage(rw, status, "gas.html", v, v.W.Trouble)
}

func (w *web) gasHomes(ctx context.Context, who identity.Person, lang string) (all []gasHome, err error) {
	err = w.DB.Read(ctx, func(tx *store.Tx) error {
		all = nil
		return w.eachHousehold(ctx, tx, who, func(site fleet.Site, h identity.Household) error {
			one, err := w.gasHome(ctx, tx, site, h, lang)
			all = append(all, one)
			return err
		})
	})
	return all, err
}

func (w *web) gasHome(ctx context.Context, tx *store.Tx, site fleet.Site, h identity.Household, lang string) (gasHome, error) {
	out := gasHome{home: home{Site: site.Name, SiteID: site.ID, Unit: h.Label, Household: h.ID}}
	if err := w.spoken(ctx, tx, &out.home, lang); err != nil {
		return out, err
	}
	stay, err := w.Identity.Stay(ctx, tx, site.ID, h.ID)
	if err != nil {
		return out, err
	}
	states, err := gas.During(ctx, tx, site.ID, stay, w.Now())
	if err != nil {
		return out, err
	}
	for _, s := range states {
		m := w.gasMeter(s, lang)
		end := w.Now().In(parcels.Taipei()).Truncate(time.Hour).Add(time.Hour)
		hours, err := gas.Hours(ctx, tx, s.Meter, stay, end.Add(-(tableHours+1)*time.Hour))
		if err != nil {
			return out, err
		}
		m.use(hours, end, lang)
		out.Meters = append(out.Meters, m)
	}
	return out, nil
}

// gasMeter says what the newest reading is worth, and what the newest good one was.
func (w *web) gasMeter(s gas.State, lang string) gasMeter {
	t := gasWordsIn(lang)
	m := gasMeter{Serial: s.Serial}
	if s.Good != nil {
		m.Total, m.Seen = thousands(gas.CubicMetres(s.Good.Litres)), day(s.Good.At.Time(), lang)
	}
	n := s.Newest
	if n == nil {
		m.Note, m.Badge = t.None, "stale"
		return m
	}
	at, seen := day(n.Observed.Time(), lang), thousands(gas.CubicMetres(n.Litres))
	m.Old = w.Now().Sub(n.Observed.Time()) > gasOld
	switch n.Quality {
	case wire.ReadingGood:
		m.Good = true
		if !n.Certain() {
			m.Note, m.Badge = fmt.Sprintf(t.Unsure, day(n.Earliest.Time(), lang), day(n.Latest.Time(), lang)), "stale"
		}
	case wire.ReadingBad:
		m.Note, m.Badge = fmt.Sprintf(t.Bad, at), "bad"
		if m.Total != "" {
			m.Note += fmt.Sprintf(t.BadLast, m.Seen)
		}
	case wire.ReadingForeign:
		m.Note, m.Badge = fmt.Sprintf(t.Foreign, at), "warn"
	case wire.ReadingBackwards:
		m.Note, m.Badge = fmt.Sprintf(t.Backwards, at, seen), "warn"
	default:
		m.Note, m.Badge = fmt.Sprintf(t.Jump, at, seen), "warn"
	}
	return m
}

// use fills in what was used: today, and hour by hour up to end.
func (m *gasMeter) use(hours []gas.Hour, end time.Time, lang string) {
	byBegin := map[int64]gas.Hour{}
	for _, h := range hours {
		byBegin[h.Begin.Time().Unix()] = h
	}
	var used []hourUse
	for begin := end.Add(-tableHours * time.Hour); begin.Before(end); begin = begin.Add(time.Hour) {
		u := hourUse{begin: begin}
		h, read := byBegin[begin.Unix()]
		before, known := byBegin[begin.Add(-time.Hour).Unix()]
		switch {
		case read && known:
			u.litres, u.known = h.Last-before.Last, h.Last >= before.Last
		case read && h.Reads > 1:
			u.litres, u.known = h.Last-h.First, true
		}
		used = append(used, u)
		if !read {
			continue
		}
		row := hourRow{When: begin.Format("15:04"), Total: thousands(gas.CubicMetres(h.Last)), Used: "—"}
		if u.known {
			row.Used = thousands(u.litres)
		}
		m.Hours = append([]hourRow{row}, m.Hours...)
	}
	m.Chart = draw(used[len(used)-chartHours:])
	m.today(hours, end, lang)
}

// today is what was used since midnight, or since the first reading of the day where none of the day before is known.
func (m *gasMeter) today(hours []gas.Hour, end time.Time, lang string) {
	now := end.Add(-time.Hour)
	midnight := wire.At(time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()))
	from, known := int64(0), false
	for _, h := range hours {
		switch {
		case h.Begin < midnight:
			from, known = h.Last, true
			continue
		case !known:
			from, known = h.First, true
			m.Since = h.Begin.Time().In(now.Location()).Format("15:04")
		}
		if m.Today = ""; h.Last >= from {
			m.Today = thousands(h.Last - from)
		}
	}
	if m.Today == "" {
		m.Since = ""
	}
}

// hourUse is what was used in an hour.
type hourUse struct {
	begin  time.Time
	litres int64
	known  bool
}

// chart is a row of bars in CSS pixels, figures above and hours below.
type chart struct {
	Bars  []bar
	Words string // what it shows, for those who cannot see it
	Empty bool
}

type bar struct {
	X, Y, Height, Middle int
	Figure, Hour         string
	Known                bool
}

// Sizes of the chart, as gas.html has them: bars stand on 104 and reach up to 24.
const (
	slotWidth, barWidth = 37, 22
	ground, tallest     = 104, 80
)

func draw(used []hourUse) chart {
	c := chart{Empty: true}
	var most int64 = 1
	for _, u := range used {
		most = max(most, u.litres)
	}
	var words []string
	for i, u := range used {
		b := bar{X: i*slotWidth + (slotWidth-barWidth)/2, Y: ground, Middle: i*slotWidth + slotWidth/2, Figure: "—", Hour: u.begin.Format("15"), Known: u.known}
		if u.known {
			c.Empty = false
			b.Figure, b.Height = thousands(u.litres), int(u.litres*tallest/most)
			b.Y -= b.Height
			words = append(words, u.begin.Format("15:04")+" "+b.Figure)
		}
		c.Bars = append(c.Bars, b)
	}
	c.Words = strings.Join(words, ", ")
	return c
}

// thousands writes 12345 as 12,345.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// gasWords are the sentences of the page about gas in one language.
type gasWords struct {
	words
	SignInHint, Stale, Unheard, Serial, Unit, Source, Seen, Old, NoMeter, NoMeterHint string
	Check, Failed, Unread                                                             string
	None, Bad, BadLast, Foreign, Backwards, Jump, Unsure                              string
	Use, Today, Since, NoUse, Litres, LastHours, Numbers, When, Total                 string
}

func gasWordsIn(lang string) gasWords {
	if lang == "en" {
		return gasWords{
			words: wordsIn(lang), SignInHint: "See what your gas meter says.",
			Stale: "The building has not been heard since.", Unheard: "Not heard lately",
			Serial: "Meter", Unit: "m³", Source: "Meter reading", Seen: "Read on",
			Old: "Nothing has been read for more than a day.", NoMeter: "No meter is registered for your flat", NoMeterHint: "Please ask the manager's office to register it.",
			Check: "Needs a look", Failed: "Could not be read", Unread: "Not read yet",
			None: "The meter has not been read yet.", Bad: "The meter could not be read on %s.", BadLast: " The figure is from %s.",
			Foreign:   "Another meter than the registered one answered on %s. Its figure is not used; please tell the manager's office.",
			Backwards: "On %s the meter showed %s m³, less than before. That is not used; please tell the manager's office.",
			Jump:      "On %s the meter showed %s m³, more than can have been used. That is not used; please tell the manager's office.",
			Unsure:    "The building's clock was not certain: read between %s and %s.",
			Use:       "Use", Today: "Used today", Since: "since", NoUse: "What was used today is not known.", Litres: "litres",
			LastHours: "The last 8 hours, in litres", Numbers: "See the numbers", When: "Hour", Total: "Meter, m³",
		}
	}
	return gasWords{
		words: wordsIn(lang), SignInHint: "看看您家的瓦斯表。",
		Stale: "之後大樓沒有回報。", Unheard: "沒有回報",
		Serial: "表號", Unit: "度", Source: "自動讀表", Seen: "讀於",
		Old: "超過一天沒有新的讀數。", NoMeter: "您家還沒有登記瓦斯表", NoMeterHint: "請洽管理室為您登記。",
		Check: "需要查看", Failed: "讀取失敗", Unread: "還沒有讀數",
		None: "還沒有讀到這個瓦斯表。", Bad: "%s 讀取失敗", BadLast: "；上次 %s 讀到",
		Foreign:   "%s 回答的不是登記的瓦斯表，數字沒有採用。請告訴管理室。",
		Backwards: "%s 讀到 %s 度，比上次少，沒有採用。請告訴管理室。",
		Jump:      "%s 讀到 %s 度，多得不合理，沒有採用。請告訴管理室。",
		Unsure:    "當時大樓的時鐘不準：在 %s 到 %s 之間讀到。",
		Use:       "用量", Today: "今天用了", Since: "自", NoUse: "今天的用量還不知道。", Litres: "公升",
		LastHours: "最近 8 小時，單位公升", Numbers: "看數字", When: "時段", Total: "讀數（度）",
	}
}
