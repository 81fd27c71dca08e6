package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ntpc-smart-community/lobby/cmd/internal/issuer"
	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
)

// marker tells a folder that a demo made, and may remove, from one that it must not touch.
const marker = ".lobby-demo"

// tellAgain is short, so that the tour can see in a minute what else takes ten: an event that was marked delivered so long
// ago is not told again.
const tellAgain = 2 * time.Second

// Ports are where the demo's pages listen on 127.0.0.1.
type Ports struct {
	Building, Kiosk, Desk, Metrics, API, CloudMetrics, Outside, Broker int

	Meters, Converter                    int // of the meters on the network, and of the converter before others
	NextBuilding, NextKiosk, NextMetrics int // of the second building
}

// FixedPorts are those of `make demo`, so that its addresses can be remembered.
func FixedPorts() Ports {
	return Ports{Building: 8090, Kiosk: 8080, Desk: 8443, Metrics: 9100, API: 8081, CloudMetrics: 9101, Outside: 8082, Broker: 8883,
		Meters: 8502, Converter: 8503, NextBuilding: 8091, NextKiosk: 8086, NextMetrics: 9106}
}

// FreePorts are ports that nobody listens on now, below those that the system gives to outgoing connections: one of these
// could take a port before its listener does. Processes choose apart, since some ports are listened on a minute later.
func FreePorts() (Ports, error) {
	var p Ports
	next := 20_000 + os.Getpid()%500*20
	for _, port := range []*int{
		&p.Building, &p.Kiosk, &p.Desk, &p.Metrics, &p.API, &p.CloudMetrics, &p.Outside, &p.Broker,
		&p.Meters, &p.Converter, &p.NextBuilding, &p.NextKiosk, &p.NextMetrics,
	} {
		l, err := listenFrom(next)
		if err != nil {
			return Ports{}, err
		}
		if err := l.Close(); err != nil {
			return Ports{}, err
		}
		*port = l.Addr().(*net.TCPAddr).Port
		next = *port + 1
	}
	return p, nil
}

