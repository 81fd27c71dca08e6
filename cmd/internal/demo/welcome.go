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
		if err := manager.post(ctx, path, map[string]string{"site": d.Name}); err != nil {
			return c, err
		}
		if *code, err = manager.code(ctx, path+"?site="+d.Name, ""); err != nil {
			return c, err
		}
	}
	for _, account := range d.residents() {
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

// residents are the accounts of people who live in the building.
func (d *Demo) residents() (subjects []string) {
	for _, a := range Accounts(d.Name) {
		if strings.Contains(a.Note, "resident") {
			subjects = append(subjects, a.Subject)
		}
	}
	return subjects
}

// Welcome is what the demo prints when it is ready to be played with. The page it names shows the same codes.
func (d *Demo) Welcome(c Codes) string {
	d.front.codes.Store(&c)
	var b strings.Builder
	line := func(what, where string) { fmt.Fprintf(&b, "  %-28s %s\n", what, where) }
	b.WriteString("\nLobby is running. Begin here: all pages, all codes, and the switches for what can fail.\n\n")
	line("示範社區 start", "http://"+local(d.Ports.Outside)+"/")
	b.WriteString("\n")
	for _, p := range d.places() {
		line(p.ZH+" "+p.EN, p.Address)
	}
	line("API", "http://"+local(d.Ports.API)+"/docs")
	b.WriteString("\nCtrl-C ends it.\n\n")
	return b.String()
}
