package web

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// tongued says things of boxes in a language, "zh" or "en". What it has no words for it gives as it came.
type tongued string

func (l tongued) t(zh, en string) string {
	if l == "en" {
		return en
	}
	return zh
}

// badge is a state with an icon and a word.
type badge struct{ Look, Icon, Word string }

func (l tongued) state(s fleet.State) badge {
	switch s {
	case fleet.Online:
		return badge{"ok", "check", l.t("在線", "Online")}
	case fleet.Degraded:
		return badge{"warn", "triangle", l.t("降級", "Degraded")}
	case fleet.Stale:
		return badge{"stale", "question", l.t("遲未回報", "Stale")}
	case fleet.Offline:
		return badge{"stale", "cloud-off", l.t("離線", "Offline")}
	}
	return badge{"ended", "minus", l.t("未開通", "Never seen")}
}

// pairs are words by code, Chinese and English.
type pairs map[string][2]string

func (p pairs) in(l tongued, code string) string {
	if w, ok := p[code]; ok {
		return l.t(w[0], w[1])
	}
	return code
}

var (
	kinds = pairs{
		"locker_board": {"櫃門控制板", "Locker board"}, "gas_meter": {"瓦斯表", "Gas meter"}, "door": {"門禁", "Door"}, "device": {"裝置", "Device"},
	}
	codes = pairs{
		"": {"沒有回應", "Silent"}, wire.DeviceMute: {"沒有回應", "Silent"}, wire.DeviceUnasked: {"還沒問到", "Not asked yet"}, "gone": {"線路不在", "Line gone"}, "damaged": {"回應損壞", "Damaged answers"},
		"foreign": {"不是這個裝置", "Another device"},
	}
	qualities = pairs{
		string(wire.FromAnswer): {"雲端校時", "Cloud's time"}, string(wire.FromNTP): {"NTP", "NTP"}, string(wire.FromRTC): {"硬體時鐘", "Hardware clock"},
		string(wire.Holdover): {"守時", "Holdover"}, string(wire.Uncertain): {"不確定", "Uncertain"},
	}
	configs = pairs{
		"": {"沒有說", "not said"}, "ok": {"設定檔全部生效", "whole file in force"}, "partly": {"設定檔部分有錯，那些沒有生效", "entries with a fault are left out"},
		"last_good": {"設定檔不能用，沿用上一份", "file not usable: the last good one is in force"},
	}
	alarmWords = pairs{
		fleet.AlarmFork:       {"同一個名字有兩段歷史：磁碟被複製或倒回", "Two histories under one name: a copied or rolled back disk"},
		fleet.AlarmClone:      {"兩台機器用同一個身分", "Two boxes with one identity"},
		fleet.AlarmLost:       {"有事件在雲端收到前就不見了", "Events were gone before the cloud had them"},
		fleet.AlarmProjection: {"有事件記下了，還沒有生效", "An event is logged and has no effect yet"},
		fleet.AlarmDecode:     {"有簽章的事件讀不懂", "Signed events that cannot be read"},
	}
	eventWords = pairs{
		wire.EpochStarted: {"開始新的紀錄", "A new log began"}, wire.LossRecorded: {"記下遺失", "Loss recorded"}, wire.GatewayStarted: {"閘道啟動", "Gateway started"},
		wire.StateApplied: {"套用雲端設定", "Cloud settings applied"}, wire.RevocationApplied: {"憑證撤銷生效", "Revocation applied"},
		wire.DeviceSilent: {"裝置沒有回應", "Device fell silent"}, wire.DeviceReturned: {"裝置恢復回應", "Device answers again"},
		wire.ConfigRefused: {"設定檔被拒", "Configuration refused"}, wire.WishDone: {"雲端的請求已完成", "Wish done"}, wire.WishRefused: {"雲端的請求被拒", "Wish refused"},
		wire.CredentialMinted: {"產生新的號碼", "Code minted"}, wire.CredentialEnded: {"號碼失效", "Code ended"}, wire.CredentialHanded: {"管理員交付號碼", "Code handed out by the guard"},
		wire.GrantUnlocked: {"管理員解除鎖定", "Lock-out ended by the guard"}, wire.GrantRefused: {"號碼不對", "Code refused"},
		wire.SessionStarted: {"開始操作", "Session started"}, wire.SessionEnded: {"結束操作", "Session ended"},
		wire.UnlockIntended: {"準備開櫃門", "About to open a compartment"}, wire.UnlockOpened: {"櫃門打開", "Compartment opened"},
		wire.UnlockFailed: {"櫃門打不開", "Compartment stuck"}, wire.UnlockUnknown: {"開櫃門結果不明", "Opening unknown"},
		wire.CompartmentMoved: {"櫃門狀態改變", "Compartment changed"}, wire.CompartmentForced: {"沒有指令，櫃門開了", "Compartment forced"}, wire.DoorAjar: {"櫃門沒關", "Compartment left open"},
		wire.ParcelIntake: {"包裹存入中", "Parcel taken in"}, wire.ParcelStored: {"包裹存好", "Parcel stored"}, wire.ParcelSettled: {"包裹可以通知", "Parcel settled"},
		wire.ParcelChanged: {"包裹狀態改變", "Parcel changed"}, wire.ParcelCollected: {"包裹領走", "Parcel collected"}, wire.ClockConfirmed: {"管理員確認時鐘", "Clock confirmed by the guard"},
		wire.MeterRead: {"讀表", "Meter read"}, wire.DoorOpening: {"準備開門", "About to open a door"}, wire.DoorOpened: {"門打開", "Door opened"},
		wire.DoorUnopened: {"門放行了，沒有人開", "Door released, not opened"}, wire.DoorUnknown: {"開門結果不明", "Door release unknown"}, wire.DoorRefused: {"門沒有放行", "Door not released"},
		wire.DoorChanged: {"門狀態改變", "Door changed"}, wire.DoorForced: {"門被強開", "Door forced"}, wire.DoorHeld: {"門開著 30 秒", "Door held open"}, wire.DoorLeftOpen: {"門沒關", "Door left open"},
		wire.DoorClosedDown: {"管理員關閉場地", "Closed by the guard"}, wire.DoorReopened: {"管理員恢復場地", "Reopened by the guard"},
		wire.CommandRefused: {"命令被拒", "Command refused"}, wire.CommandPulsed: {"命令已執行", "Command carried out"}, wire.CommandOpened: {"命令已執行，門開了", "Command opened it"},
		wire.CommandUnknown: {"命令結果不明，不會重送", "Command unknown, never sent again"},
	}
)

