package once_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/store"
	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

type answer struct{ N int64 }

func TestOnceForAKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db, now := open(), time.Now()
		if err := once.Migrate(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		keys := once.New(db)
		var done int64
		do := func(who, key, what string) (int64, error) {
			a, err := once.Do(t.Context(), keys, once.Request{Who: who, Key: key, What: what}, now, func(*store.Tx) (answer, error) {
				if what == "refused" {
					return answer{}, store.ErrDSN
				}
				done++
				return answer{done}, nil
			})
			return a.N, err
		}
		for _, tt := range []struct {
			name, who, key, what string
			want                 int64
			err                  error
		}{
			{"first", "p1", "k", "door 1", 1, nil},
			{"again", "p1", "k", "door 1", 1, nil},
			{"another request", "p1", "k", "door 2", 0, once.ErrOther},
			{"somebody else's key", "p2", "k", "door 1", 2, nil},
			{"another key", "p1", "k2", "door 1", 3, nil},
			{"no key", "p1", "", "door 1", 0, once.ErrMissing},
			{"no end of a key", "p1", strings.Repeat("k", 256), "door 1", 0, once.ErrMissing},
			{"refused", "p1", "k3", "refused", 0, store.ErrDSN},
			{"after a refusal", "p1", "k3", "door 1", 4, nil},
		} {
			if got, err := do(tt.who, tt.key, tt.what); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%s = %d, %v; want %d, %v", tt.name, got, err, tt.want, tt.err)
			}
		}
		now = now.Add(24 * time.Hour)
		if got, err := do("p1", "k", "door 1"); got != 5 || err != nil {
			t.Errorf("a day later = %d, %v; want it done anew", got, err)
		}
	})
}

// One process says that a request is under way; another replica's waits, and gives the same answer.
func TestKeyInFlight(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		db := open()
		if err := once.Migrate(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		here, there := once.New(db), once.New(open())
		r := once.Request{Who: "p1", Key: "k", What: "door 1"}
		var done atomic.Int64
		inside, let := make(chan struct{}), make(chan struct{})
		ask := func(k *once.Keys, during func()) (answer, error) {
			return once.Do(t.Context(), k, r, time.Now(), func(*store.Tx) (answer, error) {
				n := done.Add(1)
				during()
				return answer{n}, nil
			})
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if a, err := ask(here, func() { close(inside); <-let }); a.N != 1 || err != nil {
				t.Errorf("the first = %+v, %v", a, err)
			}
		})
		<-inside
		if _, err := ask(here, func() {}); !errors.Is(err, once.ErrRunning) {
			t.Errorf("the same in flight = %v; want %v", err, once.ErrRunning)
		}
		wg.Go(func() {
			if a, err := ask(there, func() {}); a.N != 1 || err != nil {
				t.Errorf("another replica = %+v, %v; want the first one's answer", a, err)
			}
		})
		close(let)
		wg.Wait()
		if done.Load() != 1 {
			t.Errorf("done %d times", done.Load())
		}
	})
}
