package toy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/fault"
)

type (
	contact struct {
		Name string `json:"name"`
	}
	greeting struct {
		Hello string `json:"hello"`
	}
	note struct {
		Text string `json:"text"`
	}
	saved struct {
		ID string `json:"id"`
	}
	none struct{}
)

func operations(mistake string) []connector.Operation[*account] {
	return []connector.Operation[*account]{
		connector.Op("contact.greet", "GET /greet", "Greet a contact.", false, func(ctx context.Context, a *account, in contact) (out greeting, err error) {
			switch mistake {
			case "operation fails":
				return out, fault.New(fault.Internal, "no", "no")
			case "operation panics":
				panic("no")
			case "greets from memory":
				return greeting{in.Name}, nil
			}
			err = a.operate(ctx, http.MethodGet, "/greet?name="+url.QueryEscape(in.Name), nil, &out)
			return out, err
		}),
		connector.Op("note.create", "POST /notes", "Take a note.", true, func(ctx context.Context, a *account, in note) (out saved, err error) {
			if mistake == "looks up first" {
				if err := a.operate(ctx, http.MethodGet, "/greet?name=x", nil, &greeting{}); err != nil {
					return out, err
				}
			}
			err = a.operate(ctx, http.MethodPost, "/notes", in, &out)
			if err != nil && mistake == "repeats the input" {
				err = fault.New(fault.From(err).Class, "failed", "%q is not taken: %w", in.Text, err)
			}
			return out, err
		}),
		connector.Op("toy.name", "none", "Return the toy's name.", false, func(context.Context, *account, none) (contact, error) {
			return contact{Name(mistake)}, nil
		}),
	}
}

// operate makes the call of an operation.
func (a *account) operate(ctx context.Context, method, path string, in, out any) error {
	f := a.operateOnce(ctx, method, path, in, out)
	if f != nil && a.mistake == "operates again" {
		f = a.operateOnce(ctx, method, path, in, out)
	}
	if f == nil {
		return nil
	}
	if f.Class == fault.OutcomeUnknown && method == http.MethodGet && a.mistake != "does not know what it read" {
		f.Class = fault.Unavailable
	}
	return f
}

func (a *account) operateOnce(ctx context.Context, method, path string, in, out any) *fault.Fault {
	if a.mistake == "ignores the context" {
		longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		ctx = longer
	}
	body, err := json.Marshal(in)
	if err != nil {
		return fault.New(fault.Internal, "request", "%w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.BaseURL+path, bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.Misconfigured, "request", "%w", err)
	}
	req.Header.Set("Authorization", "Bearer "+a.Token.Reveal())
	resp, err := a.client.Do(req)
	if err != nil {
		return fault.From(a.failed(err))
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fault.From(a.refused(resp))
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, a.limit()))
	if err == nil {
		err = json.Unmarshal(raw, out)
	}
	switch {
	case err == nil, len(raw) == 0 && a.mistake == "believes nothing", a.mistake == "believes any answer":
		return nil
	case a.mistake == "panics on garbage":
		panic("no")
	}
	return fault.New(a.class("garbage is internal", fault.Internal, fault.OutcomeUnknown), "answer", "the vendor's answer cannot be read")
}

// limit is how many bytes of an answer are read.
func (a *account) limit() int64 {
	switch a.mistake {
	case "reads it all":
		return 1 << 40
	case "reads 48 MiB": // no mistake
		return 48 << 20
	}
	return maxAnswer
}
