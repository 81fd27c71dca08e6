package demo

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// desk is a guard at the desk, by the same pages that guards use.
type desk struct {
	base string
	http *http.Client
	code string
}

// deskAt is the desk before anybody has signed in.
func (d *Demo) deskAt(code string) (desk, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return desk{}, err
	}
	secure := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: d.CA.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13}}
	return desk{
		base: "https://" + local(d.Ports.Desk), code: code,
		http: &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: secure},
	}, nil
}

// see looks at a page. A guard whose session has ended signs in again.
func (d desk) see(ctx context.Context, path string) (shown, error) {
	code, page, _, err := fetch(ctx, d.http, http.MethodGet, d.base+path, nil, nil)
	if err == nil && code == http.StatusUnauthorized {
		if now, err := d.send(ctx, "/signin", "code", d.code); err != nil {
			return now, err
		}
		code, page, _, err = fetch(ctx, d.http, http.MethodGet, d.base+path, nil, nil)
	}
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("desk %s: %d", path, code)
	}
	return parseShown(page), err
}

// send posts a form and gives the page that it leads to. A refusal, which the page explains, is no error.
func (d desk) send(ctx context.Context, path string, fields ...string) (shown, error) {
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	code, page, _, err := fetch(ctx, d.http, http.MethodPost, d.base+path, header, strings.NewReader(form.Encode()))
	now := parseShown(page)
	if err == nil && code >= http.StatusInternalServerError {
		err = fmt.Errorf("desk %s: %d %v", path, code, now)
	}
	return now, err
}
