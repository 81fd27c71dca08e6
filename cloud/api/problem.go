package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"golang.org/x/text/language"

	"github.com/ntpc-smart-community/lobby/cloud/facilities"
	"github.com/ntpc-smart-community/lobby/cloud/fleet"
	"github.com/ntpc-smart-community/lobby/cloud/identity"
	"github.com/ntpc-smart-community/lobby/cloud/once"
	"github.com/ntpc-smart-community/lobby/cloud/parcels"
)

// Code is a stable word for what is wrong.
type Code string

// The codes.
const (
	CodeMalformed   Code = "malformed"
	CodeSignIn      Code = "sign_in_needed"
	CodeForbidden   Code = "forbidden"
	CodeStepUp      Code = "step_up"
	CodeNoKey       Code = "idempotency_key_needed"
	CodeOtherKey    Code = "idempotency_key_used"
	CodeRunning     Code = "under_way"
	CodeCommands    Code = "too_many_commands"
	CodeBooking     Code = "slot_refused"
	CodeNotFound    Code = "not_found"
	CodeMethod      Code = "method_not_allowed"
	CodeSlow        Code = "body_too_slow"
	CodeWaiting     Code = "wish_waiting"
	CodeState       Code = "not_possible_now"
	CodeChanged     Code = "changed_meanwhile"
	CodeTooLarge    Code = "too_large"
	CodeMedia       Code = "unsupported_media_type"
	CodeInvalid     Code = "invalid"
	CodeNoCondition Code = "if_match_needed"
	CodeInternal    Code = "internal"
)

// meaning is a code's status, title and sentences.
type meaning struct {
	status        int
	title, zh, en string
}

func meanings() map[Code]meaning {
	return map[Code]meaning{
		CodeMalformed:   {400, "Malformed request", "看不懂送來的內容，沒有任何變更。請送出正確的 JSON。", "The request could not be read; nothing has changed. Send well-formed JSON."},
		CodeSignIn:      {401, "Sign-in needed", "請先登入。", "Please sign in first."},
		CodeForbidden:   {403, "Not allowed", "您在這個社區沒有這項權限。請洽管理室。", "Your role in this community does not allow that. Ask the manager."},
		CodeStepUp:      {403, "Sign in anew", "開門前請再登入一次，以確認是您本人：請前往 /auth/login?step_up=1，5 分鐘內有效。沒有任何變更。", "Opening a door asks who you are once more: sign in again at /auth/login?step_up=1; that counts for 5 minutes. Nothing has changed."},
		CodeNoKey:       {400, "Idempotency-Key needed", "請附上 Idempotency-Key（任意的隨機文字），沒有任何變更。", "Send an Idempotency-Key, a random text of your own. Nothing has changed."},
		CodeOtherKey:    {422, "Idempotency-Key used", "這個 Idempotency-Key 已用於另一個請求，沒有任何變更。請換一個新的。", "This Idempotency-Key was used for another request; nothing has changed. Take a new one."},
		CodeRunning:     {409, "Under way", "同一個請求正在處理中。請稍後以相同的 Idempotency-Key 再試一次。", "The same request is under way. Send it again with the same Idempotency-Key in a moment."},
		CodeCommands:    {429, "Too many commands", "一分鐘內開門太多次，這次沒有開。請一分鐘後再試，或洽現場警衛。", "Too many doors were opened within a minute; this one was not. Try again in a minute, or call the guard."},
		CodeBooking:     {409, "Slot refused", "這個時段不能預約。", "This slot cannot be booked."},
		CodeNotFound:    {404, "Not found", "這裡沒有您要找的資料。", "There is no such thing here for you."},
		CodeMethod:      {405, "Method not allowed", "這個位址不接受這種請求。", "This address does not take that method; see Allow."},
		CodeSlow:        {408, "Request too slow", "內容沒有及時送到，沒有任何變更。請再試一次。", "The request did not arrive in time; nothing has changed. Try again."},
		CodeWaiting:     {409, "Another wish waits", "前一個要求還在等大樓回應。請等它完成再試。", "An earlier wish still waits for the building. Try again when it is answered."},
		CodeState:       {409, "Not possible now", "目前的狀態不能這樣做。請重新整理後再看。", "That is not possible in the present state. Reload and look again."},
		CodeChanged:     {412, "Changed meanwhile", "資料在這期間已經改變，沒有任何變更。請重新整理後再試。", "It has changed in the meantime; nothing was done. Reload and try again."},
		CodeTooLarge:    {413, "Too large", "內容太大，沒有任何變更。", "The request is too large; nothing has changed."},
		CodeMedia:       {415, "Unsupported media type", "請以 application/json 送出。", "Send application/json."},
		CodeInvalid:     {422, "Not valid", "有欄位不符規定，沒有任何變更。請看 errors。", "Something in the request is not valid; nothing has changed. See errors."},
		CodeNoCondition: {428, "If-Match needed", "請附上 If-Match，說明您看到的是哪個版本。", "Send If-Match with the ETag of the state that you saw."},
		CodeInternal:    {500, "Internal error", "系統暫時有問題，請稍後再試。", "Something went wrong on our side. Please try again later."},
	}
}

