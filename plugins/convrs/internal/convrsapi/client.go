// Package convrsapi is a client of the Convrs API (https://convrs.io): every documented command over HTTPS POST or over a
// websocket, with the events that Convrs delivers. Names, types and texts are those of the Convrs documentation.
package convrsapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// DefaultURL is the usual endpoint; Integrations > Convrs API shows the one of your environment.
const DefaultURL = "https://data.conv.rs/api"

// Options configure a Client. Only Token is required; zero values take the stated defaults.
type Options struct {
	URL           string        // HTTPS endpoint; DefaultURL. Plain http is taken for loopback addresses only
	SocketURL     string        // WSS endpoint; URL with its scheme changed to wss
	Token         string        // the organization's API token
	Socket        bool          // send commands over the websocket instead of POST
	Timeout       time.Duration // for one command; 15 s
	Connections   int           // open HTTP connections at once, kept for reuse; 64
	MaxReply      int64         // bytes of the longest reply that is read; 16 MiB
	Heartbeat     time.Duration // between heartbeats on the websocket; 1 minute
	ReplacedPause time.Duration // before connecting again after another client took the websocket over; 5 minutes
	StartField    string        // field of GetConversationsFlat for the start date, which is not documented; "startDate"
	EndField      string        // the same for the end date; "endDate"
}

func (o Options) withDefaults() Options {
	o.URL = cmp.Or(o.URL, DefaultURL)
	if scheme, rest, ok := strings.Cut(o.URL, "://"); ok {
		o.SocketURL = cmp.Or(o.SocketURL, strings.Replace(scheme, "http", "ws", 1)+"://"+rest)
	}
	o.Timeout = cmp.Or(o.Timeout, 15*time.Second)
	o.Connections = cmp.Or(o.Connections, 64)
	o.MaxReply = cmp.Or(o.MaxReply, 16<<20)
	o.Heartbeat = cmp.Or(o.Heartbeat, time.Minute)
	o.ReplacedPause = cmp.Or(o.ReplacedPause, 5*time.Minute)
	o.StartField = cmp.Or(o.StartField, "startDate")
	o.EndField = cmp.Or(o.EndField, "endDate")
	return o
}

// Client speaks to Convrs with one token. Its methods may be called from several goroutines at once; Close releases
// its connections.
type Client struct {
	opts   Options
	prefix []byte // every request up to the name of its command
	http   *vendorhttp.Client
	socket *socket
}

// New returns a client and connects to nothing. It fails on a missing token, and on a URL that is not secure.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	if o.Token == "" {
		return nil, fmt.Errorf("convrs: the token is empty: copy it from Integrations > Convrs API")
	}
	if err := checkURL(o.URL, "https"); err != nil {
		return nil, err
	}
	if err := checkURL(o.SocketURL, "wss"); err != nil {
		return nil, err
	}
	token, err := json.Marshal(o.Token)
	if err != nil {
		return nil, fmt.Errorf("convrs: the token is not text: %w", err)
	}
	c := &Client{opts: o, prefix: []byte(`{"token":` + string(token) + `,"cmd":"`)}
	c.http = vendorhttp.New(vendorhttp.Options{Connections: o.Connections, DialTimeout: o.Timeout, MaxReply: o.MaxReply})
	c.socket = newSocket(o, c.http.HTTP())
	return c, nil
}

// checkURL takes secure schemes, and plain ones towards this very machine.
func checkURL(raw, secure string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return fmt.Errorf("convrs: the endpoint is not a URL: give one such as %s", DefaultURL)
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme == secure || loopback && u.Scheme == strings.TrimSuffix(secure, "s") {
		return nil
	}
	return fmt.Errorf("convrs: the endpoint's scheme is %q: use %s", u.Scheme, secure)
}

// Close ends the websocket and the idle connections, and waits for the client's goroutines. Commands under way by POST end
// as their contexts say.
func (c *Client) Close() error {
	c.socket.close()
	c.http.CloseIdleConnections()
	return nil
}

// Listen connects the websocket and hands every event and callback to handle, one at a time and in their order, until ctx
// ends or the connection is lost; it returns why. What handle refuses with an error is handed out again by the next Listen.
// At most one Listen may run. After [ErrReplaced] the next one waits for Options.ReplacedPause.
func (c *Client) Listen(ctx context.Context, handle func(ctx context.Context, push json.RawMessage) error) error {
	return c.socket.listen(ctx, handle)
}

// A reply's payload stands in `data`, in `template`, or beside `ok`.
type place int

const (
	beside place = iota
	inData
	inTemplate
)

type reply struct {
	Cmd               string          `json:"cmd"`
	OK                *int            `json:"ok"`
	Error             string          `json:"error"`
	ErrorCode         int             `json:"errorCode"`
	WhatsAppErrorCode int             `json:"whatsappErrorCode"`
	WhatsAppErrorDesc string          `json:"whatsappErrorDesc"`
	Data              json.RawMessage `json:"data"`
	Template          json.RawMessage `json:"template"`
}

// do runs one command and returns its payload.
func (c *Client) do(ctx context.Context, cmd string, in any, from place) (json.RawMessage, error) {
	if f, ok := in.(interface{ fields(o *Options) any }); ok {
		in = f.fields(&c.opts)
	}
	body, err := c.encode(cmd, in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	send := c.post
	if c.opts.Socket {
		send = c.socket.do
	}
	payload, err := send(ctx, cmd, body)
	if err == nil {
		payload, err = open(cmd, payload, from)
	}
	if refused, ok := errors.AsType[*Error](err); ok {
		said := fault.ValuesOf(body, plain...)
		refused.Text, refused.WhatsAppText = said.Conceal(refused.Text), said.Conceal(refused.WhatsAppText)
	}
	return payload, err
}

// ByPost returns the client for commands by POST, whatever Options.Socket says. It is closed with c.
func (c *Client) ByPost() *Client {
	d := *c
	d.opts.Socket = false
	return &d
}

// encode puts the token and the command before the fields of in.
func (c *Client) encode(cmd string, in any) ([]byte, error) {
	fields, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("convrs: the fields of %s: %w", cmd, err)
	}
	body := make([]byte, 0, len(c.prefix)+len(cmd)+2+len(fields))
	body = append(append(append(body, c.prefix...), cmd...), '"')
	if len(fields) > len("{}") {
		body = append(body, ',')
	}
	return append(body, fields[1:]...), nil
}

// open checks a reply and returns its payload.
func open(cmd string, raw []byte, from place) (json.RawMessage, error) {
	var r reply
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, &NoReplyError{Call: cmd, Reason: vendorhttp.ReplyInvalid, Sent: true, Err: err}
	}
	switch {
	case r.OK == nil:
		return nil, &NoReplyError{Call: cmd, Reason: vendorhttp.ReplyInvalid, Sent: true, Err: fmt.Errorf("the field ok is missing")}
	case *r.OK != 1:
		return nil, r.asError(cmd)
	case from == inData:
		return r.Data, nil
	case from == inTemplate:
		return r.Template, nil
	}
	return raw, nil
}

func (r *reply) asError(cmd string) *Error {
	return &Error{Cmd: cmd, Code: r.ErrorCode, Text: r.Error, WhatsAppCode: r.WhatsAppErrorCode, WhatsAppText: r.WhatsAppErrorDesc}
}
