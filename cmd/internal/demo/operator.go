package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// operated is step 12: the operators' page, kept live, shows a device that was unplugged within three of its poll cycles, and
// its return.
func (t *tour) operated(ctx context.Context) error {
	const cycle = time.Second // a door's device is asked each second
	watching, stop := context.WithCancel(ctx)
	defer stop()
	seen, err := t.operator.live(watching, "/operator/live?gateway="+t.d.Box())
	if err != nil {
		return err
	}
	if err := t.strike(ctx, 2*time.Second); err != nil {
		return err
	}
	for _, change := range []struct{ action, state, key string }{{"unplug", "silent", "gone_after_seconds"}, {"replug", "online", "back_after_seconds"}} {
		began := time.Now()
		if err := t.hand.touch(ctx, "lines/doors/"+change.action, struct{}{}); err != nil {
			return err
		}
		if err := deviceShown(ctx, seen, "door/ktv", change.state); err != nil {
			return err
		}
		took := time.Since(began)
		t.seen[change.key] = took.Seconds()
		if change.action == "unplug" && took > 3*cycle {
			return fmt.Errorf("shown as gone after %v, want 3 poll cycles", took)
		}
	}
	return nil
}

// deviceShown waits until the page shows a device in a state.
func deviceShown(ctx context.Context, page <-chan string, device, state string) error {
	want := fmt.Sprintf(`data-device="%s" data-state="%s"`, device, state)
	limit := time.NewTimer(waitFor)
	defer limit.Stop()
	for {
		select {
		case part, open := <-page:
			if !open {
				return errors.New("the live page ended")
			}
			if strings.Contains(part, want) {
				return nil
			}
		case <-limit.C:
			return fmt.Errorf("waited %v for the page to show %s %s", waitFor, device, state)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// live reads a page's server-sent events until ctx ends.
func (p person) live(ctx context.Context, path string) (<-chan string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+path, nil)
	if err != nil {
		return nil, err
	}
	endless := &http.Client{Jar: p.http.Jar, Transport: p.http.Transport}
	answer, err := endless.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("GET %s: %d", path, answer.StatusCode), answer.Body.Close())
	}
	parts := make(chan string)
	go func() {
		defer close(parts)
		defer answer.Body.Close()
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			select {
			case parts <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return parts, nil
}
