package demo

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
	"github.com/ntpc-smart-community/lobby/configs"
	"github.com/ntpc-smart-community/lobby/gateway"
)

// files copies the ready configurations and makes the certificates.
func (d *Demo) files() error {
	keys, err := gateway.OpenKeys(filepath.Join(d.Dir, "gateway"))
	if err != nil {
		return err
	}
	if err := d.copyFiles(d.Dir, []string{"building-" + d.Name + ".yaml", "community-" + d.Name + ".yaml"}, append(d.ports(),
		"http://127.0.0.1:8082", "http://"+local(d.Ports.Outside),
		"EVENT-KEY", base64.StdEncoding.EncodeToString(keys.Public()),
	)...); err != nil {
		return err
	}
	if err := errors.Join(d.seeded(), d.scripted()); err != nil {
		return err
	}
	if d.CA, err = pki.Open(filepath.Join(d.Dir, "pki"), time.Now); err != nil {
		return err
	}
	_, err = d.CA.Client(d.Box())
	if err == nil {
		_, err = d.CA.Server("broker")
	}
	if err == nil {
		_, err = d.CA.Server("desk")
	}
	if err != nil || !d.hasNeighbour() {
		return err
	}
	return d.neighbourFiles()
}

// hasNeighbour tells whether there is a second building: beside the demo alone.
func (d *Demo) hasNeighbour() bool { return d.Name == Buildings()[0] }

// ports are the devices on TCP: where the ready files have them, and where they are here.
func (d *Demo) ports() []string {
	return []string{"127.0.0.1:8502", local(d.Ports.Meters), "127.0.0.1:8503", local(d.Ports.Converter)}
}

// scripted copies the building's fault script, if it has one.
func (d *Demo) scripted() error {
	name := "faults-" + d.Name + ".yaml"
	if _, err := fs.Stat(configs.FS, name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	d.Faults = filepath.Join(d.Dir, name)
	return d.copyFiles(d.Dir, []string{name})
}

// seeded puts the demo's seed into the building's file, unless it keeps its own.
func (d *Demo) seeded() error {
	if d.Seed == 0 {
		return nil
	}
	return rewrite(filepath.Join(d.Dir, "building-"+d.Name+".yaml"), func(text string) string {
		return regexp.MustCompile(`(?m)^seed: \d+`).ReplaceAllString(text, fmt.Sprintf("seed: %d", d.Seed))
	})
}

// gatewayFile writes the gateway's configuration: the ready one with this demo's addresses, and with a cloud and a desk.
func (d *Demo) gatewayFile(sweep time.Duration) error {
	name := "gateway-" + d.Name + ".yaml"
	err := d.copyFiles(d.Dir, []string{name}, append(d.ports(),
		"127.0.0.1:8883", d.Link.Addr(),
		"127.0.0.1:8080", local(d.Ports.Kiosk),
		"127.0.0.1:8443", local(d.Ports.Desk),
		"127.0.0.1:9100", local(d.Ports.Metrics),
	)...)
	if err != nil {
		return err
	}
	file := d.gatewayPath()
	if err := os.Rename(filepath.Join(d.Dir, name), file); err != nil {
		return err
	}
	return rewrite(file, func(text string) string {
		if !strings.Contains(text, "\ncloud:") {
			text += fmt.Sprintf(cloudAndDesk, d.Link.Addr(), d.Box(), d.Box(), local(d.Ports.Desk))
		}
		if sweep != 0 {
			text = regexp.MustCompile(`(?m)^  every: .*$`).ReplaceAllString(text, "  every: "+sweep.String())
		}
		return text
	})
}

// gatewayPath is where the gateway's configuration is.
func (d *Demo) gatewayPath() string { return filepath.Join(d.Dir, "gateway.yaml") }

// cloudAndDesk is what the files of buildings leave out that work alone.
const cloudAndDesk = `
cloud:
  broker: tls://%s
  ca: pki/ca.pem
  certificate: pki/gateway-%s.pem
  key: pki/gateway-%s.key
  root_key: root.pub

desk:
  listen: %s
  certificate: pki/server-desk.pem
  key: pki/server-desk.key
`

func rewrite(file string, change func(string) string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(change(string(b))), 0o600)
}

func (d *Demo) webhookSecret() (string, error) {
	b := make([]byte, 32)
	rand.Read(b)
	secret := "whsec_" + base64.StdEncoding.EncodeToString(b)
	return secret, os.WriteFile(filepath.Join(d.Dir, "cloud", "webhook.secret"), []byte(secret), 0o600)
}

// copyFiles copies ready configurations into a folder, with some words exchanged.
func (d *Demo) copyFiles(dir string, names []string, oldnew ...string) error {
	for _, name := range names {
		b, err := configs.FS.ReadFile(name)
		if err != nil {
			return err
		}
		text := strings.NewReplacer(oldnew...).Replace(string(b))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
