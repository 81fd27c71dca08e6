package api_test

import (
	"bytes"
	"flag"
	"github.com/ntpc-smart-community/lobby/cloud/internal/cloudtest"
	"os"
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
)

var update = flag.Bool("update", false, "write docs/openapi.yaml anew")

const openapi = "../../docs/openapi.yaml"

func TestOpenAPIIsCommitted(t *testing.T) {
	b := cloudtest.New(t, storetest.SQLite(t))
	got, err := b.API.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(openapi, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(openapi)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/openapi.yaml does not describe this API; read the difference after: go test ./cloud/api -run OpenAPI -update")
	}
}
