package web

import (
	"fmt"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/parcels"
)

// words are the page's sentences in one language.
type words struct {
	SignIn, SignInHint                                             string
	Parcels, None, NoneHint, Door, Desk, PIN, PINGone, From, To    string
	Household, HouseholdHint, NoCode, Mint, MintHint, Waiting      string
	AsOf, Stale, Never, Tickets, NoHome, NoHomeHint, Trouble, Stop string
}

func wordsIn(lang string) words {
	if lang == "en" {
		return words{
			SignIn: "Sign in", SignInHint: "See what is waiting for your household, and the codes and tickets that open doors.",
			Parcels: "Waiting for you", None: "No parcels now", NoneHint: "We will tell you when one arrives.",
			Door: "Door", Desk: "Guard's desk, shelf", PIN: "Code", PINGone: "Use the household code, or ask the guard", From: "since", To: "until",
			Household: "Household code", HouseholdHint: "At the locker: your unit and these 8 digits open everything of your household. At a facility's door they open what you booked. Both work without the internet.",
			NoCode: "No code has been made yet.", Mint: "Make a new code", MintHint: "The old code works until the building has made the new one.",
			Waiting: "Waiting for the building. The old code still works there.",
			AsOf:    "As of", Stale: "The building has not been heard since. Collecting still works.", Never: "The building has not been heard yet.",
			Tickets: "Your tickets",
			NoHome:  "No household is registered for you", NoHomeHint: "Please ask the manager's office to register you.",
			Trouble: "Something went wrong on our side. Please try again later.", Stop: ". ",
		}
	}
	return words{
		SignIn: "登入", SignInHint: "看看有什麼等您領取，以及開門的號碼與票券。",
		Parcels: "等您領取", None: "目前沒有包裹", NoneHint: "到了會通知您。",
		Door: "號門", Desk: "管理室", PIN: "取件碼", PINGone: "請用住戶密碼，或洽管理室", From: "自", To: "到",
		Household: "住戶密碼", HouseholdHint: "在包裹櫃輸入戶別與這 8 位數字，可開您家全部的櫃門；在公設門口，預約時段內也能開門。沒有網路也能用。",
		NoCode: "還沒有住戶密碼。", Mint: "換新的住戶密碼", MintHint: "大樓換好之前，舊的號碼仍可使用。",
		Waiting: "等待大樓回應中，舊的號碼在大樓仍可使用。",
		AsOf:    "資料回報於", Stale: "之後大樓沒有回報，現場取件照常。", Never: "大樓尚未回報。",
		Tickets: "您的票券",
		NoHome:  "您還沒有登記住戶", NoHomeHint: "請洽管理室為您登記。",
		Trouble: "系統暫時有問題，請稍後再試。", Stop: "。",
	}
}

// day writes an instant as people of the building say it: 11/26（四）20:15, or Thu 26 Nov, 20:15.
func day(t time.Time, lang string) string {
	t = t.In(parcels.Taipei())
	if lang == "en" {
		return t.Format("Mon 2 Jan, 15:04")
	}
	return fmt.Sprintf("%s（%c）%s", t.Format("1/2"), []rune("日一二三四五六")[t.Weekday()], t.Format("15:04"))
}

// door writes a door's number with two digits.
func door(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%02d", n)
}

// spaced parts digits in the middle, so that they can be read out.
func spaced(digits string) string {
	half := len(digits) / 2
	if half == 0 {
		return ""
	}
	return digits[:half] + " " + digits[half:]
}
