package demo

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/ntpc-smart-community/lobby/gateway"
)

// neighbourID is the second building's box.
const neighbourID = "gw-riverside"

// Neighbour is a second building with a door of the same name as one of the first's: what is meant for one must do nothing
// at the other. The cloud knows it in every demo; only the tour plugs it in.
type Neighbour struct {
	Building, Gateway *Process
	Link              *Link
	Tap               *Tap
}

// neighbourFiles writes the second building's configurations and makes its keys.
func (d *Demo) neighbourFiles() error {
	dir := filepath.Join(d.Dir, "riverside")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "tty"), 0o700), os.MkdirAll(filepath.Join(dir, "gateway"), 0o700)); err != nil {
		return err
	}
	keys, err := gateway.OpenKeys(filepath.Join(dir, "gateway"))
	if err != nil {
		return err
	}
	if _, err := d.CA.Client(neighbourID); err != nil {
		return err
	}
	return d.copyFiles(dir, []string{"building-riverside.yaml", "community-riverside.yaml", "gateway-riverside.yaml"},
		"EVENT-KEY", base64.StdEncoding.EncodeToString(keys.Public()),
		"http://127.0.0.1:8082", "http://"+local(d.Ports.Outside),
		"127.0.0.1:8086", local(d.Ports.NextKiosk),
		"127.0.0.1:9106", local(d.Ports.NextMetrics),
	)
}

// neighbour prepares the second building's processes behind a link of its own.
func (d *Demo) neighbour() (*Neighbour, error) {
	dir := filepath.Join(d.Dir, "riverside")
	tap, err := NewTap(d.CA, neighbourID)
	if err != nil {
		return nil, err
	}
	link, err := Listen(local(d.Ports.Broker), tap)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "gateway-riverside.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	text = []byte(strings.Replace(string(text), "127.0.0.1:8884", link.Addr(), 1))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	log := filepath.Join(d.Dir, "log")
	return &Neighbour{
		Link: link, Tap: tap,
		Building: NewProcess(log, "riverside-building", "sim", "building", filepath.Join(dir, "building-riverside.yaml"),
			"--dir", filepath.Join(dir, "tty"), "--listen", local(d.Ports.NextBuilding)),
		Gateway: NewProcess(log, "riverside-gateway", "gateway", "run", "--config", file, "--data", filepath.Join(dir, "gateway")),
	}, nil
}
