package main

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/plugins/omnidesk"
	"github.com/hermodhq/hermod/sdk/connector"
)

// TestMain lets the test binary be the program, and with it the connectors that the program starts.
func TestMain(m *testing.M) {
	connector.ServeIfAsked(convrs.New(), omnidesk.New())
	if os.Getenv("EXAMPLE_TEST") == "" {
		os.Exit(m.Run())
	}
	main()
}

func TestConversationToTicket(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "EXAMPLE_TEST=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "POST message/chatbot from +447700900142: Conversation of Ada\nclient: My parcel is lost.\nAgent: I shall look after it.\nclient: Thank you.\n"
	if string(out) != want {
		t.Errorf("the program printed %q, want %q", out, want)
	}
}
