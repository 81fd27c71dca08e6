package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/config"
)

// What an excerpt says of a line is what the whole file said of it, and there is nothing else in it. // invariant 10
func TestAnExcerptIsAConfigurationOfItsOwn(t *testing.T) {
	const more = `desk: {listen: '192.168.1.2:443', certificate: secret.pem, key: secret.key}
cloud: {broker: 'tls://secret:1', ca: secret, certificate: secret, key: secret, root_key: secret}
`
	for _, file := range []string{good, devices, tower} {
		text := strings.Replace(file, "lines:\n", more+"lines:\n", 1)
		c, faults, err := config.Parse("/etc/lobby/gateway.yaml", []byte(text))
		if err != nil || len(faults) > 0 {
			t.Fatal(faults, err)
		}
		n := 0
		for _, l := range c.Lines {
			text, err := c.Excerpt(l.Name)
			if err != nil || strings.Contains(string(text), "secret") {
				t.Fatalf("Excerpt(%s) = %s, %v", l.Name, text, err)
			}
			only, faults, err := config.Parse("/elsewhere/line.yaml", text)
			if err != nil || len(faults) > 0 || len(only.Lines) != 1 || !reflect.DeepEqual(only.Lines[0], l) {
				t.Fatalf("Excerpt(%s) =\n%s%v, %v", l.Name, text, faults, err)
			}
			for _, one := range only.Lockers {
				n++
				if !has(c.Lockers, one) {
					t.Errorf("Excerpt(%s) has %+v", l.Name, one)
				}
			}
			for _, one := range only.Meters {
				n++
				if !has(c.Meters, one) {
					t.Errorf("Excerpt(%s) has %+v", l.Name, one)
				}
			}
			for _, one := range only.Doors {
				n++
				if !has(c.Doors, one) {
					t.Errorf("Excerpt(%s) has %+v", l.Name, one)
				}
			}
		}
		if want := len(c.Lockers) + len(c.Meters) + len(c.Doors); n != want {
			t.Errorf("the excerpts hold %d devices, want %d", n, want)
		}
	}
}

func has[E any](all []E, one E) bool {
	for _, e := range all {
		if reflect.DeepEqual(e, one) {
			return true
		}
	}
	return false
}