func (c Code) status() int { return meanings()[c].status }

// Errors of this package's own rules.
var (
	errNotFound    = errors.New("not found for this person")
	errForbidden   = errors.New("not allowed for this person")
	errCursor      = errors.New("cursor of another list")
	errNoUnit      = errors.New("no such unit, or nobody lives there")
	errNoCondition = errors.New("no If-Match")
	errStepUp      = errors.New("not signed in anew")
	errDay         = errors.New("not a day")
)

// codeOf is the one place that says which error is which code.
func codeOf(err error) Code {
	for _, m := range []struct {
		err  error
		code Code
	}{
		{errNotFound, CodeNotFound}, {identity.ErrUnknown, CodeNotFound}, {parcels.ErrUnknown, CodeNotFound}, {fleet.ErrUnknown, CodeNotFound},
		{errForbidden, CodeForbidden}, {errCursor, CodeInvalid}, {errNoUnit, CodeInvalid}, {errNoCondition, CodeNoCondition},
		{errStepUp, CodeStepUp}, {errDay, CodeInvalid}, {once.ErrMissing, CodeNoKey}, {once.ErrOther, CodeOtherKey}, {once.ErrRunning, CodeRunning},
		{fleet.ErrCommands, CodeCommands}, {facilities.ErrUnknown, CodeNotFound}, {facilities.ErrChanged, CodeChanged}, {facilities.ErrState, CodeState},
		{parcels.ErrChanged, CodeChanged}, {parcels.ErrState, CodeState}, {fleet.ErrWishLiving, CodeWaiting},
	} {
		if errors.Is(err, m.err) {
			return m.code
		}
	}
	if _, ok := errors.AsType[*facilities.Refusal](err); ok {
		return CodeBooking
	}
	return CodeInternal
}

// Problem is every answer that is an error (RFC 9457).
type Problem struct {
	Type   string  `json:"type" format:"uri-reference" doc:"stable name of the kind of problem; it leads to its description"`
	Title  string  `json:"title" doc:"what is wrong, in English, for logs"`
	Status int     `json:"status"`
	Code   Code    `json:"code" doc:"the same name as in type, as a word"`
	Detail string  `json:"detail" doc:"what to do, in the asker's language"`
	Rule   string  `json:"rule,omitempty" enum:"no_slot,over,too_far,limit,taken,often" doc:"of slot_refused: the rule that forbids it"`
	Next   *Free   `json:"next,omitempty" doc:"of slot_refused: the next slot that is free"`
	Errors []Fault `json:"errors,omitempty" doc:"what is wrong, place by place; a refused value is never repeated"`
}

// Fault is one thing wrong with a request.
type Fault struct {
	Pointer   string `json:"pointer,omitempty" doc:"JSON pointer into the body"`
	Parameter string `json:"parameter,omitempty" doc:"name of the query parameter, path parameter or header"`
	Code      string `json:"code" enum:"unknown_field,missing,invalid_value"`
	Detail    string `json:"detail"`
}

// Error is the code.
func (p *Problem) Error() string { return string(p.Code) }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problems.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func problem(c Code, in tongue) *Problem {
	m := meanings()[c]
	p := &Problem{Type: "/docs#" + string(c), Title: m.title, Status: m.status, Code: c, Detail: m.zh}
	if in == en {
		p.Detail = m.en
	}
	return p
}

