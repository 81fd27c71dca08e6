package api_test

import (
	"testing"

	"github.com/ntpc-smart-community/lobby/cloud/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }
