package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/ntpc-smart-community/lobby/gateway/wire"
)

// crashFile names the variable that makes the test binary the child of TestKilled.
const crashFile = "LOBBY_STORE_CRASH_FILE"

// appendUntilKilled appends with several writers and prints each subject with its name after its commit.
func appendUntilKilled(path string) {
	s, err := Open(path, Options{Gateway: "site-1"})
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				subject := fmt.Sprintf("writer/%d-%d-%d", s.Boot(), w, n)
				var name wire.Name
				err := s.Update(context.Background(), func(tx *Tx) (err error) {
					if err := tx.Put("written", subject, []byte{1}); err != nil {
						return err
					}
					name, err = tx.Append(wire.Audit, event(subject))
					return err
				})
				mu.Lock()
				fmt.Println(subject, name, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// invariant 1: killed at any moment, the file holds every event that was reported, under its name and with its state,
// and no state without its event.
func TestKilled(t *testing.T) {
	path := file(t)
	said := map[string]string{}
	for round := range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), crashFile+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for left := 20 + rand.IntN(200); lines.Scan(); left-- {
			f := strings.Fields(lines.Text())
			if len(f) != 3 || f[2] != "<nil>" {
				t.Fatalf("child says %q", lines.Text())
			}
			said[f[0]] = f[1]
			if left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		checkKilled(t, path, said)
		if t.Failed() {
			t.Fatalf("after kill %d", round+1)
		}
	}
	t.Logf("%d events were reported before 4 kills", len(said))
}

func checkKilled(t *testing.T, path string, said map[string]string) {
	t.Helper()
	s, err := Open(path, Options{Gateway: "site-1"})
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]string{}
	for i, ev := range events(t, s, 1, wire.Audit) { // all in the first segment
		held[ev.Subject] = fmt.Sprintf("1/audit/1/%d", i+1)
	}
	for subject, name := range said {
		if held[subject] != name {
			t.Errorf("%s was reported as %s, and is %q", subject, name, held[subject])
		}
	}
	written := 0
	view(t, s, func(tx *Tx) error {
		return tx.Each("written", "", func(key string, _ []byte) error {
			written++
			if held[key] == "" {
				t.Errorf("%s is written without its event", key)
			}
			return nil
		})
	})
	if written != len(held)-1 {
		t.Errorf("%d written, %d events", written, len(held)-1)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
