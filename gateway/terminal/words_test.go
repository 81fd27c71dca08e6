package terminal

import (
	"regexp"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/page/pagetest"
)

func TestWordsAreWholeAndUsed(t *testing.T) {
	asked := regexp.MustCompile(`Say\(?\s?"([a-z_.]+[a-z])"`)
	pagetest.Words(t, own, ".", asked) // Say("refused." + reason)
}

func TestWordsKeepTheStyle(t *testing.T) { pagetest.Style(t, own) }
