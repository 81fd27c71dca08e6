package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ntpc-smart-community/lobby/cmd/internal/look"
	"github.com/ntpc-smart-community/lobby/cmd/internal/pki"
	"github.com/ntpc-smart-community/lobby/gateway"
)

// A gateway whose page's address is taken ends and says so, though its link already looks for the broker: what starts it
// again must see it end.
func TestTakenAddressEndsTheGateway(t *testing.T) {
	dir := t.TempDir()
	ca, err := pki.Open(filepath.Join(dir, "pki"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	box, err := ca.Client("gw-1")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root.pub")
	if err := os.WriteFile(root, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(dir, "gateway.yaml")
	text := fmt.Sprintf("gateway: gw-1\nsite: test\ncloud: {broker: 'tls://127.0.0.1:1', ca: %s, certificate: %s, key: %s, root_key: %s}\nkiosk: {listen: '%s'}\nmetrics: {listen: '127.0.0.1:0'}\n",
		ca.File(), box.Cert, box.Key, root, taken.Addr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = gateway.Run(ctx, gateway.Options{Config: file, Data: filepath.Join(dir, "data"), Version: "test", Look: look.FS(), Log: slog.New(slog.DiscardHandler)})
	if ctx.Err() != nil || !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("Run = %v (its time was up: %v); want it to end and name the address", err, ctx.Err())
	}
}
