package line

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// piping runs a piped line in the current bubble.
func piping(t *testing.T, w *Wire) *Line {
	t.Helper()
	l, err := Pipe(w)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v; want it canceled", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestPipeTakesItsWireTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := piping(t, NewWire("a", Format{Baud: 9600}, 1, parrot{}, NewLog(0)))
		for range 2 { // one host after the other
			host, err := l.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := host.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 5)
			if _, err := io.ReadFull(host, got); err != nil || string(got) != "hello" {
				t.Errorf("%q, %v", got, err)
			}
			if took, least := time.Since(began), 2*50*time.Second/9600; took < least || took > least+50*time.Millisecond {
				t.Errorf("there and back took %v; want %v and the turnaround", took, least)
			}
			if err := host.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestPipeIsUnplugged(t *testing.T) {
	for _, stream := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := NewWire("a", Format{Baud: 9600}, 1, parrot{}, NewLog(0))
			if stream {
				w = NewStream("a", 1, func() Device { return parrot{} }, NewLog(0))
			}
			l := piping(t, w)
			host, err := l.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Unplug(); err != nil {
				t.Fatal(err)
			}
			if n, err := host.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("after the unplug the host reads %d bytes, %v; want the end", n, err)
			}
			if _, err := l.Dial(t.Context()); !errors.Is(err, ErrUnplugged) {
				t.Errorf("dialled while unplugged: %v", err)
			}
			if err := l.Replug(""); err != nil {
				t.Fatal(err)
			}
			host, err = l.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := host.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			if err := host.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
