package omnideskapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// exchange makes one call.
func (c *Client) exchange(ctx context.Context, r *request) (*vendorhttp.Reply, error) {
	req, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	return c.http.Do(r.name, req)
}

func (c *Client) request(ctx context.Context, r *request) (*http.Request, error) {
	body, contentType, err := c.encode(r)
	if err != nil {
		return nil, fmt.Errorf("omnidesk: the parameters of %s: %w", r.name, err)
	}
	if c.opts.KeyInQuery {
		r.query.Set("apiKey", c.opts.APIKey)
	}
	u := c.opts.URL + "/api/v2/" + strings.TrimLeft(r.path, "/")
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, bytes.NewReader(body))
	if err != nil {
		return nil, vendorhttp.Lost(r.name, false, err)
	}
	if !c.opts.KeyInQuery {
		req.Header["apiKey"] = []string{c.opts.APIKey} // spelled as documented
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req, nil
}
