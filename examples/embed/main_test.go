package main

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/sdk/connector"
)

// TestMain lets the test binary be the program, and with it the connector that the program starts.
func TestMain(m *testing.M) {
	connector.ServeIfAsked(convrs.New())
	if os.Getenv("EMBED_TEST") == "" {
		os.Exit(m.Run())
	}
	main()
}

func TestEmbed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "EMBED_TEST=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f-]{36} (delivered|read) by convrs-uk sms\n$`).Match(out) {
		t.Errorf("the program printed %q", out)
	}
}
