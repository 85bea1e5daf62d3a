// Package chatondeskapi is a client of the ChatOnDesk HTTP API (https://www.chatondesk.com/api-docs): every documented call,
// and the balance, which only the vendor's own plugin shows. Names, types and texts are those of the vendor.
package chatondeskapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/fault"
	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// DefaultURL is the documented base of sending. Everything else is under /chatbot/api of the same host.
const DefaultURL = "https://app.chatondesk.com/api"

// Options configure a Client. APIKey, or User and Password, are required; zero values take the stated defaults.
type Options struct {
	URL              string        // base of sending; DefaultURL. Plain http is taken for loopback addresses only
	ChatbotURL       string        // base of everything else; URL with /chatbot/api in the place of /api
	APIKey           string        // sent as apikey
	User, Password   string        // sent as user and pwd instead, as the vendor's plugin does
	Form             bool          // send forms, as the vendor's plugin does, instead of the documented JSON
	PostReminderList bool          // reminderlist by POST instead of the documented GET with a body; forms are always posted
	Timeout          time.Duration // for one call; 15 s
	Connections      int           // open HTTP connections at once, kept for reuse; 64
	MaxReply         int64         // bytes of the longest reply that is read; 16 MiB
}

func (o Options) withDefaults() Options {
	setDefault(&o.URL, DefaultURL)
	o.URL = strings.TrimRight(o.URL, "/")
	setDefault(&o.ChatbotURL, strings.TrimSuffix(o.URL, "/api")+"/chatbot/api")
	o.ChatbotURL = strings.TrimRight(o.ChatbotURL, "/")
	setDefault(&o.Timeout, 15*time.Second)
	setDefault(&o.Connections, 64)
	setDefault(&o.MaxReply, 16<<20)
	return o
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Client speaks to ChatOnDesk for one account. Its methods may be called from several goroutines at once; Close releases
// its connections.
type Client struct {
	opts   Options
	prefix []byte       // every JSON request up to its own fields
	secret fault.Values // hides the credentials where the vendor echoes them
	http   *vendorhttp.Client
}

// New returns a client and connects to nothing. It fails on missing or doubled credentials, and on a URL that is not secure.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	var credentials any = struct {
		APIKey string `json:"apikey"`
	}{o.APIKey}
	switch both := o.User != "" && o.Password != ""; {
	case o.APIKey != "" && (o.User != "" || o.Password != ""):
		return nil, fmt.Errorf("chatondesk: give the API key or user and password, not both")
	case o.APIKey == "" && !both:
		return nil, fmt.Errorf("chatondesk: credentials are missing: give the API key, or user and password")
	case both:
		credentials = struct {
			User     string `json:"user"`
			Password string `json:"pwd"`
		}{o.User, o.Password}
	}
	for _, u := range []string{o.URL, o.ChatbotURL} {
		if err := checkURL(u); err != nil {
			return nil, err
		}
	}
	prefix, err := json.Marshal(credentials)
	if err != nil {
		return nil, fmt.Errorf("chatondesk: the credentials are not text: %w", err)
	}
	secret := fault.Values{}
	for _, s := range []string{o.APIKey, o.Password, o.User} {
		secret.Add("redacted", s)
	}
	return &Client{opts: o, prefix: prefix[:len(prefix)-1], secret: secret,
		http: vendorhttp.New(vendorhttp.Options{Connections: o.Connections, DialTimeout: o.Timeout, MaxReply: o.MaxReply})}, nil
}

// checkURL takes https, and http towards this very machine.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return fmt.Errorf("chatondesk: the base is not a URL: give one such as %s", DefaultURL)
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme == "https" || loopback && u.Scheme == "http" {
		return nil
	}
	return fmt.Errorf("chatondesk: the base's scheme is %q: use https", u.Scheme)
}

// Close ends the idle connections. Calls under way go on.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// do makes one call. in is a struct.
func (c *Client) do(ctx context.Context, e *endpoint, in any) (*reply, error) {
	body, err := c.encode(e, in)
	if err != nil {
		return nil, fmt.Errorf("chatondesk: the fields of %s: %w", e.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	a, err := c.exchange(ctx, e, body)
	if err != nil {
		return nil, err
	}
	r, err := open(e.name, a.Status, a.Body)
	if refused, ok := err.(*Error); ok {
		refused.Text, refused.RetryAfter = c.secret.Conceal(refused.Text), a.RetryAfter
	}
	return r, err
}

// encode puts the credentials and the type before the fields of in.
func (c *Client) encode(e *endpoint, in any) ([]byte, error) {
	fields, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, len(c.prefix)+len(fields)+32)
	body = append(body, c.prefix...)
	if e.kind != "" {
		body = append(append(append(body, `,"type":"`...), e.kind...), '"')
	}
	if len(fields) > len("{}") {
		body = append(body, ',')
	}
	body = append(body, fields[1:]...)
	if !c.opts.Form {
		return body, nil
	}
	return toForm(body)
}

// toForm writes a JSON object as PHP reads forms: nested names become data[name].
func toForm(body []byte) ([]byte, error) {
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	form := url.Values{}
	for name, value := range v {
		flatten(form, name, value)
	}
	return []byte(form.Encode()), nil
}

func flatten(form url.Values, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			flatten(form, name+"["+key+"]", value)
		}
	case []any:
		for i, value := range v {
			flatten(form, name+"["+strconv.Itoa(i)+"]", value)
		}
	case nil:
	default:
		form.Set(name, fmt.Sprint(v))
	}
}
