// Package chat2deskapi is a client of the Chat2Desk Public API (https://chat2desk.com): every known endpoint, its lists as
// iterators, its webhooks with their signature. Names are those of Chat2Desk. Fields that come as text at times and as
// numbers at others, or as null, are read in every form.
package chat2deskapi

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// DefaultURL is the usual endpoint. Other branches and white-label partners have hosts of their own.
const DefaultURL = "https://api.chat2desk.com/v1"

// Options configure a Client. Only Token is required; zero values take the stated defaults.
type Options struct {
	URL            string        // endpoint up to /v1; DefaultURL. Plain http is taken for loopback addresses only
	Token          string        // the company's API token, from Settings > API
	Scheme         string        // word before the token in the Authorization header; none, since the token goes raw
	TicketIDInBody bool          // PUT and DELETE /tickets name the ticket in their body; else as /tickets/:id
	Timeout        time.Duration // for one call; 15 s. Statistics get three times as long
	Connections    int           // open HTTP connections at once, kept for reuse; 64
	MaxReply       int64         // bytes of the longest reply that is read; 4 MiB
}

// Client speaks to Chat2Desk with one token. Its methods may be called from several goroutines at once; Close releases its
// connections.
type Client struct {
	opts          Options
	authorization string
	http          *vendorhttp.Client
}

// New returns a client and connects to nothing. It fails on a missing token, and on a URL that is not secure.
func New(o Options) (*Client, error) {
	o.URL, o.MaxReply = strings.TrimRight(cmp.Or(o.URL, DefaultURL), "/"), cmp.Or(o.MaxReply, 4<<20)
	o.Timeout, o.Connections = cmp.Or(o.Timeout, 15*time.Second), cmp.Or(o.Connections, 64)
	switch err := checkURL(o.URL); {
	case err != nil:
		return nil, err
	case strings.TrimSpace(o.Token) == "" || strings.ContainsAny(o.Scheme+o.Token, "\r\n"):
		return nil, fmt.Errorf("chat2desk: the token is empty or not one line: copy it from Settings > API")
	case o.Timeout < 0 || o.Connections < 0 || o.MaxReply < 0:
		return nil, fmt.Errorf("chat2desk: the timeout, the connections or the longest reply is negative: leave it out for its default")
	}
	return &Client{opts: o, authorization: strings.TrimSpace(o.Scheme + " " + o.Token),
		http: vendorhttp.New(vendorhttp.Options{Connections: o.Connections, DialTimeout: o.Timeout, MaxReply: o.MaxReply})}, nil
}

// checkURL takes https, and http towards this very machine.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.RawQuery != "" {
		return fmt.Errorf("chat2desk: the endpoint is not a URL: give one such as %s", DefaultURL)
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	if u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("chat2desk: the endpoint's scheme is %q: use https", u.Scheme)
}

// Close ends the idle connections. Calls under way end as their contexts say.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}
