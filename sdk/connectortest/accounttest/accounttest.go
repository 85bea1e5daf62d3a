// Package accounttest has the steps that a connector's own tests take again and again: open an account, send one message, look at
// its fault, compare JSON and texts. What every connector must do is the kit's business: see package connectortest.
//
// All functions fail the test and end it where there is nothing left to test. They may be called from the test's own goroutine.
package accounttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
)

// Open opens an account and closes it at the end of the test. Its configuration is usual, changed by settings: a setting of nil
// takes one away. Account and WebhookURL come from cfg.
func Open(tb testing.TB, c connector.Connector, cfg connector.AccountConfig, usual, settings map[string]any) connector.Account {
	tb.Helper()
	a, err := TryOpen(tb, c, cfg, usual, settings)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := a.Close(context.WithoutCancel(tb.Context())); err != nil {
			tb.Error(err)
		}
	})
	return a
}

// TryOpen is Open for an account that may be refused. The caller closes it.
func TryOpen(tb testing.TB, c connector.Connector, cfg connector.AccountConfig, usual, settings map[string]any) (connector.Account, error) {
	tb.Helper()
	config := maps.Clone(usual)
	maps.Copy(config, settings)
	maps.DeleteFunc(config, func(_ string, v any) bool { return v == nil })
	raw, err := json.Marshal(config)
	if err != nil {
		tb.Fatal(err)
	}
	cfg.Config = raw
	return c.Open(tb.Context(), cfg)
}

// Deliver sends one message and returns its answer. Message and Attempt are filled in where Message is empty.
func Deliver(tb testing.TB, a connector.Account, d connector.Delivery) connector.Answer {
	tb.Helper()
	if d.Message == "" {
		d.Message, d.Attempt = "01HX", 1
	}
	var got []connector.Answer
	a.Deliver(tb.Context(), []connector.Delivery{d}, func(x connector.Answer) { got = append(got, x) })
	if len(got) != 1 {
		tb.Fatalf("%d answers, want 1", len(got))
	}
	return got[0]
}

// Fault returns the fault that an error is.
func Fault(tb testing.TB, err error) *fault.Fault {
	tb.Helper()
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		tb.Fatalf("got error %v, want a fault", err)
	}
	return f
}

// WantFault holds an error's class and code.
func WantFault(tb testing.TB, err error, class fault.Class, code string) {
	tb.Helper()
	if f := Fault(tb, err); f.Class != class || f.Code != code {
		tb.Fatalf("got %s [%s], want %s [%s]: %v", f.Class, f.Code, class, code, err)
	}
}

// SameJSON compares two values as [JSON].
func SameJSON(tb testing.TB, what string, got, want any) {
	tb.Helper()
	if g, w := JSON(tb, got), JSON(tb, want); !reflect.DeepEqual(g, w) {
		tb.Errorf("%s: %s", what, difference(indented(tb, g), indented(tb, w)))
	}
}

// JSON returns a value as JSON reads it: maps, lists, texts, numbers. A [json.RawMessage] is taken as it is; an empty one is nil.
func JSON(tb testing.TB, v any) (out any) {
	tb.Helper()
	raw, ok := v.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			tb.Fatal(err)
		}
	}
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		tb.Fatalf("%v in %.200s", err, raw)
	}
	return out
}

// Golden compares a text with the file testdata/name, which it writes first if update is set.
func Golden(tb testing.TB, name, got string, update bool) {
	tb.Helper()
	path := filepath.Join("testdata", name)
	if update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if got != string(want) {
		tb.Errorf("%s; run with -update if it is meant: %s", name, difference(got, string(want)))
	}
}

func indented(tb testing.TB, v any) string {
	tb.Helper()
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

// difference shows the lines from the first that differs on.
func difference(got, want string) string {
	const shown = 12
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	first := 0
	for first < min(len(g), len(w)) && g[first] == w[first] {
		first++
	}
	part := func(lines []string) string {
		return strings.Join(lines[min(first, len(lines)):min(first+shown, len(lines))], "\n\t")
	}
	return fmt.Sprintf("different from line %d on\n\t%s\nwant\n\t%s", first+1, part(g), part(w))
}

// Eventually waits for something that happens in another goroutine, for ten seconds at most.
func Eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			tb.Fatalf("%s: did not happen", what)
		case <-tick.C:
		}
	}
}
