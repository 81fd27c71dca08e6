package building

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"syscall"

	"github.com/ntpc-smart-community/lobby/firmware-sim/kerong"
	"github.com/ntpc-smart-community/lobby/firmware-sim/line"
	"github.com/ntpc-smart-community/lobby/firmware-sim/modbus"
)

const (
	maxBody  = 4 << 10
	maxLimit = 1000 // entries of one answer
)

// problem is an error as a caller of the API gets it (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (b *Building) apiRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/state", func(w http.ResponseWriter, _ *http.Request) { answer(w, b.State()) })
	mux.HandleFunc("GET /api/wire", b.apiWire)
	mux.HandleFunc("GET /api/faults.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(b.Recording()) // whoever left cannot be told
	})
	touchRoutes(mux, "/api/", b.apiTouch)
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, fmt.Errorf("%s %s: %w: the API has GET /api/state, /api/wire and /api/faults.yaml, POST /api/lines, /api/banks, /api/boards, /api/locks, /api/meters and /api/doors", r.Method, r.URL.Path, ErrNotFound))
	})
}

func (b *Building) apiWire(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	name := q.Get("line")
	if name != "" {
		if _, err := b.Line(name); err != nil {
			refuse(w, err)
			return
		}
	}
	after, err := number(q.Get("after"))
	limit, limitErr := number(q.Get("limit"))
	if err = errors.Join(err, limitErr); err != nil {
		refuse(w, err)
		return
	}
	if limit == 0 || limit > maxLimit {
		limit = maxLimit
	}
	entries := []WireEntry{}
	for _, e := range b.log.After(name, after, int(limit)) {
		entries = append(entries, wireEntry(e))
	}
	answer(w, map[string]any{"entries": entries})
}

func wireEntry(e line.Entry) WireEntry {
	out := WireEntry{
		ID: e.ID, At: e.At, Line: e.Line, Direction: "sent", Hex: fmt.Sprintf("% X", e.Bytes),
		Meaning: e.Meaning.EN, MeaningZH: e.Meaning.ZH, Bad: e.Meaning.Bad, Marked: e.Meaning.Marked,
	}
	if e.ToHost {
		out.Direction = "received"
	}
	return out
}

func number(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: %q: use a whole number from 0", ErrOptions, s)
	}
	return n, nil
}

// touch does what a request's path names.
func (b *Building) touch(r *http.Request, o Options) error {
	t := Target{Kind: Kind(r.PathValue("kind")), Name: r.PathValue("name")}
	if of := r.PathValue("number"); of != "" {
		n, err := number(of)
		if err != nil {
			return err
		}
		t.Number = int(n)
	}
	return b.Touch(t, r.PathValue("action"), o)
}

// touchRoutes adds an address for each kind of target below prefix.
func touchRoutes(mux *http.ServeMux, prefix string, h http.HandlerFunc) {
	for _, k := range []Kind{Lines, Banks, Boards, Locks, Meters, Doors} {
		path := "/{name}/{action}"
		if k.numbered() {
			path = "/{name}/{number}/{action}"
		}
		mux.HandleFunc("POST "+prefix+string(k)+path, func(w http.ResponseWriter, r *http.Request) {
			r.SetPathValue("kind", string(k))
			h(w, r)
		})
	}
}

// apiTouch answers a touch with the whole state after it.
func (b *Building) apiTouch(w http.ResponseWriter, r *http.Request) {
	o, err := readOptions(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = b.touch(r, o)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, b.State())
}

// readOptions reads one JSON object, or nothing.
func readOptions(body io.Reader) (Options, error) {
	var o Options
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil && !errors.Is(err, io.EOF) {
		return o, fmt.Errorf("%w: %w: send a JSON object of the options that the action takes", ErrOptions, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return o, fmt.Errorf("%w: send one JSON object and nothing after it", ErrOptions)
	}
	return o, nil
}

func answer(w http.ResponseWriter, v any) { send(w, http.StatusOK, "application/json", v) }

func refuse(w http.ResponseWriter, err error) {
	status := statusOf(err)
	send(w, status, "application/problem+json", problem{Title: http.StatusText(status), Status: status, Detail: err.Error()})
}

func send(w http.ResponseWriter, status int, mime string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("building: answer of no JSON: %v", err)) // only our own types come here
	}
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // whoever left cannot be told
}

// statusOf maps what was wrong to HTTP.
func statusOf(err error) int {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(ErrOptions, line.ErrLink, modbus.ErrSerial, modbus.ErrTotal):
		return http.StatusBadRequest
	case is(ErrNotFound, ErrAction, kerong.ErrNoLock, kerong.ErrNoBoard):
		return http.StatusNotFound
	case is(kerong.ErrDoorOpen, kerong.ErrDoorClosed, kerong.ErrEmpty, kerong.ErrOccupied):
		return http.StatusConflict
	case is(modbus.ErrDoorOpen, modbus.ErrDoorClosed, modbus.ErrDoorHeld, modbus.ErrNoContact):
		return http.StatusConflict
	case is(line.ErrPlugged, line.ErrUnplugged, ErrInUse, os.ErrExist, syscall.EADDRINUSE):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}
