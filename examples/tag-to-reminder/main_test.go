package main

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/chat2desk"
	"github.com/hermodhq/hermod/plugins/chatondesk"
	"github.com/hermodhq/hermod/sdk/connector"
)

// TestMain lets the test binary be the program, and with it the connectors that the program starts.
func TestMain(m *testing.M) {
	connector.ServeIfAsked(chat2desk.New(), chatondesk.New())
	if os.Getenv("EXAMPLE_TEST") == "" {
		os.Exit(m.Run())
	}
	main()
}

func TestTagToReminder(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "EXAMPLE_TEST=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "reminder 1002 for profile 1001: Call this client, who is a VIP.\n"
	if string(out) != want {
		t.Errorf("the program printed %q, want %q", out, want)
	}
}
