// Package pki is the demo's small certificate authority: ECDSA P-256, a certificate for each server and each gateway, all
// of it in one folder.
//
// What stands in the folder and is still good is kept, so that a demo started twice trusts itself. It is for loopback
// and buildings to play with: a fleet has its own authority.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	renewBefore   = 30 * 24 * time.Hour // a certificate with less left is made anew
)

// ErrFile says that a file of the authority cannot be used.
var ErrFile = errors.New("damaged file of the certificate authority")

// Files name one certificate and its key, both PEM; the key is readable to its owner alone.
type Files struct {
	Cert string
	Key  string
}

// CA is the authority.
type CA struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	now  func() time.Time
}

// Open reads the authority of dir, or makes one (ca.pem, ca.key). now tells the time.
func Open(dir string, now func() time.Time) (*CA, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	ca := &CA{dir: dir, now: now}
	var err error
	ca.cert, ca.key, err = read(ca.files("ca"))
	switch {
	case err == nil && now().Add(renewBefore).Before(ca.cert.NotAfter):
		return ca, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("certificate authority: %w: remove %s to begin anew", err, dir)
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "Lobby demo CA"}, IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, NotAfter: now().Add(authorityLife)}
	if ca.cert, ca.key, err = ca.issue("ca", template); err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	return ca, nil
}

// File is the authority's certificate (PEM), for those who must trust it.
func (ca *CA) File() string { return ca.files("ca").Cert }

// Pool holds the authority's certificate.
func (ca *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.cert)
	return p
}

// Server makes or keeps the certificate of a server called name (its file's name), good for 127.0.0.1, ::1, localhost and
// hosts.
func (ca *CA) Server(name string, hosts ...string) (Files, error) {
	t := &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, h := range append([]string{"127.0.0.1", "::1", "localhost"}, hosts...) {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return ca.leaf("server-"+name, t)
}

// Client makes or keeps the certificate of a gateway: its id is the CN and the one DNS name (docs/wire.md 1).
func (ca *CA) Client(gateway string) (Files, error) {
	if !wire.ValidGateway(gateway) {
		return Files{}, fmt.Errorf("certificate of gateway %.40q: an id is of a-z, 0-9 and -, at most 40", gateway)
	}
	return ca.leaf("gateway-"+gateway, &x509.Certificate{Subject: pkix.Name{CommonName: gateway}, DNSNames: []string{gateway},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}

func (ca *CA) leaf(name string, t *x509.Certificate) (Files, error) {
	f := ca.files(name)
	old, _, err := read(f)
	if err == nil && ca.keeps(old, t) {
		return f, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrFile) {
		return Files{}, fmt.Errorf("certificate %s: %w", name, err)
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.NotAfter = ca.now().Add(leafLife)
	if _, _, err := ca.issue(name, t); err != nil {
		return Files{}, fmt.Errorf("certificate %s: %w", name, err)
	}
	return f, nil
}

// keeps tells whether an old certificate still says what t asks for.
func (ca *CA) keeps(old, t *x509.Certificate) bool {
	return old.CheckSignatureFrom(ca.cert) == nil && ca.now().Add(renewBefore).Before(old.NotAfter) &&
		old.Subject.CommonName == t.Subject.CommonName && slices.Equal(old.DNSNames, t.DNSNames) &&
		slices.EqualFunc(old.IPAddresses, t.IPAddresses, net.IP.Equal)
}

// issue signs t with a new key and writes both; the key goes first, so that a certificate never lacks one.
func (ca *CA) issue(name string, t *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if t.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return nil, nil, err
	}
	t.NotBefore = ca.now().Add(-time.Hour)
	parent, signer := ca.cert, ca.key
	if t.IsCA {
		parent, signer = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	f := ca.files(name)
	if err := write(f.Key, 0o600, "PRIVATE KEY", pkcs8); err != nil {
		return nil, nil, err
	}
	if err := write(f.Cert, 0o644, "CERTIFICATE", der); err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func (ca *CA) files(name string) Files {
	return Files{Cert: filepath.Join(ca.dir, name+".pem"), Key: filepath.Join(ca.dir, name+".key")}
}

// write replaces a file as a whole.
func write(path string, mode fs.FileMode, kind string, der []byte) error {
	part := path + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.WriteFile(part, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// read reads a certificate and its key, and checks that they belong together.
func read(f Files) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	der, err := block(f.Cert, "CERTIFICATE")
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := block(f.Key, "PRIVATE KEY")
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.Cert, ErrFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s: not the key of its certificate: %w", f.Key, ErrFile)
	}
	return cert, key, nil
}

func block(path, kind string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, rest := pem.Decode(b)
	if p == nil || p.Type != kind || len(rest) > 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrFile)
	}
	return p.Bytes, nil
}
