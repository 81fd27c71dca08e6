package bus

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// story is one record of each kind, at different times.
var story = []Record{
	{Kind: LineIs, Text: "rs485-1", Echo: true},
	{Kind: PortOpened, Text: "/dev/lobby-\"1\"\xff"},
	{At: 12345678 * time.Microsecond, Kind: FrameSent, Device: "meter/m-101", Bytes: []byte{1, 3, 0, 0}},
	{At: 12400001 * time.Microsecond, Kind: BytesReceived, Bytes: []byte{0xff}},
	{At: 12400002 * time.Microsecond, Kind: TimedOut},
	{At: 12400003 * time.Microsecond, Kind: Ended, Outcome: AnsweredLate, Bytes: []byte{1, 2}, Bad: 300, Foreign: 1, Over: 7},
	{At: 12400003 * time.Microsecond, Kind: Ended, Outcome: Silent, Text: "no answer\n"},
	{At: 13000000 * time.Microsecond, Kind: PortLost, Text: "hung up"},
}

func text(t *testing.T, records []Record) string {
	t.Helper()
	var b bytes.Buffer
	if err := writeRecording(&b, records, "a remark"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRecordingRoundTrip(t *testing.T) {
	written := text(t, story)
	read, err := ReadRecording(strings.NewReader(written))
	if err != nil || !reflect.DeepEqual(read, story) {
		t.Errorf("ReadRecording(Write(story)) = %+v, %v; want %+v", read, err, story)
	}
	if twice, err := ReadRecording(strings.NewReader(written + written)); err != nil || len(twice) != 2*len(story) {
		t.Errorf("two recordings in one = %d records, %v", len(twice), err)
	}
}

// What the recorder keeps in its blocks is what it was given.
func TestRecorderKeepsWhatItWasGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRecorder()
		r.is(Config{Name: "rs485-1", Echo: true})
		for _, one := range story[1:] {
			r.add(r.began.Add(one.At+999*time.Nanosecond), one)
		}
		if got := r.Records(); !reflect.DeepEqual(got, story) {
			t.Errorf("Records() = %+v; want %+v", got, story)
		}
		time.Sleep(recordFor + 12*time.Second)
		if got := r.Records(); len(got) != len(story)-1 || got[0].Kind != LineIs {
			t.Errorf("Records() later = %+v; want what is younger than %v", got, recordFor)
		}
	})
}

// invariant 13: however much is said, no more is kept than the bound, and the newest.
func TestRecorderIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRecorder()
		piece := bytes.Repeat([]byte{'x'}, 200)
		for range 3 * recordMost / len(piece) {
			time.Sleep(time.Microsecond)
			r.add(time.Now(), Record{Kind: BytesReceived, Bytes: piece})
		}
		last := time.Now()
		r.add(last, Record{Kind: FrameSent, Device: strings.Repeat("d", 999), Bytes: piece})
		kept := 0
		for _, b := range r.blocks {
			kept += cap(b.data)
		}
		all := r.Records()
		newest := all[len(all)-1]
		if kept > recordMost || newest.At != last.Sub(r.began) || len(newest.Device) != maxText {
			t.Errorf("%d bytes kept, newest at %v of %d letters; want at most %d, %v, %d", kept, newest.At, len(newest.Device), recordMost,
				last.Sub(r.began), maxText)
		}
		for _, line := range strings.Split(text(t, all), "\n") {
			if len(line) > maxLine {
				t.Fatalf("a line of %d bytes; want at most %d", len(line), maxLine)
			}
		}
	})
}

func TestReadRecordingNamesTheFault(t *testing.T) {
	head := recordingIs + "\n0.000000 line \"a\"\n"
	for _, c := range []struct{ in, want string }{
		{"", "line 1: empty"},
		{"hello\n", "line 1: \"hello\" is not"},
		{recordingIs + "\n0.000001 overdue\n", "line 2: a recording begins with"},
		{head + "0.1 overdue\n", "line 3: \"0.1\": want seconds"},
		{head + "0.000001 slept\n", "line 3: \"slept\": want one of line, opened"},
		{head + "0.000001 received 0g\n", "line 3: \"0g\": want 1 to 1024 bytes"},
		{head + "0.000001 received " + strings.Repeat("00", maxInput+1) + "\n", "want 1 to 1024 bytes"},
		{head + "0.000001 received \n", "line 3: \"\": want 1 to 1024 bytes"},
		{head + "0.000001 sent meter 00\n", "line 3: \"meter 00\": want a text in quotes"},
		{head + "0.000001 overdue now\n", "line 3: \"now\": nothing may follow"},
		{head + "0.000001 concluded well - 0 0 0 \"\"\n", "line 3: \"well\": want one of answered"},
		{head + "0.000001 concluded silent - 0 x 0 \"\"\n", "line 3: \"x\": want a number"},
		{head + "#" + strings.Repeat("x", maxLine) + "\n", "line 3: longer than 8192 bytes"},
		{head + strings.Repeat("#\n", maxRecording/2), "larger than 32 MiB"},
	} {
		if _, err := ReadRecording(strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ReadRecording(%.60q) = %v; want %q", c.in, err, c.want)
		}
	}
}

// What is read is written back the same.
func FuzzReadRecording(f *testing.F) {
	var b bytes.Buffer
	_ = writeRecording(&b, story, "a remark")
	f.Add(b.String())
	f.Add(recordingIs + "\n0.000000 line \"\"\n1.000000 received FF\n")
	f.Fuzz(func(t *testing.T, in string) {
		read, err := ReadRecording(strings.NewReader(in))
		if err != nil {
			return
		}
		again, err := ReadRecording(strings.NewReader(text(t, read)))
		if err != nil || !reflect.DeepEqual(again, read) {
			t.Errorf("%+v is read back as %+v, %v", read, again, err)
		}
	})
}

// The example of docs/lines.md is a recording.
func TestRecordingOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/lines.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```\n")
	for !strings.HasPrefix(example, recordingIs) && example != "" {
		_, example, _ = strings.Cut(example, "```\n")
	}
	example, _, _ = strings.Cut(example, "```")
	records, err := ReadRecording(strings.NewReader(example))
	if err != nil || len(records) != 5 || string(records[4].Bytes) != string(records[2].Bytes)+string(records[3].Bytes) {
		t.Errorf("ReadRecording(example) = %+v, %v; want five records, the answer in two pieces", records, err)
	}
}
