package chatondeskapi

import (
	"bytes"
	"context"
	"net/http"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// exchange sends one request.
func (c *Client) exchange(ctx context.Context, e *endpoint, body []byte) (*vendorhttp.Reply, error) {
	method, base := e.method, c.opts.URL
	if c.opts.Form || c.opts.PostReminderList {
		method = http.MethodPost
	}
	if e.chatbot {
		base = c.opts.ChatbotURL
	}
	req, err := http.NewRequestWithContext(ctx, method, base+"/"+e.name, bytes.NewReader(body))
	if err != nil {
		return nil, vendorhttp.Lost(e.name, false, err)
	}
	kind := "application/json"
	if c.opts.Form {
		kind = "application/x-www-form-urlencoded"
	}
	req.Header["Content-Type"] = []string{kind}
	return c.http.Do(e.name, req)
}
