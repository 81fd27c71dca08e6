package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
)

// request is one call of Update on its way through the committer.
type request struct {
	fn   func(*Tx) error
	done chan error // capacity 1
	err  error      // fn's own error
}

// panicked carries a panic of fn from the committer back to its caller.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("%v\n%s", p.value, p.stack) }

// Update runs fn in a transaction together with whatever else is queued and returns when it is on disk. Fn's error
// undoes fn alone and is returned as it is; a panic of fn undoes fn alone too and goes on in the caller.
//
// Fn runs on the committer and may run more than once: it must have no outside effect and not call Update or View.
// Ctx counts while the queue is full; from then on the outcome is always known, so Update waits for it. ErrBroken says
// that this or an earlier commit failed: nothing of it was shown to anybody. ErrClosed says that fn did not run.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store: update: %w", context.Cause(ctx))
	}
	select { // a broken or closed store may still have room in its queue
	case <-s.broken:
		return s.why()
	default:
	}
	select {
	case <-s.stopped:
		return ErrClosed
	default:
	}
	r := &request{fn: fn, done: make(chan error, 1)}
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return fmt.Errorf("store: update: queue is full: %w", context.Cause(ctx))
	case <-s.stopped:
		return ErrClosed
	}
	err := s.outcome(r)
	if p, ok := errors.AsType[*panicked](err); ok {
		panic(p.Error())
	}
	return err
}

func (s *Store) outcome(r *request) error {
	select {
	case err := <-r.done:
		return err
	case <-s.stopped:
	}
	select {
	case err := <-r.done:
		return err
	default:
	}
	if err := s.why(); err != nil {
		return err
	}
	return ErrClosed
}

// run is the committer: the one goroutine that writes.
func (s *Store) run() {
	defer close(s.stopped)
	closing := false
	defer func() {
		if !closing { // runtime.Goexit in fn: nobody is left to write
			s.fail(errEnded)
		}
	}()
	for batch := s.take(); len(batch) > 0; batch = s.take() {
		s.settle(batch)
	}
	closing = true
}

// take waits for a request and takes what is queued behind it. None: the store is closing and all is done.
func (s *Store) take() []*request {
	var batch []*request
	select {
	case r := <-s.queue:
		batch = append(batch, r)
	case <-s.quit:
	}
	// Those just answered get a turn to ask again, so that they share the next sync (measured with
	// 64 writers: 48 to a sync instead of 32).
	runtime.Gosched()
	for len(batch) < batchLength {
		select {
		case r := <-s.queue:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// settle commits a batch and answers its requests. Those whose fn failed are answered after the commit as well: their
// errors may rest on what others of the batch wrote.
func (s *Store) settle(batch []*request) {
	good := batch
	for again := true; again; {
		var err error
		if good, again, err = s.attempt(good); err != nil {
			for _, r := range batch {
				r.done <- err
			}
			return
		}
	}
	for _, r := range batch {
		r.done <- r.err
	}
}

// attempt runs and commits requests in one transaction. Again says that one that had written failed: all is rolled
// back, and the rest must run again without it.
func (s *Store) attempt(batch []*request) (good []*request, again bool, err error) {
	if err := s.why(); err != nil {
		return nil, false, err
	}
	b, err := s.db.Begin(true)
	if err != nil {
		return nil, false, s.fail(err)
	}
	defer b.Rollback() // also when fn ends this goroutine; after a commit it does nothing
	tx := &Tx{s: s, b: b}
	for i, r := range batch {
		writes := tx.writes
		if r.err = call(r.fn, tx); r.err == nil {
			good = append(good, r)
		} else if tx.writes != writes {
			return append(good, batch[i+1:]...), true, nil
		}
	}
	if tx.writes == 0 {
		return good, false, nil
	}
	id := b.ID()
	if err := s.commit(b); err != nil {
		return nil, false, s.fail(err)
	}
	s.advance(id)
	if tx.appended {
		select {
		case s.appended <- struct{}{}:
		default:
		}
	}
	return good, false, nil
}

// call runs fn; a panic becomes an error that rolls back.
func call(fn func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			tx.writes++ // whatever it was doing is half done
			err = &panicked{v, debug.Stack()}
		}
	}()
	return fn(tx)
}

// advance says that a transaction is on disk.
func (s *Store) advance(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable = id
	close(s.settled)
	s.settled = make(chan struct{})
}

// fail breaks the store for good.
func (s *Store) fail(cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fmt.Errorf("%w: %w", ErrBroken, cause)
	close(s.settled)
	s.settled = make(chan struct{})
	close(s.broken)
	return s.fault
}

// why is the error of a broken store, nil of a sound one.
func (s *Store) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}
