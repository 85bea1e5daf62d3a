package convrsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// post sends one request.
func (c *Client) post(ctx context.Context, cmd string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opts.URL, bytes.NewReader(body))
	if err != nil {
		return nil, vendorhttp.Lost(cmd, false, err)
	}
	req.Header["Content-Type"] = []string{"application/json"}
	res, err := c.http.Do(cmd, req)
	if err != nil {
		return nil, err
	}
	if !res.OK() {
		return nil, statusError(cmd, res)
	}
	return res.Body, nil
}

// statusError prefers a reply object in the body to the bare status.
func statusError(cmd string, res *vendorhttp.Reply) error {
	var r reply
	if json.Unmarshal(res.Body, &r) == nil && r.OK != nil && *r.OK == 0 && r.ErrorCode != 0 {
		return r.asError(cmd)
	}
	return &StatusError{Cmd: cmd, Status: res.Status, RetryAfter: res.RetryAfter}
}
