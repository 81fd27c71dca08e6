package commission

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrLeft says that the walk ended before the bank was commissioned. What was learnt is kept.
var ErrLeft = errors.New("not finished: what was learnt is kept")

// terminal asks a person. It reads a line only when it has asked for one: an Enter too many, pressed while a latch moved, must not
// open the next.
type terminal struct {
	out   io.Writer
	lang  int
	flush func() // drops what was typed before the question; nil: nothing can be typed ahead
	want  chan struct{}
	line  chan typed
}

type typed struct {
	text string
	err  error
}

// newTerminal starts to read in on demand. A read that is under way when the walk ends cannot be broken off; it ends with the
// next line or with in.
func newTerminal(in io.Reader, out io.Writer, lang string, flush func()) *terminal {
	t := &terminal{out: out, flush: flush, want: make(chan struct{}), line: make(chan typed, 1)}
	if lang == English {
		t.lang = 1
	}
	go func() {
		r := bufio.NewReader(in)
		for range t.want {
			text, err := r.ReadString('\n')
			if text != "" {
				err = nil // a last line without its end
			}
			t.line <- typed{strings.ToLower(strings.TrimSpace(text)), err}
			if err != nil {
				return
			}
		}
	}()
	return t
}

// close ends the reading of lines that nobody wants.
func (t *terminal) close() { close(t.want) }

// say prints a message.
func (t *terminal) say(m text, args ...any) {
	fmt.Fprintf(t.out, m[t.lang]+"\n", args...)
}

// ask prints a question and waits for a line, in lower case and without blanks around it. Quitting and the end of the input are
// ErrLeft.
func (t *terminal) ask(ctx context.Context, m text, args ...any) (string, error) {
	if t.flush != nil {
		t.flush()
	}
	fmt.Fprintf(t.out, m[t.lang]+" ", args...)
	if ctx.Err() != nil {
		return "", ErrLeft
	}
	select {
	case t.want <- struct{}{}:
	case <-ctx.Done():
		return "", ErrLeft
	}
	select {
	case l := <-t.line:
		if l.err != nil || l.text == "q" {
			return "", ErrLeft
		}
		return l.text, nil
	case <-ctx.Done():
		fmt.Fprintln(t.out)
		return "", ErrLeft
	}
}
