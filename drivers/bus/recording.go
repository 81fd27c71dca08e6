package bus

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The limits of a recording that is read (docs/lines.md).
const (
	maxLine      = 8 << 10
	maxRecords   = 1 << 19
	maxRecording = 32 << 20 // bytes
)

// recordingIs is the first line of a recording, with the version of its form.
const recordingIs = "# lobby recording 1"

var kindNames = [kinds]string{
	LineIs: "line", PortOpened: "opened", PortLost: "lost", FrameSent: "sent", BytesReceived: "received", TimedOut: "overdue", Ended: "concluded",
}

var outcomeNames = [outcomes]string{
	Answered: "answered", AnsweredLate: "late", Silent: "silent", Listened: "listened", Broken: "broken", Echoed: "echoed",
	Undecoded: "undecoded",
}

// String is the outcome's word in a recording; empty for none.
func (o Outcome) String() string {
	if o >= outcomes {
		return fmt.Sprintf("outcome %d", uint8(o))
	}
	return outcomeNames[o]
}

// Write writes what is kept as text, one record a line, as docs/lines.md says.
func (r *Recorder) Write(w io.Writer) error {
	now := time.Now()
	return writeRecording(w, r.Records(), fmt.Sprintf("written at %s, which is %s here",
		now.UTC().Format("2006-01-02T15:04:05.000Z"), seconds(now.Sub(r.began))))
}

