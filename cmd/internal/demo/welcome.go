package demo

import (
	"context"
	"fmt"
	"strings"
)

// Codes are what one needs to play: minted at the gateway on a wish of the cloud, like all codes.
type Codes struct {
	Courier string
	Guard   string
	Homes   map[string]string // household code by unit
}

// Codes asks for the demo's codes and waits until the gateway has minted them.
func (d *Demo) Codes(ctx context.Context) (Codes, error) {
	c := Codes{Homes: map[string]string{}}
	api := "http://" + local(d.Ports.API)
	manager, err := signIn(ctx, api, "manager")
	if err != nil {
		return c, err
	}
	for path, code := range map[string]*string{"/v1/couriers/black-cat/code": &c.Courier, "/v1/guards/huang/code": &c.Guard} {
		if err := manager.post(ctx, path, map[string]string{"site": "demo"}); err != nil {
			return c, err
		}
		if *code, err = manager.code(ctx, path+"?site=demo", ""); err != nil {
			return c, err
		}
	}
	for _, account := range []string{"chen", "lin"} {
		resident, err := signIn(ctx, api, account)
		if err != nil {
			return c, err
		}
		home, err := resident.household(ctx)
		if err != nil {
			return c, err
		}
		if err := resident.post(ctx, "/v1/household-code", map[string]string{"site": home.Site, "household": home.ID}); err != nil {
			return c, err
		}
		if c.Homes[home.Unit], err = resident.code(ctx, "/v1/household-code?site="+home.Site+"&household="+home.ID, ""); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Welcome is what the demo prints when it is ready to be played with.
func (d *Demo) Welcome(c Codes) string {
	var b strings.Builder
	line := func(what, where string) { fmt.Fprintf(&b, "  %-28s %s\n", what, where) }
	b.WriteString("\nLobby is running. Open these side by side:\n\n")
	line("模擬建築 building", "http://"+local(d.Ports.Building)+"/")
	line("包裹櫃 kiosk", "http://"+local(d.Ports.Kiosk)+"/")
	line("管理室 guard's desk", "https://"+local(d.Ports.Desk)+"/   (the demo's own certificate)")
	line("住戶 residents", "http://"+local(d.Ports.API)+"/")
	line("API", "http://"+local(d.Ports.API)+"/docs")
	line("收件匣 inbox", "http://"+local(d.Ports.Outside)+"/inbox")
	b.WriteString("\nCodes:\n\n")
	line("快遞 courier 黑貓", c.Courier)
	line("管理員 guard 黃○德", c.Guard)
	for _, unit := range []string{"A-12-3", "A-8-1"} {
		line("住戶 household "+unit, c.Homes[unit])
	}
	b.WriteString("\nSign in as 陳大明 (A-12-3), 林小美 (A-8-1), 王經理 or 周工程師. Ctrl-C ends it.\n\n")
	return b.String()
}
