// Package host is the program that a company would write around the engine: the engine, and an HTTP server before it.
package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/core/report"
	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// Command is the argument that makes the demo's program the host.
const Command = "host"

// Settings reach the host as JSON on its standard input: secrets belong neither into arguments nor into the environment.
type Settings struct {
	Data        string  // folder of the journal
	Vendor      string  // the vendor's URL
	Token       string  // for the vendor
	Secret      string  // that the vendor's webhooks carry
	WhatsAppBot int     // the vendor's id of the WhatsApp number
	SMSBot      int     // and of the SMS number
	PerSecond   float64 // messages that the vendor takes in a second
	Address     string  // to listen on
	Inherited   bool    // the listening socket is file 3
}

// Run is the host's whole life, and returns the process's exit code. Its rules are in the folder rules of its working directory;
// it logs JSON to standard error, with the attribute "ready" once it works, and ends when ctx or its standard input does.
func Run(ctx context.Context) int {
	signal.Ignore(os.Interrupt) // Ctrl-C in the terminal is for the demo, which then ends the host
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var s Settings
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		logger.Error("the host needs its Settings on standard input", "error", err)
		return 2
	}
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := serve(ctx, s, logger); err != nil {
		logger.Error("the host failed", "error", err)
		return 1
	}
	return 0
}

// serve runs the engine and its HTTP server until ctx ends.
func serve(ctx context.Context, s Settings, logger *slog.Logger) error {
	listener, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer listener.Close()
	cfg, err := s.config(logger)
	if err != nil {
		return err
	}
	engine, err := core.New(cfg)
	if err != nil {
		return err
	}
	if err := engine.Start(ctx); err != nil {
		return err
	}
	server := &http.Server{Handler: handler(engine), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	logger.Info("the host is ready", "ready", s.Address)
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(err, engine.Stop(ending), server.Close())
}

func (s *Settings) listen(ctx context.Context) (net.Listener, error) {
	if s.Inherited {
		return net.FileListener(os.NewFile(3, "listener"))
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
}

func (s *Settings) config(logger *slog.Logger) (core.Config, error) {
	account, err := json.Marshal(map[string]any{
		"base_url": s.Vendor, "token": s.Token, "webhook_secret": s.Secret, "whatsapp_bot": s.WhatsAppBot, "sms_bot": s.SMSBot,
		"whatsapp_uid_from_phone": true, "timeout": "5s",
	})
	return core.Config{
		Data: s.Data, PublicURL: "http://" + s.Address + "/webhooks",
		Connectors: []connector.Connector{convrs.New()},
		Accounts: map[message.AccountID]core.Account{"convrs-uk": {Connector: "convrs", Config: account,
			Limits: &connector.Limits{PerSecond: s.PerSecond, PerRecipientPerSecond: 0.9}}},
		Logger: logger,
	}, err
}

// handler offers the engine over HTTP: webhooks to the vendor, the rest to the demo and to you.
func handler(engine *core.Engine) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", http.StripPrefix("/webhooks", engine.Webhooks()))
	mux.HandleFunc("POST /messages", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, message.MaxJSON))
		if err != nil {
			answer(w, nil, err)
			return
		}
		m, err := message.Decode(body)
		if err != nil {
			answer(w, nil, err)
			return
		}
		id, err := engine.Send(r.Context(), m)
		answer(w, id, err)
	})
	mux.HandleFunc("GET /messages/{id}", func(w http.ResponseWriter, r *http.Request) {
		t, err := engine.Trace(r.Context(), message.ID(r.PathValue("id")))
		if err == nil && r.URL.Query().Has("text") {
			_ = report.RenderTimeline(w, t) // the caller has left
			return
		}
		answer(w, t, err)
	})
	mux.HandleFunc("GET /messages/{id}/final", func(w http.ResponseWriter, r *http.Request) {
		s, err := engine.Wait(r.Context(), message.ID(r.PathValue("id")), "")
		answer(w, s, err)
	})
	mux.HandleFunc("GET /revision", func(w http.ResponseWriter, _ *http.Request) { answer(w, engine.Revision(), nil) })
	return mux
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		_, _ = fmt.Fprintln(w, err) // the caller has left
	}
}
