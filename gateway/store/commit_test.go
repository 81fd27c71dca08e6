package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// invariant 1: whatever moment the file is looked at, it holds the state with its event or neither.
func TestStateAndEventCommitTogether(t *testing.T) {
	path, copies := file(t), t.TempDir()
	var n int
	keep := func() {
		b, err := os.ReadFile(path)
		if err == nil {
			n++
			err = os.WriteFile(filepath.Join(copies, fmt.Sprint(n)), b, mode)
		}
		if err != nil {
			t.Error(err)
		}
	}
	s := open(t, path, Options{NoSync: true, commit: func(b *bbolt.Tx) error {
		keep()
		defer keep()
		return b.Commit()
	}})
	errFault := errors.New("between state and event")
	for i := range 5 {
		subject := fmt.Sprintf("parcel/%d", i)
		update(t, s, func(tx *Tx) error {
			if err := tx.Put("parcels", subject, []byte("stored")); err != nil {
				return err
			}
			_, err := tx.Append(wire.Audit, event(subject))
			return err
		})
		err := s.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(tx.Put("parcels", subject+"x", []byte("stored")), errFault)
		})
		if !errors.Is(err, errFault) {
			t.Errorf("Update with a fault = %v; want the fault", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	keep()
	for i := 1; i <= n; i++ {
		o := open(t, filepath.Join(copies, fmt.Sprint(i)), Options{NoSync: true})
		want := map[string]bool{}
		for _, ev := range events(t, o, 1, wire.Audit)[1:] {
			want[ev.Subject] = true
		}
		view(t, o, func(tx *Tx) error {
			return tx.Each("parcels", "", func(key string, _ []byte) error {
				if !want[key] {
					t.Errorf("copy %d: %s is stored without its event", i, key)
				}
				delete(want, key)
				return nil
			})
		})
		if len(want) > 0 {
			t.Errorf("copy %d: events %v without their state", i, want)
		}
	}
	if n != 11 {
		t.Errorf("%d copies; want 11: two of each of 5 commits and the last", n)
	}
}

// invariant 1: what is written but not yet synced is not shown. Invariant 12: a failed sync ends everything.
func TestFailedSync(t *testing.T) {
	path := file(t)
	errDisk := errors.New("disk pulled")
	synctest.Test(t, func(t *testing.T) {
		type seen struct {
			value []byte
			err   error
		}
		shown := make(chan seen, 1)
		var s *Store
		s, err := Open(path, Options{Gateway: "site-1", NoSync: true, commit: func(b *bbolt.Tx) error {
			if err := b.Commit(); err != nil { // all is written: only the last sync is still to come
				t.Error(err)
			}
			go func() {
				var got seen
				got.err = s.View(func(tx *Tx) (err error) {
					got.value, err = tx.Get("doors", "A-1")
					return err
				})
				shown <- got
			}()
			synctest.Wait()
			select {
			case got := <-shown:
				t.Errorf("View before the sync = %q, %v; want it to wait", got.value, got.err)
				shown <- got
			default:
			}
			return errDisk
		}})
		if err != nil {
			t.Fatal(err)
		}
		put := func(tx *Tx) error { return tx.Put("doors", "A-1", []byte("open")) }
		if err := s.Update(t.Context(), put); !errors.Is(err, ErrBroken) || !errors.Is(err, errDisk) {
			t.Errorf("Update with a failing sync = %v; want ErrBroken with its cause", err)
		}
		if got := <-shown; got.value != nil || !errors.Is(got.err, ErrBroken) {
			t.Errorf("View after the failed sync = %q, %v; want ErrBroken", got.value, got.err)
		}
		select {
		case <-s.Broken():
		default:
			t.Error("Broken is not closed")
		}
		ran := false
		err = s.Update(t.Context(), func(*Tx) error { ran = true; return nil })
		if !errors.Is(err, ErrBroken) || !errors.Is(err, errDisk) || ran {
			t.Errorf("Update of a broken store = %v, ran %t; want ErrBroken", err, ran)
		}
		if err := s.View(func(*Tx) error { return nil }); !errors.Is(err, ErrBroken) {
			t.Errorf("View of a broken store = %v; want ErrBroken", err)
		}
		select {
		case <-s.Appended():
			t.Error("a failed commit was announced")
		default:
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// invariant 4: many writers, some of which fail, leave sequences without holes, and each event once.
func TestGroupCommit(t *testing.T) {
	const writers, rounds = 64, 10
	var commits atomic.Int64
	s := open(t, file(t), Options{commit: func(b *bbolt.Tx) error {
		commits.Add(1)
		return b.Commit()
	}})
	errOwn := errors.New("own fault")
	var mu sync.Mutex
	names := map[wire.Name]string{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for r := range rounds {
				subject := fmt.Sprintf("writer/%d-%d", w, r)
				fails := (w+r)%7 == 0
				var name wire.Name
				err := s.Update(t.Context(), func(tx *Tx) (err error) {
					if name, err = tx.Append(wire.Audit, event(subject)); err == nil && fails {
						err = errOwn
					}
					return err
				})
				if fails != errors.Is(err, errOwn) || !fails && err != nil {
					t.Errorf("%s: Update = %v; fails %t", subject, err, fails)
				}
				if !fails {
					mu.Lock()
					names[name] = subject
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	got := events(t, s, 1, wire.Audit)[1:]
	if len(got) != len(names) {
		t.Errorf("%d events held, %d names given", len(got), len(names))
	}
	for i, ev := range got {
		name := wire.Name{Epoch: 1, Stream: wire.Audit, Segment: 1, Seq: uint64(i) + 2}
		if names[name] != ev.Subject {
			t.Errorf("event %s is of %q; its writer was told so of %q", name, ev.Subject, names[name])
		}
	}
	if n := commits.Load(); n > writers*rounds/4 {
		t.Errorf("%d commits for %d updates; want them shared", n, writers*rounds)
	}
	select {
	case <-s.Appended():
	default:
		t.Error("appended events were not announced")
	}
}

// held opens a store whose next commit waits for the returned function. It must be used in a bubble.
func held(t *testing.T, path string) (*Store, func()) {
	gate, first := make(chan struct{}), true
	s, err := Open(path, Options{Gateway: "site-1", NoSync: true, commit: func(b *bbolt.Tx) error {
		if first {
			first = false
			<-gate
		}
		return b.Commit()
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s, sync.OnceFunc(func() { close(gate) })
}

func put(key string) func(*Tx) error {
	return func(tx *Tx) error { return tx.Put("things", key, []byte(key)) }
}

// invariant 9: one that fails or panics in a batch undoes itself alone.
func TestOneFailsAmongMany(t *testing.T) {
	path := file(t)
	synctest.Test(t, func(t *testing.T) {
		s, release := held(t, path)
		errLate, errEarly := errors.New("after writing"), errors.New("before writing")
		var wg sync.WaitGroup
		do := func(name string, want error, fn func(*Tx) error) {
			wg.Go(func() {
				if err := s.Update(t.Context(), fn); !errors.Is(err, want) {
					t.Errorf("%s: Update = %v; want %v", name, err, want)
				}
			})
			synctest.Wait() // queued in this order
		}
		do("holds the committer", nil, put("first"))
		do("good", nil, put("a"))
		do("late", errLate, func(tx *Tx) error { return errors.Join(put("late")(tx), errLate) })
		do("good", nil, put("b"))
		do("early", errEarly, func(*Tx) error { return errEarly })
		wg.Go(func() {
			defer func() {
				if v := recover(); !strings.Contains(fmt.Sprint(v), "no door") {
					t.Errorf("a panic came back as %v", v)
				}
			}()
			err := s.Update(t.Context(), func(tx *Tx) error {
				if err := put("panic")(tx); err != nil {
					return err
				}
				panic("no door")
			})
			t.Errorf("Update with a panic returned %v", err)
		})
		synctest.Wait()
		do("good", nil, put("c"))
		release()
		wg.Wait()
		var got []string
		view(t, s, func(tx *Tx) error {
			return tx.Each("things", "", func(key string, _ []byte) error {
				got = append(got, key)
				return nil
			})
		})
		if fmt.Sprint(got) != "[a b c first]" {
			t.Errorf("things = %v; want only those of the good ones", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// invariant 13: the queue is bounded, and who waits for a place leaves with its context.
func TestQueueIsBounded(t *testing.T) {
	path := file(t)
	synctest.Test(t, func(t *testing.T) {
		s, release := held(t, path)
		defer release()
		var wg sync.WaitGroup
		for i := range queueLength + 1 {
			wg.Go(func() {
				if err := s.Update(t.Context(), put(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			})
			if i == 0 {
				synctest.Wait() // the committer has taken this one alone
			}
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := s.Update(ctx, func(*Tx) error { t.Error("ran"); return nil })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("Update with a full queue = %v after %s; want DeadlineExceeded after 1m", err, time.Since(start))
		}
		release()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What is queued before Close commits, what comes later does not run; nobody waits for ever.
func TestCloseWithWaiters(t *testing.T) {
	path := file(t)
	synctest.Test(t, func(t *testing.T) {
		s, release := held(t, path)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if err := s.Update(t.Context(), put(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		release()
		wg.Wait()
		if err := s.Update(t.Context(), put("late")); !errors.Is(err, ErrClosed) {
			t.Errorf("Update after Close = %v; want ErrClosed", err)
		}
	})
}

// An update that ends the committer's goroutine breaks the store; nobody waits for ever.
func TestGoexit(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	err := s.Update(t.Context(), func(tx *Tx) error {
		if err := put("a")(tx); err != nil {
			return err
		}
		runtime.Goexit()
		return nil
	})
	if !errors.Is(err, ErrBroken) {
		t.Errorf("Update = %v; want ErrBroken", err)
	}
	<-s.Broken()
}
