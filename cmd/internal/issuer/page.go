package issuer

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// choose shows the accounts; picking one posts the same parameters and account.
func (i *Issuer) choose(w http.ResponseWriter, r *http.Request) {
	g, err := i.asked(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if i.unseen(w, r, g) {
		return
	}
	var out bytes.Buffer
	err = page().Execute(&out, map[string]any{"Style": i.config.Style, "Accounts": i.config.Accounts, "Query": r.URL.Query(), "Anew": slices.Contains(strings.Fields(r.FormValue("prompt")), "login")})
	if err != nil {
		http.Error(w, "cannot show the page", http.StatusInternalServerError)
		return
	}
	// A form's redirect counts as its target.
	to, _ := url.Parse(g.redirect)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; form-action 'self' "+to.Scheme+"://"+to.Host)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(out.Bytes())
}

func page() *template.Template {
	return template.Must(template.New("page").Parse(`<!doctype html>
<html lang="zh-TW">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>登入 Sign in</title>
<link rel="stylesheet" href="{{.Style}}">
</head>
<body>
<main class="page page-narrow">
<header><h1>登入 <span lang="en" class="muted">Sign in</span></h1>
<p class="muted">示範用的登入頁：選一個人，不需密碼。</p>
<p class="hint" lang="en">The demo's sign-in page: pick somebody, no password.</p>
{{if .Anew}}<p class="banner"><span>接下來的動作要再確認一次身分：請選您自己。 <span lang="en">What comes next asks who you are once more: pick yourself.</span></span></p>{{end}}</header>
<form method="post" class="stack">
{{range $name, $values := .Query}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}{{range .Accounts}}<button class="item card" name="account" value="{{.Subject}}"><span class="item-body"><span class="item-title">{{.Name}}</span>{{with .Note}} <span class="item-line">{{.}}</span>{{end}}</span></button>
{{end}}</form>
</main>
</body>
</html>
`))
}
