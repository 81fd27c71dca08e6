package command

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
)

const cloudCommunity = `site: {id: site-a, name: 一村}
issuer: https://sign-in.example
gateways:
  - {id: gw-a, event_key: 3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}
units:
  - {label: A-1}
`

// runCloud runs the command in this process and gives its standard output line by line.
func runCloud(t *testing.T, ctx context.Context, args ...string) (lines <-chan string, done <-chan error) {
	t.Helper()
	r, w := io.Pipe()
	c := Cloud("test", look.FS())
	c.SetArgs(args)
	c.SetOut(w)
	c.SetErr(io.Discard)
	out, end := make(chan string, 100), make(chan error, 1)
	go func() {
		end <- errors.Join(c.ExecuteContext(ctx), w.Close())
	}()
	go func() {
		defer close(out)
		for s := bufio.NewScanner(r); s.Scan(); {
			out <- s.Text()
		}
	}()
	return out, end
}

// A cloud says where it listens, answers there, and leaves nothing behind.
func TestCloudServes(t *testing.T) {
	dir := t.TempDir()
	ca, err := pki.Open(filepath.Join(dir, "pki"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Server("broker")
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Client("gw-a")
	if err != nil {
		t.Fatal(err)
	}
	community := filepath.Join(dir, "community.yaml")
	if err := os.WriteFile(community, []byte(cloudCommunity), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "cloud")
	for _, args := range [][]string{
		{"keys", "--data", data, "--root-key", filepath.Join(dir, "root.key"), "--fleet", "test"},
		{"import", "--data", data, community},
	} {
		_, done := runCloud(t, t.Context(), args...)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	// invariant 11: the offline root key is not needed to serve.
	if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	lines, done := runCloud(t, ctx, "serve", "--data", data, "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
		"--broker-cert", server.Cert, "--broker-key", server.Key, "--client-ca", ca.File(), "--issuer", "http://127.0.0.1:1/issuer", "--client-id", "lobby")
	at := map[string]string{}
	for line := range lines {
		if line == "ready" {
			break
		}
		name, address, _ := strings.Cut(line, " ")
		at[name] = address
	}
	if len(at) != 3 {
		stop()
		t.Fatalf("said %v, ended with %v; want api, broker and metrics", at, <-done)
	}
	for _, tt := range []struct {
		url    string
		status int
		has    string
	}{
		{at["api"] + "/", 200, "登入"},
		{at["api"] + "/v1/me", 401, `"code":"sign_in_needed"`},
		{at["api"] + "/openapi.yaml", 200, "openapi: 3.1.0"},
		{at["api"] + "/docs", 200, "/v1/household-code"},
		{at["api"] + "/look/look.css", 200, "--accent"},
		{at["api"] + "/look/", 404, ""},
		{at["api"] + "/metrics", 404, `"code":"not_found"`},
		{at["metrics"] + "/healthz", 200, `{"state":"ok"}`},
		{at["metrics"] + "/metrics", 200, "lobby_cloud_gateways_connected 0"},
	} {
		status, body := fetch(t, tt.url)
		if status != tt.status || !strings.Contains(body, tt.has) {
			t.Errorf("GET %s = %d %.300s; want %d and %q", tt.url, status, body, tt.status, tt.has)
		}
	}
	pair, err := tls.LoadX509KeyPair(client.Cert, client.Key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.Dial("tcp", strings.TrimPrefix(at["broker"], "tls://"), &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Errorf("the broker: %v", err)
	} else {
		c.Close()
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(b)
}
