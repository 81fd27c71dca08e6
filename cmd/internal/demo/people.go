package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	look    = 40 * time.Millisecond // between two looks at a page
	waitFor = 40 * time.Second      // for what must come by itself: a box that was cut off waits longer between its tries
)

// until looks again and again until done says yes. It fails with what was wanted and what was seen last.
func until(ctx context.Context, want string, done func() (yes bool, seen any, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, waitFor)
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		yes, seen, err := done()
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited %v for %s; last seen: %v", waitFor, want, seen), err)
		case <-tick.C:
		}
	}
}

func fetch(ctx context.Context, c *http.Client, method, address string, header http.Header, body io.Reader) (int, []byte, *url.URL, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return 0, nil, nil, err
	}
	for k, v := range header {
		r.Header[k] = v
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 4<<20))
	return answer.StatusCode, b, answer.Request.URL, err
}

// screen is a person at the kiosk, by the same pages that people use.
type screen struct {
	base string
	http *http.Client
}

// shown is what the screen says of itself.
type shown map[string]string

var (
	mainTag   = regexp.MustCompile(`<main\b[^>]*>`)
	attribute = regexp.MustCompile(`data-([a-z-]+)="([^"]*)"`)
)

func parseShown(page []byte) shown {
	s := shown{}
	for _, m := range attribute.FindAllSubmatch(mainTag.Find(page), -1) {
		s[string(m[1])] = string(m[2])
	}
	return s
}

func (s screen) look(ctx context.Context) (shown, error) {
	code, page, _, err := fetch(ctx, s.http, http.MethodGet, s.base+"/", nil, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("kiosk: %d", code)
	}
	return parseShown(page), err
}

// touch posts one form for the screen as it stands and returns the screen after it.
func (s screen) touch(ctx context.Context, path string, fields ...string) (shown, error) {
	now, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	form := url.Values{"step": {now["step"]}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	code, page, _, err := fetch(ctx, s.http, http.MethodPost, s.base+path, header, strings.NewReader(form.Encode()))
	after := parseShown(page)
	if err == nil && code != http.StatusOK {
		err = refusedTouch{code, fmt.Sprintf("kiosk %s on screen %s: %d %v", path, now["screen"], code, after)}
	}
	return after, err
}

// refusedTouch is a touch that changed nothing.
type refusedTouch struct {
	code int // HTTP
	text string
}

func (r refusedTouch) Error() string { return r.text }

// wait looks until the screen shows a name and, if phase is not empty, a door in that phase.
func (s screen) wait(ctx context.Context, name, phase string) (shown, error) {
	var last shown
	err := until(ctx, "the screen "+name+" "+phase, func() (bool, any, error) {
		var err error
		last, err = s.look(ctx)
		return err == nil && last["screen"] == name && (phase == "" || last["phase"] == phase), last, err
	})
	return last, err
}

// home ends whatever is on the screen.
func (s screen) home(ctx context.Context) error {
	for range 6 {
		now, err := s.look(ctx)
		if err != nil {
			return err
		}
		if now["screen"] == "idle" {
			return nil
		}
		if _, err := s.touch(ctx, "/finish"); err != nil {
			if _, err := s.touch(ctx, "/back"); err != nil {
				return err
			}
		}
	}
	return errors.New("kiosk: does not come back to its idle screen")
}

// hand is a person who touches the building: doors, parcels, plugs.
type hand struct {
	base string
	http *http.Client
}

type buildingState struct {
	Banks []struct {
		Name     string `json:"name"`
		Pulses   int    `json:"pulses"`
		Openings int    `json:"openings"`
		Locks    []struct {
			Lock     int    `json:"lock"`
			Door     string `json:"door"`
			Item     bool   `json:"item"`
			Pulses   int    `json:"pulses"`
			Openings int    `json:"openings"`
		} `json:"locks"`
	} `json:"banks"`
	Lines []struct {
		Name string `json:"name"`
		Path string `json:"path"`
	} `json:"lines"`
	Meters []struct {
		ID     string `json:"id"`
		Litres int64  `json:"litres"`
	} `json:"meters"`
	Doors []doorSeen `json:"doors"`
}

func (h hand) state(ctx context.Context) (buildingState, error) {
	var s buildingState
	code, b, _, err := fetch(ctx, h.http, http.MethodGet, h.base+"/api/state", nil, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("building: %d", code)
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return s, err
}

func (h hand) touch(ctx context.Context, path string, options any) error {
	body, err := json.Marshal(options)
	if err != nil {
		return err
	}
	code, b, _, err := fetch(ctx, h.http, http.MethodPost, h.base+"/api/"+path, http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(body))
	if err == nil && code/100 != 2 {
		err = fmt.Errorf("building %s: %d %s", path, code, b)
	}
	return err
}

func (h hand) door(ctx context.Context, number, action string) error {
	return h.touch(ctx, "locks/A/"+strings.TrimLeft(number, "0")+"/"+action, struct{}{})
}

// unlocks counts the unlock frames that were seen on the wire, by their bytes: 02, address, 31, 03, sum.
func (h hand) unlocks(ctx context.Context) (int, error) {
	n, after := 0, uint64(0)
	for {
		var page struct {
			Entries []struct {
				ID  uint64 `json:"id"`
				Hex string `json:"hex"`
			} `json:"entries"`
		}
		code, b, _, err := fetch(ctx, h.http, http.MethodGet, h.base+"/api/wire?limit=500&after="+strconv.FormatUint(after, 10), nil, nil)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("building's wire: %d %s", code, b)
		}
		if err == nil {
			err = json.Unmarshal(b, &page)
		}
		if err != nil || len(page.Entries) == 0 {
			return n, err
		}
		for _, e := range page.Entries {
			if unlockFrame.MatchString(e.Hex) {
				n++
			}
			after = e.ID
		}
	}
}

var unlockFrame = regexp.MustCompile(`(?i)^02 [0-9a-f]{2} 31 03 [0-9a-f]{2}$`)

// person is somebody who is signed in to the cloud, by the same sign-in that browsers use.
type person struct {
	base string
	http *http.Client
}

func signIn(ctx context.Context, base, account string) (person, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return person{}, err
	}
	p := person{base: base, http: &http.Client{Jar: jar, Timeout: 10 * time.Second}}
	code, page, at, err := fetch(ctx, p.http, http.MethodGet, base+"/auth/login", nil, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("sign-in page: %d %.200s", code, page)
	}
	if err != nil {
		return p, err
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	code, page, _, err = fetch(ctx, p.http, http.MethodPost, at.String(), header, strings.NewReader(url.Values{"account": {account}}.Encode()))
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("sign in as %s: %d %.200s", account, code, page)
	}
	return p, err
}

