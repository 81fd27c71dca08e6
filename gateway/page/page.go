// Package page is what a gateway's own screens share: messages in two languages, dates as people write them, strict
// security headers, and forms that are read field by field.
//
// Pages built on it ask no other host for anything and carry no script or style of their own in the HTML. What a form
// holds is refused as a whole when one field is unknown, doubled or too long: bad input changes nothing.
package page

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Limits of what a form may bring.
const (
	MaxBody  = 4096 // bytes of a posted form
	MaxField = 200  // bytes of one field, where no other limit is named
)

// ErrForm says that a form was refused; what it wraps around names the field, never its value.
var ErrForm = errors.New("form refused")

// policy allows what the page's own address serves and nothing else: no inline script, no inline style, no framing.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Guard wraps next: it sets the security headers, refuses a Host that allowed does not know (a page of another site
// that has its name point here), and refuses requests that another origin's page caused.
func Guard(next http.Handler, allowed func(host string) bool) http.Handler {
	origins := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !allowed(strings.Trim(host, "[]")) {
			http.Error(w, "this address is not served under that name; use the one in the gateway's configuration",
				http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		origins.ServeHTTP(w, r)
	})
}

// Loopback tells whether host names this machine itself.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// Files serves the files of fsys below prefix and lists no folder.
func Files(prefix string, fsys fs.FS) http.Handler {
	files := http.StripPrefix(prefix, http.FileServerFS(fsys))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		// Files change only with the program, which the browser is restarted with.
		w.Header().Set("Cache-Control", "max-age=3600")
		files.ServeHTTP(w, r)
	})
}

// Form reads a posted form. Every field must be one of fields, come at most once and hold at most MaxField bytes; an
// address with a query is refused, so that nothing typed can be in it. The error wraps ErrForm.
func Form(r *http.Request, fields ...string) (url.Values, error) {
	limits := map[string]int{}
	for _, name := range fields {
		limits[name] = MaxField
	}
	return FormWithin(r, limits)
}

// FormWithin is Form with a limit for each field, in bytes.
func FormWithin(r *http.Request, limits map[string]int) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, fmt.Errorf("query in the address: %w", ErrForm)
	}
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("body: %w", ErrForm) // the parser's own error quotes the body
	}
	for name, values := range r.PostForm {
		limit, known := limits[name]
		switch {
		case !known:
			return nil, fmt.Errorf("unknown field: %w", ErrForm)
		case len(values) != 1:
			return nil, fmt.Errorf("field %s given %d times: %w", name, len(values), ErrForm)
		case len(values[0]) > limit || !utf8.ValidString(values[0]):
			return nil, fmt.Errorf("field %s is too long or no text: %w", name, ErrForm)
		}
	}
	return r.PostForm, nil
}

// Digits tells whether s is 1 to limit decimal digits.
func Digits(s string, limit int) bool {
	return s != "" && len(s) <= limit && strings.Trim(s, "0123456789") == ""
}
