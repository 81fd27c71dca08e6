package fleet

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Uses of keys in a key set.
const (
	UseState   = "state"
	UseAnswer  = "answer"
	UseCommand = "command"
	UseTicket  = "ticket"
	UseSeal    = "seal"
)

// KeySetFile is the name of the signed key set in the keys' directory; a private key is in <id>.key beside it.
const KeySetFile = "keyset"

// Errors of keys.
var (
	ErrKeyFile = errors.New("not a key file")
	ErrNoKey   = errors.New("no key for this use")
)

// Keys are the cloud's private keys and the key set that the root key has signed. It shows nothing when printed.
type Keys struct {
	set     wire.KeySet
	signed  []byte
	private map[string][]byte // by id: Ed25519 seed or X25519 private key
}

// String gives the key set's version and nothing of the keys.
func (k *Keys) String() string { return fmt.Sprintf("keys of version %d", k.set.Version) }

// GoString is String.
func (k *Keys) GoString() string { return k.String() }

// LogValue is String.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Version is the key set's version.
func (k *Keys) Version() uint64 { return k.set.Version }

// KeySet is what the key set says, for signing the next one.
func (k *Keys) KeySet() wire.KeySet { return k.set }

// Set is the signed key set as it travels.
func (k *Keys) Set() []byte { return k.signed }

// Unseal opens a secret that a gateway sealed for a subject; wire.ErrSealed when its key is gone or does not fit.
func (k *Keys) Unseal(s wire.Sealed, gateway, subject string) ([]byte, error) {
	private, ok := k.private[s.Key]
	if !ok {
		return nil, fmt.Errorf("secret of %s: %w", subject, wire.ErrSealed)
	}
	return s.Open(private, gateway, subject)
}

// Signer is the newest living key for a use: that with the latest end of those whose private half is here.
func (k *Keys) Signer(use string, now time.Time) (id string, key ed25519.PrivateKey, err error) {
	var best wire.Micros
	for _, key := range k.set.Keys {
		if key.Use == use && key.Until > wire.At(now) && key.Until > best && k.private[key.ID] != nil {
			id, best = key.ID, key.Until
		}
	}
	if id == "" {
		return "", nil, fmt.Errorf("%s: %w: make one and sign a new key set", use, ErrNoKey)
	}
	return id, ed25519.NewKeyFromSeed(k.private[id]), nil
}

var keyID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// CreateKey makes a key for a use and writes its private half to <id>.key in dir, mode 0600. It never overwrites.
func CreateKey(dir, id, use string, until time.Time) (wire.Key, error) {
	if !keyID.MatchString(id) {
		return wire.Key{}, fmt.Errorf("key %.40q: id of a-z, 0-9 and -: %w", id, ErrInput)
	}
	private := make([]byte, ed25519.SeedSize)
	var public []byte
	switch use {
	case UseSeal:
		var err error
		if private, public, err = wire.NewSealKey(); err != nil {
			return wire.Key{}, err
		}
	case UseState, UseAnswer, UseCommand, UseTicket:
		if _, err := rand.Read(private); err != nil {
			return wire.Key{}, err
		}
		public = ed25519.NewKeyFromSeed(private).Public().(ed25519.PublicKey)
	default:
		return wire.Key{}, fmt.Errorf("key %s: use %.20q: %w", id, use, ErrInput)
	}
	if err := writeKey(filepath.Join(dir, id+".key"), private); err != nil {
		return wire.Key{}, err
	}
	return wire.Key{ID: id, Use: use, Public: public, Until: wire.At(until)}, nil
}

// CreateRoot makes the offline root key in a file of its own, mode 0600, and returns its public half, which every gateway
// gets at its enrolment. It never overwrites.
func CreateRoot(path string) (ed25519.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	return public, writeKey(path, private.Seed())
}

// LoadRoot reads the root key, for signing a key set and for nothing else.
func LoadRoot(path string) (ed25519.PrivateKey, error) {
	seed, err := readKey(path)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// SignKeySet signs a key set with the root key. Versions must grow: a gateway refuses an older one.
func SignKeySet(root ed25519.PrivateKey, set wire.KeySet) ([]byte, error) {
	set.Doc = "keys"
	if set.Version == 0 || set.Fleet == "" || len(set.Keys) == 0 {
		return nil, fmt.Errorf("key set: fleet, version and keys: %w", ErrInput)
	}
	return wire.Sign(root, wire.ContextKeys, set)
}

// InitKeys makes one key of each use in dir, named like state-1, good until an instant, and the first key set, signed by
// root, that names them. It never overwrites.
func InitKeys(dir, fleet string, root ed25519.PrivateKey, until time.Time) (wire.KeySet, error) {
	set := wire.KeySet{Doc: "keys", Fleet: fleet, Version: 1}
	for _, use := range []string{UseState, UseAnswer, UseCommand, UseTicket, UseSeal} {
		k, err := CreateKey(dir, use+"-1", use, until)
		if err != nil {
			return wire.KeySet{}, err
		}
		set.Keys = append(set.Keys, k)
	}
	signed, err := SignKeySet(root, set)
	if err != nil {
		return wire.KeySet{}, err
	}
	return set, writeFile(filepath.Join(dir, KeySetFile), signed)
}

// LoadKeys reads the signed key set and the private keys from dir. A private half may be missing, a destroyed sealing
// key say; one that does not fit its public half, or can be read by others, is an error.
func LoadKeys(dir string) (*Keys, error) {
	signed, err := os.ReadFile(filepath.Join(dir, KeySetFile))
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	k := &Keys{signed: signed, private: map[string][]byte{}}
	// The root key is offline: gateways verify the set. A set that is not ours has no private keys here.
	if err := wire.Peek(signed, &k.set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	for _, key := range k.set.Keys {
		if !keyID.MatchString(key.ID) {
			return nil, fmt.Errorf("key set: key %.40q: %w", key.ID, ErrInput)
		}
		private, err := readKey(filepath.Join(dir, key.ID+".key"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !fits(key, private) {
			return nil, fmt.Errorf("key %s: private and public half differ: %w", key.ID, ErrKeyFile)
		}
		k.private[key.ID] = private
	}
	return k, nil
}

// fits tells whether a private key belongs to a public one.
func fits(key wire.Key, private []byte) bool {
	if key.Use != UseSeal {
		return ed25519.NewKeyFromSeed(private).Public().(ed25519.PublicKey).Equal(ed25519.PublicKey(key.Public))
	}
	s, err := wire.Seal(key, "fits", "fits", []byte("fits"))
	if err != nil {
		return false
	}
	_, err = s.Open(private, "fits", "fits")
	return err == nil
}

func writeKey(path string, private []byte) error {
	return writeFile(path, []byte(base64.StdEncoding.EncodeToString(private)+"\n"))
}

// writeFile writes a new file that only its owner reads.
func writeFile(path string, b []byte) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(b); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	return file.Sync()
}

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("key %s: mode %#o: %w: others may read it, use chmod 600", path, mode, ErrKeyFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	private, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(private) != ed25519.SeedSize {
		return nil, fmt.Errorf("key %s: %w: want 32 bytes in base64", path, ErrKeyFile)
	}
	return private, nil
}
