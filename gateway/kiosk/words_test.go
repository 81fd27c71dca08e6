package kiosk

import (
	"regexp"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/page/pagetest"
)

func TestWordsAreWholeAndUsed(t *testing.T) {
	asked := regexp.MustCompile(`Say\(?\s?"([a-z_.A-Z]+[a-zA-Z])"|message: "([a-z_.]+)"`)
	pagetest.Words(t, own, "._", asked) // Say("size." + size), Say("idle.clock_" + clock)
}

func TestWordsKeepTheStyle(t *testing.T) { pagetest.Style(t, own) }