// listenFrom listens on the first free port from one on.
func listenFrom(port int) (l net.Listener, err error) {
	for range 100 {
		if l, err = net.Listen("tcp", local(port)); err == nil {
			return l, nil
		}
		port++
	}
	return nil, err
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// Demo is one running Lobby.
type Demo struct {
	Name                     string // of the building, and of its site
	Dir                      string
	Ports                    Ports
	Seed                     uint64
	Faults                   string // file of the fault script that is played; empty: none
	Building, Cloud, Gateway *Process
	Link                     *Link
	Tap                      *Tap
	Next                     *Neighbour // nil: it is not plugged in
	Inbox                    *Inbox
	CA                       *pki.CA

	front   *front
	outside *http.Server
	group   *errgroup.Group
	stop    context.CancelFunc
}

// ErrBuilding says that there are no such files.
var ErrBuilding = errors.New("no ready building")

// Buildings are the ready ones.
func Buildings() []string { return []string{"demo", "small", "tower", "nightmare"} }

// Accounts are the people of a ready building who can sign in; what each may do stands in its community's file.
func Accounts(building string) []issuer.Account {
	all := []issuer.Account{
		{Subject: "chen", Name: "陳大明", Note: "A-12-3 住戶 resident"},
		{Subject: "lin", Name: "林小美", Note: "A-8-1 住戶 resident"},
	}
	if building != Buildings()[0] {
		all = append(all,
			issuer.Account{Subject: "chang", Name: "張志豪", Note: "B-7-2 住戶 resident"},
			issuer.Account{Subject: "wu", Name: "吳淑芬", Note: "A-3-1 住戶 resident"},
			issuer.Account{Subject: "tsai", Name: "蔡宗憲", Note: "A-5-2 住戶 resident"},
			issuer.Account{Subject: "hung", Name: "洪雅琪", Note: "B-4-1 住戶 resident"},
		)
	}
	return append(all,
		issuer.Account{Subject: "manager", Name: "王經理", Note: "社區經理 manager"},
		issuer.Account{Subject: "operator", Name: "周工程師", Note: "市府維運 operator"},
	)
}

// Box is the id of the building's gateway.
func (d *Demo) Box() string { return "gw-" + d.Name }

// Options say where a demo runs.
type Options struct {
	Name   string // of a ready building; empty: demo
	Dir    string // must be new, empty, or an earlier demo's: that one is removed
	Ports  Ports
	Look   fs.FS         // what all pages share
	Tapped bool          // keep what goes over the link, to search it
	Sweep  time.Duration // between the begins of two readings of a meter; 0: as the gateway's file says
	Seed   uint64        // of what chance does to the building and, in a tour, of when faults strike; 0: the building's own, and at once
}

// Open prepares a demo.
func Open(o Options) (*Demo, error) {
	name := cmp.Or(o.Name, Buildings()[0])
	if !slices.Contains(Buildings(), name) {
		return nil, fmt.Errorf("%w %q: use one of %s", ErrBuilding, name, strings.Join(Buildings(), ", "))
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if err := clear(dir); err != nil {
		return nil, err
	}
	ports := o.Ports
	d := &Demo{Name: name, Dir: dir, Ports: ports, Seed: o.Seed}
	if err := d.files(); err != nil {
		return nil, err
	}
	secret, err := d.webhookSecret()
	if err != nil {
		return nil, err
	}
	if d.Inbox, err = NewInbox(secret); err != nil {
		return nil, err
	}
	if o.Tapped {
		if d.Tap, err = NewTap(d.CA, d.Box()); err != nil {
			return nil, err
		}
	}
	if o.Tapped && d.hasNeighbour() {
		if d.Next, err = d.neighbour(); err != nil {
			return nil, err
		}
	}
	if d.Link, err = Listen(local(ports.Broker), d.Tap); err != nil {
		return nil, err
	}
	if err := d.gatewayFile(o.Sweep); err != nil {
		return nil, err
	}
	api := "http://" + local(ports.API)
	if err := d.openOutside(api, o.Look); err != nil {
		return nil, err
	}
	d.processes(api)
	return d, nil
}

// openOutside makes what stands outside of Lobby: the issuer that people sign in with, their inbox, and the front page.
func (d *Demo) openOutside(api string, look fs.FS) error {
	sign, err := issuer.New(issuer.Config{
		URL:      "http://" + local(d.Ports.Outside) + "/issuer",
		Accounts: Accounts(d.Name),
		Clients:  []issuer.Client{{ID: "lobby", Redirect: api + "/auth/callback"}},
		Style:    "/look/look.css",
		Now:      time.Now,
	})
	if err != nil {
		return err
	}
	d.front = &front{d: d}
	mux := http.NewServeMux()
	mux.Handle("/", d.front.handler())
	mux.Handle("/issuer/", sign)
	mux.Handle("/inbox", d.Inbox)
	mux.Handle("/look/", http.StripPrefix("/look/", http.FileServerFS(look)))
	d.outside = &http.Server{Addr: local(d.Ports.Outside), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return nil
}

func clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty and no demo made it: name another folder with --data", dir)
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, sub := range []string{"", "tty", "gateway", "cloud", "root", "log"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, marker), []byte("made by lobby-demo; it removes this folder when it starts again\n"), 0o600)
}

func (d *Demo) processes(api string) {
	in := func(name ...string) string { return filepath.Join(append([]string{d.Dir}, name...)...) }
	d.Building = NewProcess(in("log"), "building", "sim", "building", in("building-"+d.Name+".yaml"),
		"--dir", in("tty"), "--listen", local(d.Ports.Building))
	if d.Faults != "" {
		d.Building.args = append(d.Building.args, "--faults", d.Faults)
	}
	d.Cloud = NewProcess(in("log"), "cloud", "cloud", "serve", "--data", in("cloud"), "--listen", local(d.Ports.API),
		"--external-url", api, "--broker-listen", local(d.Ports.Broker), "--metrics-listen", local(d.Ports.CloudMetrics),
		"--broker-cert", in("pki", "server-broker.pem"), "--broker-key", in("pki", "server-broker.key"), "--client-ca", in("pki", "ca.pem"),
		"--issuer", "http://"+local(d.Ports.Outside)+"/issuer", "--client-id", "lobby",
		"--webhook", "http://"+local(d.Ports.Outside)+"/inbox", "--webhook-secret-file", in("cloud", "webhook.secret"),
		"--tell-again", tellAgain.String())
	d.Gateway = NewProcess(in("log"), "gateway", "gateway", "run", "--config", in("gateway.yaml"), "--data", in("gateway"))
}

// Start brings everything up: keys and community first, then the building, the cloud, the gateway.
func (d *Demo) Start(ctx context.Context) error {
	ctx, d.stop = context.WithCancel(ctx)
	d.group, ctx = errgroup.WithContext(ctx)
	d.group.Go(func() error { return d.Link.Run(ctx) })
	if d.Next != nil {
		d.group.Go(func() error { return d.Next.Link.Run(ctx) })
	}
	d.group.Go(func() error {
		if err := d.outside.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	if err := d.enrol(); err != nil {
		return err
	}
	for _, p := range []*Process{d.Building, d.Cloud, d.Gateway} {
		if _, err := p.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// enrol does what an operator does once for a box: make the cloud's keys with the offline root key, take the root's
// public half to the box, and bring the community and the box's own key into the cloud.
func (d *Demo) enrol() error {
	data := filepath.Join(d.Dir, "cloud")
	root, err := run("cloud", "keys", "--data", data, "--root-key", filepath.Join(d.Dir, "root", "root.key"), "--fleet", "new-taipei")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.Dir, "root.pub"), []byte(strings.TrimSpace(root)+"\n"), 0o600); err != nil {
		return err
	}
	files := []string{filepath.Join(d.Dir, "community-"+d.Name+".yaml")}
	if d.hasNeighbour() {
		files = append(files, filepath.Join(d.Dir, "riverside", "community-riverside.yaml"))
	}
	for _, file := range files {
		if _, err := run("cloud", "import", "--data", data, file); err != nil {
			return err
		}
	}
	return nil
}

// Close stops everything that Start started.
func (d *Demo) Close() error {
	all := []*Process{d.Gateway, d.Cloud, d.Building}
	if d.Next != nil {
		all = append(all, d.Next.Gateway, d.Next.Building)
	}
	for _, p := range all {
		p.Stop()
	}
	if d.stop == nil {
		return nil
	}
	d.stop()
	err := d.outside.Close()
	return errors.Join(err, d.group.Wait())
}