func (p person) get(ctx context.Context, path string, into any) error {
	code, b, _, err := fetch(ctx, p.http, http.MethodGet, p.base+path, http.Header{"Accept": {"application/json"}}, nil)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("GET %s: %d %s", path, code, b)
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	return err
}

func (p person) post(ctx context.Context, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	code, b, _, err := fetch(ctx, p.http, http.MethodPost, p.base+path, http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(text))
	if err == nil && code/100 != 2 {
		err = fmt.Errorf("POST %s: %d %s", path, code, b)
	}
	return err
}

type household struct{ Site, ID, Unit string }

func (p person) household(ctx context.Context) (household, error) {
	var me struct {
		Sites []struct {
			ID         string `json:"id"`
			Households []struct {
				ID   string `json:"id"`
				Unit string `json:"unit"`
			} `json:"households"`
		} `json:"sites"`
	}
	if err := p.get(ctx, "/v1/me", &me); err != nil {
		return household{}, err
	}
	for _, s := range me.Sites {
		for _, h := range s.Households {
			return household{s.ID, h.ID, h.Unit}, nil
		}
	}
	return household{}, errors.New("no household")
}

type parcelSeen struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Door    int    `json:"door"`
	PIN     string `json:"pin"`
	How     string `json:"how"`
	Settled string `json:"settled_at"`
}

func (p person) parcels(ctx context.Context, site, state string) ([]parcelSeen, error) {
	var list struct {
		Items []parcelSeen `json:"items"`
	}
	err := p.get(ctx, "/v1/parcels?site="+site+"&state="+state, &list)
	return list.Items, err
}

// code asks for a code at path until one is there, other than old.
func (p person) code(ctx context.Context, path, old string) (string, error) {
	found := ""
	err := until(ctx, "a code at "+path, func() (bool, any, error) {
		var codes struct {
			Codes []struct {
				Code string `json:"code"`
			} `json:"codes"`
		}
		err := p.get(ctx, path, &codes)
		for _, c := range codes.Codes {
			if c.Code != "" && c.Code != old {
				found = c.Code
			}
		}
		return err == nil && found != "", len(codes.Codes), err
	})
	return found, err
}

type boxSeen struct {
	State   string `json:"state"`
	Epoch   uint64 `json:"epoch"`
	Boot    uint64 `json:"boot"`
	Backlog uint64 `json:"backlog"`
	Applied bool   `json:"applied"`
	Alarms  []struct {
		Kind string `json:"kind"`
	} `json:"alarms"`
}

func (p person) box(ctx context.Context, gateway string) (boxSeen, error) {
	var b boxSeen
	err := p.get(ctx, "/v1/gateways/"+gateway, &b)
	return b, err
}