func (l tongued) kind(code string) string       { return kinds.in(l, code) }
func (l tongued) code(code string) string       { return codes.in(l, code) }
func (l tongued) quality(q wire.Quality) string { return qualities.in(l, string(q)) }
func (l tongued) config(code string) string     { return configs.in(l, code) }
func (l tongued) alarm(kind string) string      { return alarmWords.in(l, kind) }
func (l tongued) event(kind string) string      { return eventWords.in(l, kind) }

// many says a number of things.
func (l tongued) many(n int, zh, one, en string) string {
	if n == 1 {
		return l.t(fmt.Sprintf(zh, n), one)
	}
	printer := message.NewPrinter(language.English)
	return l.t(printer.Sprintf(zh, n), printer.Sprintf(en, n))
}

// reasons are a gateway's reasons as sentences; silent devices are counted, since each has a row of its own.
func (l tongued) reasons(r row) (all []string) {
	silent := 0
	for _, code := range r.Reasons {
		if strings.HasPrefix(code, "device_silent:") {
			silent++
		}
	}
	if silent > 0 {
		all = append(all, l.many(silent, "%d 個裝置沒有回應", "1 device is silent", "%d devices are silent"))
	}
	for _, code := range r.Reasons {
		what, _, _ := strings.Cut(code, ":")
		alarm, isAlarm := strings.CutPrefix(what, "alarm_")
		switch {
		case what == "device_silent":
		case isAlarm:
			all = append(all, l.alarm(alarm))
		case what == "backlog":
			all = append(all, l.t("待送事件最舊的已等 ", "the oldest event has waited ")+r.Waiting())
		case what == "disk_low":
			all = append(all, l.t("磁碟只剩 ", "only this much disk is left: ")+r.Disk())
		case what == "clock_uncertain":
			all = append(all, l.t("時鐘不確定：包裹不會過期，票券從寬", "its clock is uncertain: no parcel expires"))
		case what == "state_refused":
			all = append(all, l.t("拒收雲端設定：", "it refuses the cloud's settings: ")+r.RefusedDoc)
		case what == "state_not_applied":
			all = append(all, l.t("雲端設定超過 10 分鐘沒有套用：可能被擋住", "the cloud's settings are not applied for 10 min: they may be held back"))
		case strings.HasPrefix(what, "config_"):
			all = append(all, l.config(r.Config))
		default:
			all = append(all, code)
		}
	}
	return all
}

// clock writes an instant: the time alone if it was today, by seconds.
func (l tongued) clock(t, now time.Time) string {
	if t, now = t.In(parcels.Taipei()), now.In(parcels.Taipei()); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	if l == "en" {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("1/2 15:04")
}

func (l tongued) day(t time.Time) string {
	t = t.In(parcels.Taipei())
	if l == "en" {
		return t.Format("Mon 2 Jan")
	}
	return fmt.Sprintf("%s（%c）", t.Format("1/2"), []rune("日一二三四五六")[t.Weekday()])
}

// age writes how long something is ago, as coarse as it is old: it changes once a minute at most.
func (l tongued) age(d time.Duration) string {
	minutes := int(d / time.Minute)
	switch {
	case minutes < 1:
		return l.t("不到 1 分鐘", "under 1 min")
	case minutes < 60:
		return l.t(fmt.Sprintf("%d 分鐘", minutes), fmt.Sprintf("%d min", minutes))
	case minutes < 48*60:
		return l.t(fmt.Sprintf("%d 小時 %d 分", minutes/60, minutes%60), fmt.Sprintf("%d h %d min", minutes/60, minutes%60))
	}
	return l.t(fmt.Sprintf("%d 天", minutes/60/24), fmt.Sprintf("%d days", minutes/60/24))
}

// offset writes by how much a clock is ahead.
func offset(d time.Duration) string {
	sign := "+"
	if d < 0 {
		sign, d = "−", -d
	}
	switch {
	case d < time.Second:
		return fmt.Sprintf("%s%d ms", sign, d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%s%.1f s", sign, d.Seconds())
	case d < 48*time.Hour:
		return fmt.Sprintf("%s%d min", sign, int(d.Minutes()))
	}
	return fmt.Sprintf("%s%d d", sign, int(d.Hours())/24)
}

// number writes thousands apart.
func number(n int) string { return message.NewPrinter(language.English).Sprint(n) }

// size writes bytes.
func size(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d kB", n>>10)
}
