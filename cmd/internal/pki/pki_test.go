package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
)

func open(t *testing.T, dir string, now time.Time) *pki.CA {
	t.Helper()
	ca, err := pki.Open(dir, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func must(t *testing.T) func(f pki.Files, err error) pki.Files {
	return func(f pki.Files, err error) pki.Files {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHandshake(t *testing.T) {
	ca := open(t, t.TempDir(), time.Now())
	server, client := must(t)(ca.Server("broker")), must(t)(ca.Client("site-a"))
	load := func(f pki.Files) []tls.Certificate {
		c, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{c}
	}
	for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
		a, b := net.Pipe()
		s := tls.Server(a, &tls.Config{Certificates: load(server), ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert})
		c := tls.Client(b, &tls.Config{Certificates: load(client), RootCAs: ca.Pool(), ServerName: host})
		done := make(chan error, 1)
		go func() {
			err := s.Handshake()
			if err == nil {
				_, err = s.Write([]byte("x")) // in TLS 1.3 the client's verdict comes with the first bytes
			}
			done <- err
		}()
		if err := c.Handshake(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: server: %v", host, err)
		}
		peer := s.ConnectionState().PeerCertificates[0]
		if peer.Subject.CommonName != "site-a" || len(peer.DNSNames) != 1 || peer.DNSNames[0] != "site-a" {
			t.Errorf("client is %q %q; want site-a", peer.Subject.CommonName, peer.DNSNames)
		}
		a.Close()
		b.Close()
	}
}

func TestSecondStartKeepsAll(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	ca := open(t, dir, now)
	files := []pki.Files{must(t)(ca.Server("broker", "lobby.example")), must(t)(ca.Client("site-a")), {Cert: ca.File(), Key: filepath.Join(dir, "ca.key")}}
	var before []string
	for _, f := range files {
		before = append(before, content(t, f.Cert), content(t, f.Key))
	}
	again := open(t, dir, now.Add(24*time.Hour))
	must(t)(again.Server("broker", "lobby.example"))
	must(t)(again.Client("site-a"))
	for i, f := range files {
		if content(t, f.Cert) != before[2*i] || content(t, f.Key) != before[2*i+1] {
			t.Errorf("%s was made anew", f.Cert)
		}
	}
	must(t)(again.Server("broker", "other.example"))
	if content(t, files[0].Cert) == before[0] {
		t.Error("another host's certificate was kept")
	}
	must(t)(open(t, dir, now.Add(61*24*time.Hour)).Client("site-a"))
	if content(t, files[1].Cert) == before[2] {
		t.Error("a certificate near its end was kept")
	}
}

// invariant 10: keys are files of mode 0600.
func TestModes(t *testing.T) {
	dir := t.TempDir()
	ca := open(t, dir, time.Now())
	must(t)(ca.Server("broker"))
	must(t)(ca.Client("site-a"))
	keys, err := filepath.Glob(filepath.Join(dir, "*.key"))
	if err != nil || len(keys) != 3 {
		t.Fatalf("%q, %v; want 3 keys", keys, err)
	}
	for _, k := range keys {
		info, err := os.Stat(k)
		if err != nil || info.Mode() != fs.FileMode(0o600) {
			t.Errorf("%s: %v, %v; want 0600", k, info.Mode(), err)
		}
	}
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	ca := open(t, dir, time.Now())
	f := must(t)(ca.Client("site-a"))
	if err := os.WriteFile(f.Cert, []byte("nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t)(ca.Client("site-a"))
	if _, err := tls.LoadX509KeyPair(f.Cert, f.Key); err != nil {
		t.Errorf("a damaged certificate was not made anew: %v", err)
	}
	if err := os.WriteFile(ca.File(), []byte("nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Open(dir, time.Now); !errors.Is(err, pki.ErrFile) {
		t.Errorf("Open with a damaged authority = %v; want ErrFile", err)
	}
	for _, id := range []string{"", "A", "../x", "a b"} {
		if _, err := ca.Client(id); err == nil {
			t.Errorf("Client(%q) = nil", id)
		}
	}
}

func TestAuthorityMayNotMakeAuthorities(t *testing.T) {
	ca := open(t, t.TempDir(), time.Now())
	f := must(t)(ca.Client("site-a"))
	c, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("a gateway's certificate serves as a server's")
	}
	if c.Leaf.IsCA {
		t.Error("a gateway's certificate is an authority")
	}
}
