package desk

import (
	"regexp"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/page/pagetest"
)

func TestWordsAreWholeAndUsed(t *testing.T) {
	asked := regexp.MustCompile(`[.$]T "([a-z_.]+[a-z])"|\bT\("([a-z_.]+)"|refuse\("[a-z_]+", "([a-z_.]+)"`)
	pagetest.Words(t, own, ".", asked)
}

func TestWordsKeepTheStyle(t *testing.T) { pagetest.Style(t, own) }
