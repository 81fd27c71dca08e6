package demo

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// front is the demo's own first page: where everything is, what to type, and the switches for what can fail.
type front struct {
	d     *Demo
	codes atomic.Pointer[Codes] // nil until they are minted
}

// place is one page of Lobby.
type place struct {
	ZH, EN, Address string
	HintZH, HintEN  string
}

// breaker is one thing that can be switched off and on again.
type breaker struct {
	Name, ZH, EN           string
	On                     bool
	OffZH, OffEN           string // what is pressed to switch it off
	OnZH, OnEN             string
	StillZH, StillEN       string // what goes on meanwhile
	WhileOnZH, WhileOnEN   string
	WhileOffZH, WhileOffEN string
}

func (d *Demo) places() []place {
	at := func(port int, path string) string { return "http://" + local(port) + path }
	return []place{
		{"模擬大樓", "Building", at(d.Ports.Building, "/"), "櫃門、瓦斯表、門，用手碰得到的都在這裡", "Lockers, meters and doors: all that one can touch"},
		{"包裹櫃", "Locker kiosk", at(d.Ports.Kiosk, "/"), "投件、取件", "Deliver and collect"},
		{"門口螢幕", "Door screens", at(d.Ports.Kiosk, "/door/"), "出示票券，或輸入住戶密碼", "Hold a ticket to the reader, or type the household code"},
		{"住戶", "Residents", at(d.Ports.API, "/"), "包裹、預約、瓦斯：以陳大明登入", "Parcels, bookings, gas: sign in as 陳大明"},
		{"社區經理", "Manager", at(d.Ports.API, "/doors"), "遠端開門：以王經理登入", "Open a door from afar: sign in as 王經理"},
		{"維運中心", "Operators", at(d.Ports.API, "/operator"), "每個閘道器與裝置：以周工程師登入", "Every gateway and device: sign in as 周工程師"},
		{"管理室", "Guard's desk", "https://" + local(d.Ports.Desk) + "/", "瀏覽器會警告憑證，因為是示範自己發的", "The browser warns of the demo's own certificate"},
		{"收件匣", "Inbox", at(d.Ports.Outside, "/inbox"), "住戶收到的通知", "What residents are told"},
		{"元件", "Components", at(d.Ports.Outside, "/look/gallery.html"), "所有頁面共用的樣式與圖示", "What all pages are made of"},
	}
}

func (f *front) breakers() []breaker {
	return []breaker{
		{"link", "大樓的網路", "The building's internet", !f.d.Link.IsCut(), "切斷網路", "Cut the link", "接回網路", "Mend the link",
			"取件、投件、開門、抄表照常；雲端看到的是舊資料", "Collecting, delivering, doors and meters go on; the cloud shows what it knew", "通", "connected", "斷了", "cut"},
		{"cloud", "雲端", "The cloud", f.d.Cloud.Running(), "關掉雲端", "Kill the cloud", "啟動雲端", "Start the cloud",
			"大樓照常；住戶頁面打不開，事情都記在閘道器", "The building goes on; residents' pages do not answer, and the gateway keeps everything", "執行中", "running", "停了", "down"},
		{"gateway", "大樓的閘道器", "The building's gateway", f.d.Gateway.Running(), "拔掉電源", "Pull its plug", "接上電源", "Plug it in",
			"大樓裡沒有人回應；接上後先看每個門，不會自己開門", "Nobody answers in the building; when it is back it looks at every door and opens none", "執行中", "running", "停了", "down"},
	}
}

func (f *front) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", f.show)
	mux.HandleFunc("POST /switch/{name}/{to}", f.flip)
	return http.NewCrossOriginProtection().Handler(mux)
}

