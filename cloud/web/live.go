package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ntpc-smart-community/lobby/cloud/identity"
)

// Pace of a live page.
const (
	tick      = time.Second            // ages grow without events, and other replicas take some too
	rest      = 250 * time.Millisecond // between two looks at the least, however much happens
	share     = 4                      // and so many times what a look takes: viewers do not slow down what they look at
	writeTime = 10 * time.Second       // for a browser to take one message
)

// part is a part of the page that is sent again when its key has changed.
type part struct {
	name, key string
	in        string // the part that holds it and was sent with it
	html      string
}

// parts are the parts of a scene. A row is sent alone, unless the rows themselves have changed.
func (o *operator) parts(v *scene) []part {
	whole := func(name string) part {
		html := string(o.render(name, v.Lens.Lang, v))
		return part{name: name, key: html, html: html}
	}
	all := []part{whole("clock"), whole("late")}
	if v.One != nil {
		return append(all, whole("one"))
	}
	list := whole("list")
	list.key = fmt.Sprintln(v.Total, v.Silent, v.Deaf, v.From, v.Found, v.Prev, v.Next) // all of it but its rows
	var rows []part
	for _, r := range v.Rows {
		html := string(o.render("row", v.Lens.Lang, r))
		rows = append(rows, part{name: r.Part(), key: html, in: "list", html: html})
		list.key += r.Gateway + "\n"
	}
	return append(append(all, whole("counts"), list), rows...)
}

// news are the parts that have changed since sent.
func news(all []part, sent map[string]string) string {
	var out strings.Builder
	fresh := map[string]bool{}
	for _, p := range all {
		if sent[p.name] == p.key {
			continue
		}
		sent[p.name] = p.key
		if !fresh[p.in] {
			out.WriteString(serverSent(p.name, p.html))
		}
		fresh[p.name] = true
	}
	return out.String()
}

// serverSent makes one server-sent event. Every line of the data is marked as such, whatever ends it: what a device says cannot
// begin an event of its own.
func serverSent(name, html string) string {
	html = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimSpace(html))
	return fmt.Sprintf("event: %s\ndata: %s\n\n", name, strings.ReplaceAll(html, "\n", "\ndata: "))
}

// live sends each part of the page again when it has changed, until the browser leaves, or the session or the role ends.
// A browser that comes back gets everything.
func (o *operator) live(rw http.ResponseWriter, r *http.Request) {
	l := lensOf(r)
	if err := o.allowed(r); err != nil {
		_, status := o.refusal(l, err)
		http.Error(rw, http.StatusText(status), status)
		return
	}
	select {
	case o.viewers <- struct{}{}:
		defer func() { <-o.viewers }()
	default:
		rw.Header().Set("Retry-After", "30")
		http.Error(rw, tongued(l.Lang).t(fmt.Sprintf("已有 %d 個畫面在即時更新，請關掉一個。", maxViewers), fmt.Sprintf("%d pages are live already: close one.", maxViewers)), http.StatusServiceUnavailable)
		return
	}
	rw.Header().Set("Content-Type", "text/event-stream")
	rw.Header().Set("X-Accel-Buffering", "no") // a proxy in between must not keep it back
	out := http.NewResponseController(rw)
	// The server's limits are for answers that end.
	if err := out.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		o.Log.Error("page not kept live", "err", err)
		return
	}
	send := func(text string) bool {
		err := out.SetWriteDeadline(time.Now().Add(writeTime))
		if err == nil || errors.Is(err, http.ErrNotSupported) {
			_, err = rw.Write([]byte(text))
		}
		return err == nil && out.Flush() == nil
	}
	if send("retry: 2000\n\n") {
		o.follow(r, l, send)
	}
}

// follow looks again and again. The clock on the page changes each second, which keeps the line open and tells the
// browser that it still hears.
func (o *operator) follow(r *http.Request, l lens, send func(string) bool) {
	sent, ill := map[string]string{}, false
	since := time.Now()
	for {
		changed := o.Ingest.Changed()
		v, err := o.scene(r.Context(), l, since)
		if ended := o.allowed(r); ended != nil {
			err = ended
		}
		if r.Context().Err() != nil {
			return
		}
		switch {
		case errors.Is(err, identity.ErrNoSession), errors.Is(err, errNotOperator), errors.Is(err, errNoGateway):
			send(o.farewell(l, err))
			return
		case err != nil: // the page says itself that it has grown old
			if !ill {
				o.Log.Error("page not kept live", "err", err)
			}
			ill = true
		default:
			v.Streamed, ill = true, false
			if text := news(o.parts(v), sent); text != "" && !send(text) {
				return
			}
		}
		since = o.pause(r.Context(), v.took, changed)
	}
}

// pause waits until something was committed here, or a tick is over, and tells how new the next look must be.
func (o *operator) pause(ctx context.Context, took time.Duration, changed <-chan struct{}) time.Time {
	wait := func(d time.Duration, wake <-chan struct{}) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return false
		case <-wake:
			return true
		case <-ctx.Done():
			return false
		}
	}
	least := max(rest, share*took)
	wait(least, nil)
	if wait(max(0, tick-least), changed) {
		return time.Now()
	}
	return time.Now().Add(-tick / 2) // a look that another viewer has just taken will do
}

// farewell empties the page of what is no longer to be seen, and ends the stream.
func (o *operator) farewell(l lens, err error) string {
	v, _ := o.refusal(l, err)
	return serverSent("clock", "") + serverSent("late", "") + serverSent("main", string(o.render("refused", l.Lang, v))) + serverSent("end", "")
}
