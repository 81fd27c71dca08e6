package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Message is one notification as it reached the outside world.
type Message struct {
	ID       string          `json:"id"`
	Received time.Time       `json:"received"`
	Times    int             `json:"times"` // how often it came: more than once is somebody told twice
	Body     json.RawMessage `json:"body"`
}

// Inbox stands for the outside world: it takes the cloud's webhooks, checks their signatures and shows them.
type Inbox struct {
	verify *webhooks.Webhook

	mu       sync.Mutex
	messages []Message
}

// NewInbox takes webhooks signed with secret (Standard Webhooks, whsec_…).
func NewInbox(secret string) (*Inbox, error) {
	verify, err := webhooks.NewWebhook(secret)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	return &Inbox{verify: verify}, nil
}

// Messages returns what came, oldest first.
func (i *Inbox) Messages() []Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.messages)
}

// ServeHTTP takes a webhook by POST, lists by GET: a page, or JSON where that is asked for.
func (i *Inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost:
		i.take(w, r)
	case r.Header.Get("Accept") == "application/json":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(i.Messages()) // the reader may have left
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = inboxPage.Execute(w, i.shown()) // the reader may have left
	}
}

// shownMessage is one notification as the page shows it.
type shownMessage struct {
	Message
	Type   string
	ZH, EN string // empty where the body has no text
	Person string
	Raw    string // the body, indented
}

// At is when it came, on the clock of the building.
func (m shownMessage) At() string {
	return m.Received.In(time.FixedZone("Asia/Taipei", 8*60*60)).Format("15:04:05")
}

// shown returns what came, newest first.
func (i *Inbox) shown() []shownMessage {
	var all []shownMessage
	for _, m := range slices.Backward(i.Messages()) {
		var body struct {
			Type string `json:"type"`
			Data struct {
				Person string            `json:"person"`
				Text   map[string]string `json:"text"`
			} `json:"data"`
		}
		var raw bytes.Buffer
		if json.Unmarshal(m.Body, &body) != nil || json.Indent(&raw, m.Body, "", "  ") != nil {
			raw.Reset()
			raw.Write(m.Body) // shown as it came
		}
		all = append(all, shownMessage{m, body.Type, body.Data.Text["zh-TW"], body.Data.Text["en"], body.Data.Person, raw.String()})
	}
	return all
}

func (i *Inbox) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err := i.verify.Verify(body, r.Header); err != nil {
		http.Error(w, "signature does not verify", http.StatusUnauthorized)
		return
	}
	id := r.Header.Get("webhook-id")
	i.mu.Lock()
	defer i.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	if at := slices.IndexFunc(i.messages, func(m Message) bool { return m.ID == id }); at >= 0 {
		i.messages[at].Times++
		return
	}
	i.messages = append(i.messages, Message{ID: id, Received: time.Now(), Times: 1, Body: body})
}

var inboxPage = template.Must(template.New("inbox").Parse(`<!doctype html>
<html lang="zh-TW"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="3"><title>收件匣 Inbox</title><link rel="stylesheet" href="/look/look.css">
<body><main class="page page-narrow stack"><h1>收件匣 <span class="muted" lang="en">Inbox</span></h1>
<div><p>住戶在真實世界會收到的通知，都在這裡，最新的在上面。</p><p class="hint" lang="en">What residents would be told in the real world, newest first.</p></div>
{{range .}}<section class="card stack"><p class="row"><strong>{{.At}}</strong><span class="badge badge-info">{{.Type}}</span>{{if gt .Times 1}}<span class="badge badge-warn">{{.Times}} ×</span>{{end}}</p>
{{if .ZH}}<div><p class="t-l">{{.ZH}}</p><p class="muted" lang="en">{{.EN}}</p></div>{{end}}
{{with .Person}}<p class="hint">給 <span lang="en">to</span> <span class="mono">{{.}}</span></p>{{end}}
<details><summary class="hint">收到的全文 <span lang="en">As it came</span></summary><div class="table-wrap" tabindex="0" role="region" aria-label="{{.ID}}"><pre class="mono t-s">{{.Raw}}</pre></div></details></section>
{{else}}<div class="empty"><p class="strong">還沒有通知</p><p class="hint" lang="en">Nothing yet</p></div>{{end}}</main></body></html>
`))