func (f *front) show(w http.ResponseWriter, _ *http.Request) {
	shown := struct {
		Places   []place
		Breakers []breaker
		Codes    *Codes
		Units    []string
	}{Places: f.d.places(), Breakers: f.breakers(), Codes: f.codes.Load()}
	if shown.Codes != nil {
		shown.Units = slices.Sorted(maps.Keys(shown.Codes.Homes))
	}
	var b bytes.Buffer
	if err := frontPage.Execute(&b, shown); err != nil {
		http.Error(w, "the page cannot be drawn", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'")
	_, _ = w.Write(b.Bytes()) // the reader may have left
}

func (f *front) flip(w http.ResponseWriter, r *http.Request) {
	if err := f.set(r.Context(), r.PathValue("name"), r.PathValue("to") == "on"); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (f *front) set(ctx context.Context, name string, on bool) error {
	processes := map[string]*Process{"cloud": f.d.Cloud, "gateway": f.d.Gateway}
	p, isProcess := processes[name]
	switch {
	case name == "link" && on:
		f.d.Link.Mend()
	case name == "link":
		f.d.Link.Cut()
	case !isProcess:
		return fmt.Errorf("no switch %q: use link, cloud or gateway", name)
	case on && !p.Running():
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		_, err := p.Start(ctx)
		return err
	case !on:
		p.Kill()
	}
	return nil
}

var frontPage = template.Must(template.New("front").Funcs(template.FuncMap{"spaced": func(s string) string {
	if len(s) != 8 {
		return s
	}
	return s[:4] + " " + s[4:]
}}).Parse(`<!doctype html>
<html lang="zh-TW"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lobby 示範社區</title><link rel="stylesheet" href="/look/look.css">
<body><header class="head"><span class="head-title">Lobby 示範社區</span><span class="spacer"></span><span class="muted" lang="en">A building to play with</span></header>
<main class="page stack">
<section class="stack"><h2>先試這個 <span class="muted" lang="en">Try this first</span></h2>
<ol class="list card">
<li class="item"><div class="item-body"><div class="item-title">收一件包裹 <span class="muted" lang="en">A parcel</span></div><div class="item-line">在包裹櫃以快遞的號碼投件給 A-12-3；到模擬大樓點打開的櫃門，放入物品、關上。再回包裹櫃，以住戶密碼取件。</div><div class="item-line" lang="en">At the kiosk deliver to A-12-3 with the courier's code; in the building tap the open door, put something in and close it. Then collect at the kiosk with the household code.</div></div></li>
<li class="item"><div class="item-body"><div class="item-title">進健身房 <span class="muted" lang="en">Into the gym</span></div><div class="item-line">以住戶預約健身房現在的時段；在票券上點一下那串文字，複製後貼到健身房的門口螢幕；幾秒內到模擬大樓推門。</div><div class="item-line" lang="en">As a resident book the gym's running slot; click the text on the ticket, copy it and paste it at the gym's door screen; within seconds push the door in the building.</div></div></li>
<li class="item"><div class="item-body"><div class="item-title">關一道門 <span class="muted" lang="en">Close a door</span></div><div class="item-line">在管理室的「門禁」關閉健身房，再到門口螢幕試票券；或以社區經理從遠端打開。</div><div class="item-line" lang="en">At the guard's desk, under Doors, close the gym and try a ticket at its screen; or try to open it from afar as the manager.</div></div></li>
</ol></section>
<section class="stack"><h2>看看、摸摸 <span class="muted" lang="en">Look and touch</span></h2>
<div class="list card">{{range .Places}}<a class="item" href="{{.Address}}" target="_blank" rel="noopener"><div class="item-body"><div class="item-title">{{.ZH}} <span class="muted" lang="en">{{.EN}}</span></div><div class="item-line">{{.HintZH}}</div><div class="item-line" lang="en">{{.HintEN}}</div></div><span class="item-end"><svg class="icon" aria-hidden="true"><use href="/look/icons.svg#chevron-right"></use></svg></span></a>
{{end}}</div></section>
<section class="stack"><h2>弄壞它 <span class="muted" lang="en">Break it</span></h2>
<div class="cols">{{range .Breakers}}<form class="card stack" method="post" action="/switch/{{.Name}}/{{if .On}}off{{else}}on{{end}}">
<h3 class="card-title">{{.ZH}} <span class="muted" lang="en">{{.EN}}</span></h3>
<p>{{if .On}}<span class="badge badge-ok"><svg class="icon icon-s" aria-hidden="true"><use href="/look/icons.svg#check"></use></svg>{{.WhileOnZH}} <span lang="en">{{.WhileOnEN}}</span></span>{{else}}<span class="badge badge-bad"><svg class="icon icon-s" aria-hidden="true"><use href="/look/icons.svg#x"></use></svg>{{.WhileOffZH}} <span lang="en">{{.WhileOffEN}}</span></span>{{end}}</p>
<p>{{.StillZH}}</p><p class="hint" lang="en">{{.StillEN}}</p>
<button class="btn btn-m{{if .On}} btn-danger-line{{else}} btn-filled{{end}}" id="{{.Name}}">{{if .On}}{{.OffZH}} <span lang="en">{{.OffEN}}</span>{{else}}{{.OnZH}} <span lang="en">{{.OnEN}}</span>{{end}}</button></form>
{{end}}</div></section>
<section class="stack"><h2>要輸入的號碼 <span class="muted" lang="en">What to type</span></h2>
{{with .Codes}}<div class="card table-wrap"><table class="table"><tbody>
<tr><td>快遞黑貓，在包裹櫃 <span class="muted" lang="en">courier, at the kiosk</span></td><td class="num mono nowrap">{{spaced .Courier}}</td></tr>
<tr><td>管理員黃○德，在管理室 <span class="muted" lang="en">guard, at the desk</span></td><td class="num mono nowrap">{{spaced .Guard}}</td></tr>
{{range $unit := $.Units}}<tr><td>{{$unit}} 住戶密碼 <span class="muted" lang="en">household code</span></td><td class="num mono nowrap">{{spaced (index $.Codes.Homes $unit)}}</td></tr>{{end}}
</tbody></table></div>{{else}}<p class="hint">號碼還沒做好，請重新整理。 <span lang="en">Not made yet; please reload.</span></p>{{end}}</section>
</main></body></html>
`))
