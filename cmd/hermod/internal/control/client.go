package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/hermodhq/hermod/cmd/hermod/internal/feed"
	"github.com/hermodhq/hermod/cmd/hermod/internal/problem"
	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// ErrNoEngine says that no engine answers at a folder's control socket.
var ErrNoEngine = errors.New("no engine is running here")

// goodbye is how long an interrupted feed waits for the results of what it has sent.
const goodbye = 3 * time.Second

// Client is a running engine in another process, as a [Host].
type Client struct {
	http *http.Client
}

// Dial connects to the engine that serves a folder. The error is [ErrNoEngine] when none does.
func Dial(ctx context.Context, folder string) (*Client, error) {
	path := address(folder)
	var d net.Dialer
	c := &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
	}}}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := c.Status(ctx)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, ErrNoEngine
	case errors.Is(err, fs.ErrPermission):
		return nil, problem.New(problem.ExitEnvironment, "control_denied", "the control socket belongs to another user").
			Advise("run this command as the user that runs the engine")
	}
	return nil, problem.New(problem.ExitEnvironment, "control_silent", "the engine's control socket does not answer: %s", err.Error()).
		Advise("look at the log of `hermod run`")
}

// Close releases the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks how the engine is.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
}

// Wait waits for an outcome of a message.
func (c *Client) Wait(ctx context.Context, id message.ID, until message.Outcome) (s core.Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/messages/"+url.PathEscape(string(id))+"/wait?until="+url.QueryEscape(string(until)), nil, &s)
}

// Cancel takes a message back.
func (c *Client) Cancel(ctx context.Context, id message.ID) (s core.Status, err error) {
	return s, c.call(ctx, http.MethodPost, "/v1/messages/"+url.PathEscape(string(id))+"/cancel", nil, &s)
}

// Trace asks for a message's timeline.
func (c *Client) Trace(ctx context.Context, id message.ID) (t core.Timeline, err error) {
	return t, c.call(ctx, http.MethodGet, "/v1/messages/"+url.PathEscape(string(id)), nil, &t)
}

// Invoke runs an operation.
func (c *Client) Invoke(ctx context.Context, account message.AccountID, operation string, input json.RawMessage) (out json.RawMessage, err error) {
	path := "/v1/invoke/" + url.PathEscape(string(account)) + "/" + url.PathEscape(operation)
	return out, c.call(ctx, http.MethodPost, path, bytes.NewReader(input), &out)
}

// Resume lets a paused account be used again.
func (c *Client) Resume(ctx context.Context, account message.AccountID) (s core.AccountStatus, err error) {
	return s, c.call(ctx, http.MethodPost, "/v1/accounts/"+url.PathEscape(string(account))+"/resume", nil, &s)
}

// Connectors asks for the connectors' descriptions.
func (c *Client) Connectors(ctx context.Context) (all []connector.Description, err error) {
	return all, c.call(ctx, http.MethodGet, "/v1/connectors", nil, &all)
}

// Feed sends the messages in r. When ctx ends, it stops reading and waits a little for the results of what it has sent.
func (c *Client) Feed(ctx context.Context, r io.Reader, opts feed.Options, emit func(feed.Result)) error {
	q := url.Values{"until": {string(opts.Until)}, "timeout": {opts.Timeout.String()}, "linger": {strconv.FormatBool(opts.Linger)}}
	calling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	body, pipe := io.Pipe()
	go func() { // ends with r, or at its next Read once the pipe is closed
		_, err := io.Copy(pipe, r)
		_ = pipe.CloseWithError(err) // never fails
	}()
	stop := context.AfterFunc(ctx, func() {
		_ = pipe.Close() // never fails
		time.AfterFunc(goodbye, cancel)
	})
	defer stop()
	resp, err := c.do(calling, http.MethodPost, "/v1/messages?"+q.Encode(), body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	for d := json.NewDecoder(resp.Body); ; {
		var res feed.Result
		switch err := d.Decode(&res); {
		case ctx.Err() != nil && err != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return gone(err)
		case res.Line == 0 && res.Error != nil:
			return res.Error
		}
		emit(res)
	}
}

// gone says that the connection broke in the middle of an answer.
func gone(err error) error {
	return problem.New(problem.ExitEnvironment, "engine_gone", "the engine went away in the middle of its answer: %s", err.Error()).
		Advise("what has no result may or may not be stored; with keys, sending it again is safe")
}

func (c *Client) call(ctx context.Context, method, path string, body io.Reader, out any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return gone(err)
	}
	return nil
}

// do makes a request and turns an answer that is not a success into its problem.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }() // only read
	var f failure
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&f); err != nil || f.Error == nil {
		return nil, problem.New(problem.ExitFailed, "control_mismatch", "the running engine answered %s", resp.Status).
			Advise("it may be of another version: restart it with this one")
	}
	return nil, f.Error
}
