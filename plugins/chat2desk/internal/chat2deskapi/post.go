package chat2deskapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/hermodhq/hermod/sdk/fault"
)

// harmless are the fields whose values may be repeated: they help, and say nothing about a client.
var harmless = []string{"transport", "type", "channel_id", "events", "status", "assignee_type"}

// exchange sends one request.
func (c *Client) exchange(ctx context.Context, call, method, target string, body []byte) (Reply, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return Reply{}, &NoReplyError{Call: call, Reason: RequestInvalid, Err: errors.New("the URL is not valid")}
	}
	req.Header["Authorization"] = []string{c.authorization}
	if body != nil {
		req.Header["Content-Type"] = []string{"application/json"}
	}
	res, err := c.http.Do(call, req)
	if err != nil {
		return Reply{}, err
	}
	reply, err := open(call, res.Status, res.Body, c.opts.Token)
	if e, ok := errors.AsType[*Error](err); ok {
		e.RetryAfter = res.RetryAfter
		said := fault.ValuesOf(body, harmless...)
		for name, values := range req.URL.Query() {
			said.Add(name, values[0])
		}
		e.Told = said.Conceal(e.Text)
	}
	return reply, err
}