// problemOf is the problem of an error, with its place where this package knows it.
func problemOf(err error, in tongue) *Problem {
	p := problem(codeOf(err), in)
	if r, ok := errors.AsType[*facilities.Refusal](err); ok {
		p.Detail, p.Rule = r.Say(in == en), r.Rule.String()
		if r.Next != nil {
			p.Next = &Free{From: local(r.Next.From), To: local(r.Next.To)}
		}
	}
	switch {
	case errors.Is(err, errDay):
		p.Errors = []Fault{fault(&huma.ErrorDetail{Location: "query.day"}, in)}
	case errors.Is(err, errCursor):
		p.Errors = []Fault{fault(&huma.ErrorDetail{Location: "query.cursor"}, in)}
	case errors.Is(err, errNoUnit):
		p.Errors = []Fault{fault(&huma.ErrorDetail{Location: "body.unit"}, in)}
	}
	return p
}

// refuse turns huma's verdict into a problem. Messages and values are dropped: both may repeat what was sent.
func refuse(status int, in tongue, errs []error) *Problem {
	code := map[int]Code{
		400: CodeMalformed, 401: CodeSignIn, 403: CodeForbidden, 404: CodeNotFound, 405: CodeMethod, 408: CodeSlow, 412: CodeChanged,
		413: CodeTooLarge, 415: CodeMedia, 422: CodeInvalid, 428: CodeNoCondition,
	}[status]
	if code == "" {
		code = CodeInternal
	}
	p := problem(code, in)
	for _, err := range errs {
		if d, ok := errors.AsType[*huma.ErrorDetail](err); ok && code == CodeInvalid {
			p.Errors = append(p.Errors, fault(d, in))
		}
	}
	return p
}

var required = regexp.MustCompile(`^expected required property ([A-Za-z0-9_-]+) to be present$`)

func fault(d *huma.ErrorDetail, in tongue) Fault {
	where, at, _ := strings.Cut(d.Location, ".")
	f := Fault{Code: "invalid_value", Detail: "這個值不能用。"}
	english := "This value cannot be used."
	missing := required.FindStringSubmatch(d.Message)
	switch {
	case d.Message == validation.MsgUnexpectedProperty || d.Message == "unknown query parameter":
		f.Code, f.Detail, english = "unknown_field", "這裡有不認識的欄位。", "There is an unknown field here."
		at = at[:max(strings.LastIndexByte(at, '.'), 0)] // the field's name is the sender's own words
	case missing != nil:
		f.Code, f.Detail, english = "missing", "缺少這個欄位。", "This field is missing."
		at = strings.TrimPrefix(at+"."+missing[1], ".")
	case strings.HasPrefix(d.Message, "required "):
		f.Code, f.Detail, english = "missing", "缺少這個欄位。", "This field is missing."
	}
	if in == en {
		f.Detail = english
	}
	if where != "body" {
		f.Parameter = at
		return f
	}
	f.Pointer = pointer(at)
	return f
}

// pointer makes items[3].tags a JSON pointer.
func pointer(at string) string {
	if at == "" {
		return ""
	}
	return "/" + strings.NewReplacer("[", "/", "]", "", ".", "/").Replace(at)
}

// nowhere answers what no route takes: 405 with Allow where another method would do, else 404.
func (a *API) nowhere(w http.ResponseWriter, r *http.Request) {
	found := verdict{header: http.Header{}}
	a.mux.ServeHTTP(&found, r)
	code := CodeNotFound
	if found.status == http.StatusMethodNotAllowed {
		code = CodeMethod
		w.Header().Set("Allow", found.header.Get("Allow"))
	}
	writeProblem(w, problem(code, languageOf(r.Header.Get("Accept-Language"))))
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a failed write means that the asker has left
}

// verdict keeps the status and header of an answer and drops its text.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) Write(b []byte) (int, error) { return len(b), nil }
func (v *verdict) WriteHeader(status int)      { v.status = status }

// tongue is a language of the API.
type tongue string

const (
	zh tongue = "zh-TW"
	en tongue = "en"
)

type languageKey struct{}

func languageFrom(ctx context.Context) tongue {
	if t, ok := ctx.Value(languageKey{}).(tongue); ok {
		return t
	}
	return zh
}

// languageOf takes the first language of Accept-Language that is Chinese or English; every Chinese is zh-TW here.
func languageOf(accept string) tongue {
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return zh
	}
	for _, t := range tags {
		switch base, _ := t.Base(); base.String() {
		case "zh":
			return zh
		case "en":
			return en
		}
	}
	return zh
}
