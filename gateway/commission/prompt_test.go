package commission

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
)

// reads counts how often it is asked for input.
type reads struct {
	io.Reader
	n int
}

func (r *reads) Read(b []byte) (int, error) {
	r.n++
	return r.Reader.Read(b)
}

// Nothing is read before it was asked for, and what was typed before a question is dropped: an Enter too many opens nothing.
func TestTerminalReadsWhatItAskedFor(t *testing.T) {
	in, flushed := &reads{Reader: bytes.NewReader([]byte(" S \nq"))}, 0
	var out bytes.Buffer
	term := newTerminal(in, &out, English, func() { flushed++ })
	defer term.close()
	term.say(sensorsSeen)
	if in.n != 0 || flushed != 0 {
		t.Errorf("%d reads and %d flushes before anything was asked", in.n, flushed)
	}
	if got, err := term.ask(t.Context(), closeAll); got != "s" || err != nil || flushed != 1 {
		t.Errorf("ask() = %q, %v with %d flushes; want s, one", got, err, flushed)
	}
	if _, err := term.ask(t.Context(), closeAll); !errors.Is(err, ErrLeft) || flushed != 2 {
		t.Errorf("ask() = %v with %d flushes; want ErrLeft, two", err, flushed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := term.ask(ctx, closeAll); !errors.Is(err, ErrLeft) {
		t.Errorf("ask(ended) = %v; want ErrLeft", err)
	}
}
