package web_test

import (
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/gas"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// hourly has a meter of site-a read well at the begin of each hour; the last one is now.
func (b *bench) hourly(meter, serial string, litres ...int64) {
	var events []wire.Event
	for i, l := range litres {
		events = append(events, cloudtest.Reading(meter, b.Now.Add(time.Duration(i+1-len(litres))*time.Hour), cloudtest.Good(serial, l)))
	}
	b.Measure("site-a-gw", events...)
}

func TestGas(t *testing.T) {
	b := newBench(t)
	b.Pulse("site-a-gw", 1)
	_, _, page := b.get(cloudtest.ResA1, "/gas")
	check(t, "never read", page, []string{`lang="zh-TW"`, "還沒有讀到這個瓦斯表", "表號 10000001", "今天的用量還不知道"}, []string{"<rect", "自動讀表"})
	_, _, page = b.get(cloudtest.ResA1, "/")
	check(t, "home", page, []string{`href="/gas?lang=zh"`}, nil)

	b.hourly("m-1", "10000001", 1_866_000, 1_866_150, 1_866_999, 1_866_999)
	b.hourly("m-2", "10000002", 7_777_000, 7_777_100)
	_, h, page := b.get(cloudtest.ResA1, "/gas")
	check(t, "read", page, []string{">1,866<", "度", "讀於 6/15（一）12:00", "自動讀表", ">999<", "自 09:00", ">849<", "<rect", "<details>", "10:00 150", "12:00 0"},
		[]string{"7,777", "10000002", "讀取失敗", "<script", "style=", "http://", "https://", "沒有回報", "超過一天"})
	if h.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", h)
	}
	_, _, page = b.get(cloudtest.ResA2, "/gas")
	check(t, "the neighbour", page, []string{"7,777"}, []string{"1,866", "10000001"})
	_, _, page = b.get(cloudtest.ResA1, "/gas?lang=en")
	check(t, "in English", page, []string{`lang="en"`, "1,866", "m³", "Read on Mon 15 Jun, 12:00", "Used today", "since 09:00"}, []string{"度", "讀"})
	_, _, page = b.get(cloudtest.BossA, "/gas")
	check(t, "no household", page, []string{"您還沒有登記住戶"}, []string{"1,866", "7,777"})
	_, _, page = b.get(cloudtest.Unsigned, "/gas")
	check(t, "not signed in", page, []string{"/auth/login?next=%2Fgas"}, []string{"1,866", "7,777"})
	b.Now = b.Now.Add(time.Hour)
	_, _, page = b.get(cloudtest.ResA1, "/gas")
	check(t, "a silent building", page, []string{"之後大樓沒有回報", "1,866", "badge-stale"}, []string{"badge-ok"})
	b.Now = b.Now.Add(25 * time.Hour)
	b.Pulse("site-a-gw", 1)
	_, _, page = b.get(cloudtest.ResA1, "/gas")
	check(t, "no reading for a day", page, []string{"超過一天沒有新的讀數", "1,866"}, []string{"沒有回報"})
}

// What does not count is said in a sentence, beside the last total that does.
func TestGasThatDoesNotCount(t *testing.T) {
	last := func(b *bench) *wire.Good { return &wire.Good{Litres: 1_866_000, At: wire.At(b.Now.Add(-time.Hour))} }
	for _, tt := range []struct {
		name    string
		reading wire.Reading
		has     []string
	}{
		{"bad", wire.Reading{Quality: wire.ReadingBad, Code: "silent", Litres: 1_866_000}, []string{"6/15（一）12:00 讀取失敗；上次 6/15（一）11:00 讀到", "badge-bad"}},
		{"foreign", wire.Reading{Quality: wire.ReadingForeign, Serial: "1", Litres: 4_000}, []string{"回答的不是登記的瓦斯表", "badge-warn"}},
		{"backwards", wire.Reading{Quality: wire.ReadingBackwards, Serial: "10000001", Litres: 1_234_567}, []string{"讀到 1,234 度，比上次少", "badge-warn"}},
		{"jump", wire.Reading{Quality: wire.ReadingJump, Serial: "10000001", Litres: 9_234_567}, []string{"讀到 9,234 度，多得不合理", "badge-warn"}},
	} {
		b := newBench(t)
		b.Pulse("site-a-gw", 1)
		b.Measure("site-a-gw", cloudtest.Reading("m-1", b.Now.Add(-time.Hour), cloudtest.Good("10000001", 1_866_000)))
		tt.reading.Last = last(b)
		b.Measure("site-a-gw", cloudtest.Reading("m-1", b.Now, tt.reading))
		_, _, page := b.get(cloudtest.ResA1, "/gas")
		check(t, tt.name, page, append(tt.has, ">1,866<", "讀於 6/15（一）11:00"), []string{"badge-ok"})
	}
	b := newBench(t)
	b.Pulse("site-a-gw", 1)
	unsure := cloudtest.Good("10000001", 1_866_400)
	unsure.Last, unsure.Until = last(b), wire.At(b.Now.AddDate(0, 0, 45))
	event := cloudtest.Reading("m-1", b.Now.AddDate(-9, 0, 0), unsure)
	event.Clock = wire.Uncertain
	b.Measure("site-a-gw", event)
	_, _, page := b.get(cloudtest.ResA1, "/gas")
	check(t, "uncertain", page, []string{"時鐘不準：在 6/15（一）11:00 到 6/15（一）12:00 之間讀到", ">1,866<"}, []string{"<rect"})
}

// A counter that begins again, and a meter that is exchanged, are no use of less than nothing.
func TestGasThatBeginsAgain(t *testing.T) {
	b := newBench(t)
	b.Pulse("site-a-gw", 1)
	b.hourly("m-1", "10000001", 99_999_900, 50, 150)
	_, _, page := b.get(cloudtest.ResA1, "/gas")
	check(t, "rolled over", page, []string{">0<", "今天的用量還不知道", "12:00 100"}, []string{">-", "-99"})
	b.Write(func(tx *store.Tx) error { return gas.Import(t.Context(), tx, b.Fleet, "site-a", nil) })
	_, _, page = b.get(cloudtest.ResA1, "/gas")
	check(t, "no meter", page, []string{"您家還沒有登記瓦斯表"}, nil)
}
