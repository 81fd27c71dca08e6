package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/drivers"
	"github.com/ntpc-smart-community/lobby/drivers/bus"
	"github.com/ntpc-smart-community/lobby/gateway/config"
	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// Bounds of what is kept of lines on disk (invariant 13).
const (
	watchEvery    = time.Second
	alarmsWaiting = 16
	recordEvery   = 10 * time.Minute // of one line: what happened before is in the recording
	recordFiles   = 8                // of one line
	recordBytes   = 64 << 20         // of all
)

const (
	recordEnding = ".rec"
	recordTime   = "20060102T150405Z"
)

// separator stands between the configuration and the recording of a file.
const separator = "---\n"

var errNoLine = errors.New("no such line")

// alarm is something wrong on a line that somebody will want to look into.
type alarm struct {
	line    string // empty: that of the subject
	subject string // compartment/A-3, door/ktv
	why     string
}

// raise lets a line's recording be kept. It never blocks.
func (h *hardware) raise(line, why string) { h.alarm(alarm{line: line, why: why}) }

// forced hears of a door that was forced. It never blocks.
func (h *hardware) forced(subject string) {
	h.alarm(alarm{subject: subject, why: subject + " was forced"})
}

func (h *hardware) alarm(a alarm) {
	select {
	case h.alarms <- a:
	default: // as many wait as there may be: their recordings hold this one too
	}
}

// watch keeps a line's recording in dir when something on it goes wrong, until ctx ends.
func (h *hardware) watch(ctx context.Context, dir string) error {
	f := &flight{dir: dir, last: map[string]time.Time{}}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	before := h.look()
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-h.alarms:
			h.record(f, a)
		case <-tick.C:
			now := h.look()
			for _, a := range before.wrongSince(now) {
				h.record(f, a)
			}
			before = now
		}
	}
}

// sight is how lines and devices stand, by line.
type sight struct {
	lines   map[string]bus.Stats
	devices map[string][]drivers.Health
}

func (h *hardware) look() sight {
	lines := h.stats()
	h.mu.Lock()
	defer h.mu.Unlock()
	return sight{lines, h.healthByLine()}
}

// wrongSince is what went wrong until now: devices that fell silent, ports that were lost.
func (s sight) wrongSince(now sight) (all []alarm) {
	online := map[string]bool{}
	for _, devices := range s.devices {
		for _, d := range devices {
			online[d.Device] = d.Online
		}
	}
	for _, line := range sortedKeys(now.lines) {
		if l := now.lines[line]; l.Losses > s.lines[line].Losses {
			all = append(all, alarm{line: line, why: "port lost: " + l.Error})
		}
		for _, d := range now.devices[line] {
			if online[d.Device] && !d.Online {
				all = append(all, alarm{line: line, why: d.Device + " fell silent: " + d.Error})
			}
		}
	}
	return all
}

// record keeps the recording of an alarm's line, unless that was done just now. To fail harms nothing.
func (h *hardware) record(f *flight, a alarm) {
	line := cmp.Or(a.line, h.lineOf(a.subject))
	if now := time.Now(); now.Sub(f.last[line]) < recordEvery && !f.last[line].IsZero() {
		return
	}
	text, err := h.recording(line, a.why)
	var path string
	if err == nil {
		f.last[line] = time.Now()
		path, err = f.keep(line, text)
	}
	if err != nil {
		h.log.Error("recording not kept", "bus", line, "why", a.why, "err", err)
		return
	}
	h.log.Warn("recording kept", "bus", line, "why", a.why, "file", path)
}

// lineOf is the line that a door of a compartment or of a facility hangs on.
func (h *hardware) lineOf(subject string) string {
	h.mu.Lock()
	c := h.config
	h.mu.Unlock()
	kind, id, _ := strings.Cut(subject, "/")
	if kind == "compartment" {
		bank := id[:max(strings.LastIndexByte(id, '-'), 0)]
		if i := slices.IndexFunc(c.Lockers, func(l config.Locker) bool { return l.Bank == bank }); i >= 0 {
			return c.Lockers[i].Line
		}
	}
	if i := slices.IndexFunc(c.Doors, func(d config.Door) bool { return d.ID == id }); i >= 0 && kind == "door" {
		return c.Doors[i].Line
	}
	return ""
}

// recording is what a line said in the last minutes, with the configuration that explains it: Replay reads it.
func (h *hardware) recording(line, why string) ([]byte, error) {
	h.mu.Lock()
	c, l := h.config, h.lines[line]
	h.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("%q: %w", line, errNoLine)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Line %q, %s: %s. See what it says: lobby-gateway replay FILE\n", line, time.Now().UTC().Format(time.RFC3339), wire.Words(why))
	excerpt, err := c.Excerpt(line)
	if err != nil {
		return nil, err
	}
	b.Write(excerpt)
	b.WriteString(separator)
	err = l.recorder.Write(&b)
	return b.Bytes(), err
}

// serveRecording gives a line's recording as it is now.
func (h *hardware) serveRecording(w http.ResponseWriter, r *http.Request) {
	line := r.PathValue("line")
	text, err := h.recording(line, "asked for")
	if errors.Is(err, errNoLine) {
		http.Error(w, err.Error()+": see lines in the configuration", http.StatusNotFound)
		return
	}
	if err != nil {
		h.log.Error("recording", "bus", line, "err", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", recordingName(line, time.Now())))
	_, _ = w.Write(text)
}

// flight is a folder of recordings.
type flight struct {
	dir  string
	last map[string]time.Time // when each line was recorded; this process's
}

func recordingName(line string, at time.Time) string {
	return url.PathEscape(line) + "-" + at.UTC().Format(recordTime) + recordEnding
}

// keep writes a recording, and lets the oldest go.
func (f *flight) keep(line string, text []byte) (path string, err error) {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return "", err
	}
	name := recordingName(line, time.Now())
	path = filepath.Join(f.dir, name)
	if err := writeFile(path, text); err != nil {
		return "", err
	}
	return path, f.prune(name)
}

// prune keeps the newest recordings, as many and as large as there is room for. The one just written stays, whatever the
// clock says.
func (f *flight) prune(written string) error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	var older []fs.FileInfo
	var gone []error
	ofLine, size := map[string]int{lineIn(written): 1}, int64(0)
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil: // gone meanwhile
		case e.Name() == written:
			size = info.Size()
		case strings.HasPrefix(e.Name(), "."): // half written when the power went
			gone = append(gone, os.Remove(filepath.Join(f.dir, e.Name())))
		case strings.HasSuffix(e.Name(), recordEnding):
			older = append(older, info)
		}
	}
	slices.SortFunc(older, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range older {
		line := lineIn(info.Name())
		if ofLine[line] >= recordFiles || size+info.Size() > recordBytes {
			gone = append(gone, os.Remove(filepath.Join(f.dir, info.Name())))
			continue
		}
		ofLine[line]++
		size += info.Size()
	}
	return errors.Join(gone...)
}

// lineIn is the line of a recording's name, as it stands there.
func lineIn(name string) string { return name[:max(len(name)-len("-"+recordTime+recordEnding), 0)] }
