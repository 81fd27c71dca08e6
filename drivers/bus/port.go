package bus

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
)

// A read that waits for 100 ms cannot return nothing sooner than this, unless nobody is at the other end any more.
const tooSoon = 10 * time.Millisecond

// port is an open port with the goroutines that sit in its system calls, so that the owner never does.
type port struct {
	name  string
	rwc   io.ReadWriteCloser
	in    chan chunk    // what was read
	out   chan order    // what to write; capacity 1, at most one is under way
	wrote chan written  // its result; capacity 1
	gone  chan struct{} // closed by the reader when the other end has gone; err says why
	err   error
	stop  chan struct{} // closed by close
	ended chan struct{} // closed when both goroutines have ended
}

type chunk struct {
	at    time.Time
	bytes []byte
}

type order struct {
	frame    []byte
	notAfter time.Time
}

type written struct {
	at  time.Time // just before the write; zero: nothing was written
	err error
}

// startPort starts the goroutines of a freshly opened port.
func startPort(name string, rwc io.ReadWriteCloser) *port {
	p := &port{
		name: name, rwc: rwc,
		in: make(chan chunk, 16), out: make(chan order, 1), wrote: make(chan written, 1),
		gone: make(chan struct{}), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	var both sync.WaitGroup
	both.Go(p.read)
	both.Add(1)
	go func() {
		p.write()
		both.Done()
		both.Wait()
		close(p.ended)
	}()
	return p
}

// close lets the goroutines go; ended tells when they have.
func (p *port) close() error {
	close(p.stop)
	return p.rwc.Close()
}

// flush discards what the system still holds in both directions, where the port can.
func (p *port) flush() {
	if f, ok := p.rwc.(interface{ Flush() error }); ok {
		_ = f.Flush() // a port that cannot be flushed any more is found gone by the reader
	}
}

func (p *port) read() {
	buf := make([]byte, maxFrame)
	for soon := 0; ; {
		start := time.Now()
		n, err := p.rwc.Read(buf)
		if n > 0 {
			soon = 0
			select {
			case p.in <- chunk{time.Now(), slices.Clone(buf[:n])}:
				continue
			case <-p.stop:
				return
			}
		}
		if time.Since(start) < tooSoon {
			soon++
		} else {
			soon = 0
		}
		nothingYet := err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded)
		if nothingYet && soon < 2 {
			select {
			case <-p.stop:
				return
			default:
				continue
			}
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("hung up")
		}
		check := "check that the adapter is plugged in"
		if isTCP(p.name) {
			check = "check the network and the converter or device at its end"
		}
		p.err = fmt.Errorf("%w (%w): %s", drivers.ErrGone, err, check)
		close(p.gone)
		return
	}
}

func (p *port) write() {
	for {
		select {
		case o := <-p.out:
			now := time.Now()
			// asked here and not by the owner: between the two lies a goroutine switch of unknown length
			if !o.notAfter.IsZero() && now.After(o.notAfter) {
				p.wrote <- written{err: drivers.ErrLate}
				continue
			}
			_, err := p.rwc.Write(o.frame)
			p.wrote <- written{now, err}
			if err != nil {
				return
			}
		case <-p.stop:
			return
		}
	}
}
