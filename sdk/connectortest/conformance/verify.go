package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/connectortest/standin"
	"github.com/hermodhq/hermod/sdk/message"
)

// VendorPlaceholder in VerifyConfig.Config is replaced by the base URL of a stand-in for the vendor.
const VendorPlaceholder = "${vendor}"

// VerifyConfig says which program to verify, and what is known about its vendor. All but Program may be empty: what cannot be
// checked then is left out, and the report says so. Messages are sent to the stand-in only, never to a vendor.
type VerifyConfig struct {
	Program   string                                   `json:"program"`             // the executable, in any language
	Args      []string                                 `json:"args,omitempty"`      // its arguments
	Env       []string                                 `json:"env,omitempty"`       // its environment, NAME=value; it gets nothing else
	Config    json.RawMessage                          `json:"config,omitempty"`    // of a test account; "${vendor}" in it is the stand-in's URL
	Simulator string                                   `json:"simulator,omitempty"` // base URL of a vendor's simulator that behaves well; none: the stand-in only misbehaves
	Inputs    map[string]json.RawMessage               `json:"inputs,omitempty"`    // a good input by operation
	Templates map[message.Channel]message.Template     `json:"templates,omitempty"` // a template that the simulator knows, by channel
	Users     map[message.Channel]message.VendorUserID `json:"users,omitempty"`     // a user id that it knows, by channel
	Webhooks  []Webhook                                `json:"webhooks,omitempty"`  // see [Harness]
	Forged    []connector.Request                      `json:"forged,omitempty"`    // see [Harness]
	Stale     []connector.Request                      `json:"stale,omitempty"`     // see [Harness]
	Excuses   map[string]string                        `json:"excuses,omitempty"`   // see [Harness]

	EmptyIsSuccess bool `json:"empty_is_success,omitempty"` // see [Harness]
}

// Report is what verifying found.
type Report struct {
	Connector message.ConnectorName `json:"connector"`
	Version   string                `json:"version"`
	Ran       []string              `json:"ran"`      // checks that were made, as TARGET/CHECK
	Left      []Left                `json:"left"`     // what was left out, and why
	Findings  []Finding             `json:"findings"` // what is wrong
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Verify runs every check that can be made on a program, once for each version of the protocol. An error says that the program could not be
// started, or that the configuration makes no sense.
func Verify(ctx context.Context, c VerifyConfig) (*Report, error) {
	h := Harness{Config: c.Config, Inputs: c.Inputs, Webhooks: c.Webhooks, Forged: c.Forged, Stale: c.Stale, Excuses: c.Excuses, EmptyIsSuccess: c.EmptyIsSuccess, Adapt: c.adapt}
	if bytes.Contains(c.Config, []byte(VendorPlaceholder)) {
		var accept http.Handler
		if c.Simulator != "" {
			u, err := url.Parse(c.Simulator)
			if err != nil || u.Host == "" {
				return nil, fmt.Errorf("the simulator %q is no URL: give it as http://127.0.0.1:PORT", c.Simulator)
			}
			accept = httputil.NewSingleHostReverseProxy(u)
		}
		vendor, err := standin.NewHTTP(accept, standin.Options{})
		if err != nil {
			return nil, err
		}
		defer vendor.Close()
		h.Vendor = vendor
		h.Config = bytes.ReplaceAll(c.Config, []byte(VendorPlaceholder), []byte(vendor.URL()))
	}
	report := &Report{}
	for _, version := range Versions() {
		if err := report.verify(ctx, h, Target{Program: c.Program, Args: c.Args, Env: c.Env, Version: version}); err != nil {
			return nil, err
		}
	}
	return report, nil
}

func (r *Report) verify(ctx context.Context, h Harness, at Target) error {
	s, err := start(ctx, h, at, true)
	if err != nil {
		return err
	}
	defer s.Stop(ctx)
	d := s.probe.Description
	r.Connector, r.Version = d.Name, d.Version
	for _, check := range plan(d, at) {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Findings = append(r.Findings, s.Run(ctx, check)...)
		r.Ran = append(r.Ran, at.String()+"/"+check.Name)
	}
	r.Left = append(r.Left, s.Left()...)
	return nil
}

func (c *VerifyConfig) adapt(d *connector.Delivery) {
	if t, ok := c.Templates[d.Channel]; ok && d.Content.Template != nil {
		d.Content.Template = &t
	}
	if u, ok := c.Users[d.Channel]; ok {
		d.To.Users = map[message.AccountID]message.VendorUserID{Account: u}
	}
}
