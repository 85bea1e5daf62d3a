package author

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/sdk/connectortest/conformance"
)

// webhookExample is a webhook as the help shows it.
const webhookExample = `{"name": "delivered", "events": ["receipt"], "request":
     {"method": "POST", "path": "/receipts", "query": "", "header": {"X-Signature": ["..."]}, "body": "e30="}}`

// decode reads what is known of the vendor. flag is what --input was given, for the place of a mistake.
func decode(flag string, raw json.RawMessage) (c conformance.VerifyConfig, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err = d.Decode(&c); err == nil {
		if c.Program == "" {
			return c, nil
		}
		return c, mistake(flag, "program", "the input names a program").Advise("name the program as the argument only")
	}
	if field := notBase64(raw); field != "" {
		return c, mistake(flag, field, "%s is not base64", field).Advise("write the body's bytes as base64, such as %q for the body {}; for a file: base64 < FILE | tr -d '\\n'", "e30=")
	}
	text := "the input is not what is known of a vendor: " + strings.TrimPrefix(err.Error(), "json: ")
	var path string
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
		path, text = t.Field, fmt.Sprintf("%s cannot be a %s", t.Field, t.Value)
	}
	return c, mistake(flag, path, "%s", text).Advise("see `hermod connectors verify --help`")
}

func mistake(flag, path, format string, args ...any) *problem.Problem {
	p := problem.New(problem.ExitUsage, "input_invalid", format, args...)
	p.Path = path
	if name, file := strings.CutPrefix(flag, "@"); file {
		p.File = name
	} else if flag == "-" {
		p.File = "standard input"
	}
	return p
}

// requests are the requests of the input, with bodies as they stand there.
type requests struct {
	Webhooks []struct {
		Request request `json:"request"`
	} `json:"webhooks"`
	Forged []request `json:"forged"`
	Stale  []request `json:"stale"`
}

type request struct {
	Body any `json:"body"`
}

func (r request) bad() bool {
	text, ok := r.Body.(string)
	_, err := base64.StdEncoding.DecodeString(text)
	return ok && err != nil
}

// notBase64 names the first body that is not base64, and is empty where there is none: the decoder says neither field nor index.
func notBase64(raw json.RawMessage) string {
	var in requests
	if json.Unmarshal(raw, &in) != nil {
		return ""
	}
	for i, w := range in.Webhooks {
		if w.Request.bad() {
			return fmt.Sprintf("webhooks[%d].request.body", i)
		}
	}
	if i := slices.IndexFunc(in.Forged, request.bad); i >= 0 {
		return fmt.Sprintf("forged[%d].body", i)
	}
	if i := slices.IndexFunc(in.Stale, request.bad); i >= 0 {
		return fmt.Sprintf("stale[%d].body", i)
	}
	return ""
}
