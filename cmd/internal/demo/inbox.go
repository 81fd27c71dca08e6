package demo

import (
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
		_ = inboxPage.Execute(w, i.Messages()) // the reader may have left
	}
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
<body><main class="page"><h1>收件匣 <small>Inbox</small></h1>
<p>住戶在真實世界會收到的通知，都在這裡。 <small>What residents would be told in the real world.</small></p>
{{range .}}<section class="card"><p><b>{{.Received.Format "15:04:05"}}</b></p><pre>{{printf "%s" .Body}}</pre></section>
{{else}}<p>還沒有通知。 <small>Nothing yet.</small></p>{{end}}</main></body></html>
`))