// writeRecording writes records, with a remark for people.
func writeRecording(w io.Writer, records []Record, remark string) error {
	out := bufio.NewWriterSize(w, 64<<10)
	fmt.Fprintf(out, "%s\n# %s\n", recordingIs, remark)
	var line []byte
	for _, r := range records {
		line = append(appendText(line[:0], r), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

func seconds(d time.Duration) string {
	us := d / time.Microsecond
	return fmt.Sprintf("%d.%06d", us/1e6, us%1e6)
}

// appendText appends one record as text.
func appendText(dst []byte, r Record) []byte {
	dst = fmt.Appendf(dst, "%s %s", seconds(r.At), kindNames[r.Kind])
	switch r.Kind {
	case LineIs:
		dst = strconv.AppendQuote(append(dst, ' '), r.Text)
		if r.Echo {
			dst = append(dst, " echo"...)
		}
	case PortOpened, PortLost:
		dst = strconv.AppendQuote(append(dst, ' '), r.Text)
	case FrameSent:
		dst = strconv.AppendQuote(append(dst, ' '), r.Device)
		dst = fmt.Appendf(dst, " %x", r.Bytes)
	case BytesReceived:
		dst = fmt.Appendf(dst, " %x", r.Bytes)
	case Ended:
		answer := "-"
		if len(r.Bytes) > 0 {
			answer = hex.EncodeToString(r.Bytes)
		}
		dst = fmt.Appendf(dst, " %s %s %d %d %d ", r.Outcome, answer, r.Bad, r.Foreign, r.Over)
		dst = strconv.AppendQuote(dst, r.Text)
	}
	return dst
}

// ReadRecording reads what Recorder.Write wrote. Several recordings may follow each other. An error names the line and says
// what to do; then nothing was read.
func ReadRecording(r io.Reader) ([]Record, error) {
	limited := &io.LimitedReader{R: r, N: maxRecording + 1}
	in := bufio.NewScanner(limited)
	in.Buffer(make([]byte, 0, maxLine), maxLine)
	var all []Record
	n := 0
	for in.Scan() {
		n++
		text := in.Text()
		switch {
		case n == 1 && text != recordingIs:
			return nil, fmt.Errorf("line 1: %.40q is not %q: give a recording that this version wrote", text, recordingIs)
		case text == "" || text[0] == '#':
			continue
		case len(all) >= maxRecords:
			return nil, fmt.Errorf("line %d: more than %d records: cut the recording", n, maxRecords)
		}
		one, err := parseRecord(text)
		if err == nil && len(all) == 0 && one.Kind != LineIs {
			err = errors.New("a recording begins with the record \"line\": leave it in when cutting")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, one)
	}
	switch err := in.Err(); {
	case limited.N <= 0:
		return nil, fmt.Errorf("line %d: the recording is larger than %d MiB: cut it", n, maxRecording>>20)
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d: longer than %d bytes: this is no recording", n+1, maxLine)
	case err != nil:
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	case n == 0:
		return nil, errors.New("line 1: empty: give a recording")
	}
	return all, nil
}

// fields takes a line of a recording apart.
type fields struct {
	rest string
	err  error // the first that was wrong
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

func (f *fields) word() string {
	word, rest, _ := strings.Cut(f.rest, " ")
	f.rest = rest
	return word
}

// text is a quoted field.
func (f *fields) text() string {
	quoted, err := strconv.QuotedPrefix(f.rest)
	if err != nil {
		f.fail("%.40q: want a text in quotes", f.rest)
		return ""
	}
	text, err := strconv.Unquote(quoted)
	if err != nil || len(text) > maxText || quoted[0] != '"' {
		f.fail("%.40q: want a text in double quotes of at most %d bytes", quoted, maxText)
	}
	f.rest = strings.TrimPrefix(f.rest[len(quoted):], " ")
	return text
}

// bytes is a field in hexadecimal.
func (f *fields) bytes(most int) []byte {
	word := f.word()
	b, err := hex.DecodeString(word)
	if err != nil || len(b) == 0 || len(b) > most {
		f.fail("%.40q: want 1 to %d bytes in hexadecimal", word, most)
	}
	return b
}

func (f *fields) number() int {
	word := f.word()
	n, err := strconv.ParseUint(word, 10, 31)
	if err != nil {
		f.fail("%.40q: want a number", word)
	}
	return int(n)
}

// time is seconds with six decimals.
func (f *fields) time() time.Duration {
	word := f.word()
	whole, part, _ := strings.Cut(word, ".")
	s, err := strconv.ParseUint(whole, 10, 31)
	us, err2 := strconv.ParseUint(part, 10, 31)
	if err != nil || err2 != nil || len(part) != 6 {
		f.fail("%.40q: want seconds with six decimals", word)
	}
	return time.Duration(s)*time.Second + time.Duration(us)*time.Microsecond
}

// parseRecord reads one line.
func parseRecord(line string) (Record, error) {
	f := &fields{rest: line}
	r := Record{At: f.time()}
	kind := f.word()
	if k := slices.Index(kindNames[1:], kind); k >= 0 {
		r.Kind = Kind(k + 1)
	} else {
		f.fail("%.40q: want one of %s", kind, strings.Join(kindNames[1:], ", "))
	}
	switch r.Kind {
	case LineIs:
		r.Text = f.text()
		if r.Echo = f.rest == "echo"; r.Echo {
			f.rest = ""
		}
	case PortOpened, PortLost:
		r.Text = f.text()
	case FrameSent:
		r.Device = f.text()
		r.Bytes = f.bytes(maxFrame)
	case BytesReceived:
		r.Bytes = f.bytes(maxInput)
	case Ended:
		f.conclusion(&r)
	}
	if f.rest != "" {
		f.fail("%.40q: nothing may follow here", f.rest)
	}
	return r, f.err
}

func (f *fields) conclusion(r *Record) {
	outcome := f.word()
	if o := slices.Index(outcomeNames[1:], outcome); o >= 0 {
		r.Outcome = Outcome(o + 1)
	} else {
		f.fail("%.40q: want one of %s", outcome, strings.Join(outcomeNames[1:], ", "))
	}
	if rest, none := strings.CutPrefix(f.rest, "- "); none {
		f.rest = rest
	} else {
		r.Bytes = f.bytes(maxInput)
	}
	r.Bad, r.Foreign, r.Over = f.number(), f.number(), f.number()
	r.Text = f.text()
}
