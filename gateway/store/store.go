package store

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Options say whose store it is. Only Gateway is needed.
type Options struct {
	Gateway string             // the gateway's id; a file of another gateway is refused
	Key     ed25519.PrivateKey // signs blocks kept as they travel; events kept singly need none
	NoSync  bool               // no fsync: for simulations only, a power cut then loses and damages
	Quota   int64              // bytes of events before Prune drops by quota; 0 means 512 MiB
	Stamp   func(*wire.Event)  // sets Wall, Clock, Mono of the first epoch's event; nil means the system's clock, uncertain

	// commit is (*bbolt.Tx).Commit but in tests.
	commit func(*bbolt.Tx) error
}

// Store is one open file. Its methods may be called from any goroutine.
type Store struct {
	gateway  string
	quota    int64
	boot     uint64
	db       *bbolt.DB
	commit   func(*bbolt.Tx) error
	queue    chan *request
	appended chan struct{}
	broken   chan struct{} // closed when a commit failed
	quit     chan struct{} // closed by Close
	stopped  chan struct{} // closed when the committer has ended
	closing  func() error

	mu      sync.Mutex    // guards what follows
	durable int           // id of the newest transaction that is on disk
	settled chan struct{} // closed when durable or fault changes
	fault   error         // why every call fails, wraps ErrBroken
}

// Open opens the file at path, or creates it with mode 0600, counts the boot and starts the committer. A new file
// begins with epoch 1, whose first audit event is epoch.started. ErrInUse says that another process holds the file,
// ErrForeign that it belongs to another gateway or to a newer version of this program.
func Open(path string, o Options) (*Store, error) {
	if !wire.ValidGateway(o.Gateway) {
		return nil, fmt.Errorf("store %s: gateway id %q: %w", path, o.Gateway, wire.ErrFormat)
	}
	_, err := os.Stat(path)
	fresh := errors.Is(err, os.ErrNotExist)
	db, err := bbolt.Open(path, mode, &bbolt.Options{
		Timeout:         lockTimeout,
		NoFreelistSync:  true,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mapBytes,
		NoSync:          o.NoSync,
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("store %s: %w: stop the other lobby-gateway first", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	s := newStore(db, o)
	if err := s.begin(o.Stamp); err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", path, err), db.Close())
	}
	if fresh && !o.NoSync {
		if err := syncFolder(filepath.Dir(path)); err != nil {
			return nil, errors.Join(fmt.Errorf("store %s: %w", path, err), db.Close())
		}
	}
	go s.run()
	return s, nil
}

func newStore(db *bbolt.DB, o Options) *Store {
	s := &Store{
		gateway:  o.Gateway,
		quota:    o.Quota,
		db:       db,
		commit:   o.commit,
		queue:    make(chan *request, queueLength),
		appended: make(chan struct{}, 1),
		broken:   make(chan struct{}),
		quit:     make(chan struct{}),
		stopped:  make(chan struct{}),
		settled:  make(chan struct{}),
	}
	if s.quota == 0 {
		s.quota = defaultQuota
	}
	if s.commit == nil {
		s.commit = (*bbolt.Tx).Commit
	}
	s.closing = sync.OnceValue(func() error {
		close(s.quit)
		<-s.stopped
		return s.db.Close()
	})
	return s
}

// begin makes the buckets of a new file, checks those of an old one and counts the boot: one transaction.
func (s *Store) begin(stamp func(*wire.Event)) error {
	return s.db.Update(func(b *bbolt.Tx) error {
		tx := &Tx{s: s, b: b}
		for _, name := range []string{spaceMeta, spaceSegments, spaceNewest, spaceDelivered, bucketLog} {
			if _, err := b.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		if err := tx.own(); err != nil {
			return err
		}
		boot, err := tx.number(keyBoot)
		if err != nil {
			return err
		}
		s.boot, s.durable = boot+1, b.ID()
		if err := tx.putNumber(keyBoot, s.boot); err != nil {
			return err
		}
		if boot > 0 {
			return nil
		}
		ev := wire.Event{Wall: wire.At(time.Now()), Clock: wire.Uncertain}
		if stamp != nil {
			stamp(&ev)
		}
		ev.Boot = s.boot
		return tx.StartEpoch(1, CauseFirstBoot, nil, ev)
	})
}

// own checks whose file it is, and makes a new one this gateway's.
func (tx *Tx) own() error {
	version, err := tx.number(keyFormat)
	if err != nil {
		return err
	}
	if version == 0 {
		if err := tx.putNumber(keyFormat, format); err != nil {
			return err
		}
		return tx.put(spaceMeta, keyGateway, []byte(tx.s.gateway))
	}
	if version != format {
		return fmt.Errorf("%w: layout %d, this program knows %d: install the newer version", ErrForeign, version, format)
	}
	owner, err := tx.get(spaceMeta, keyGateway)
	if err != nil {
		return err
	}
	if string(owner) != tx.s.gateway {
		return fmt.Errorf("%w: it belongs to %q, not %q: check the gateway's id", ErrForeign, owner, tx.s.gateway)
	}
	return nil
}

// Close lets what is queued commit, ends the committer and closes the file. Later calls give ErrClosed.
func (s *Store) Close() error { return s.closing() }

// Boot is the number of times the file was opened, this time included.
func (s *Store) Boot() uint64 { return s.boot }

// Broken is closed when a commit has failed. The process must end then: what the disk holds is unknown until a new
// process has read it (invariant 12).
func (s *Store) Broken() <-chan struct{} { return s.broken }

// Appended gives a token, of capacity 1, after a commit that appended events.
func (s *Store) Appended() <-chan struct{} { return s.appended }

// Size is how many bytes of the file have been used; the file itself grows ahead in steps of 16 MiB. It never shrinks:
// pages of dropped segments are used again. 0 when the store is closed or broken.
func (s *Store) Size() int64 {
	var n int64
	err := s.View(func(tx *Tx) error {
		n = tx.b.Size()
		return nil
	})
	if err != nil {
		return 0
	}
	return n
}

// View runs fn on the newest state that is on disk. Fn must not call Update: a file that has to grow waits for its
// views to end.
func (s *Store) View(fn func(*Tx) error) (err error) {
	b, err := s.snapshot()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Rollback()) }()
	return fn(&Tx{s: s, b: b})
}

// snapshot begins a read transaction. Bbolt shows a commit as soon as its meta page is written, before that page is
// synced; what could still be lost must not be seen (invariant 1), so such a snapshot is given back and taken anew.
func (s *Store) snapshot() (*bbolt.Tx, error) {
	for {
		s.mu.Lock()
		durable, settled, fault := s.durable, s.settled, s.fault
		s.mu.Unlock()
		if fault != nil {
			return nil, fault
		}
		b, err := s.db.Begin(false)
		if errors.Is(err, berrors.ErrDatabaseNotOpen) {
			return nil, ErrClosed
		}
		if err != nil {
			return nil, fmt.Errorf("store: view: %w", err)
		}
		if b.ID() <= durable {
			return b, nil
		}
		if err := b.Rollback(); err != nil {
			return nil, fmt.Errorf("store: view: %w", err)
		}
		<-settled
	}
}

// syncFolder makes the name of a new file durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
