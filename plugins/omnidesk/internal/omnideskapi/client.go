// Package omnideskapi is a client of the Omnidesk HTTP API (https://docs.omnidesk.io, the Dutch product): the Chat controller in
// full, and the other controllers as far as they are documented publicly. Names and texts are those of Omnidesk.
package omnideskapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hermodhq/hermod/sdk/vendorhttp"
)

// Encodings of request bodies.
const (
	Multipart = "multipart" // as the specification declares
	JSON      = "json"      // as the specification's samples print
)

// Options configure a Client. URL and APIKey are required; zero values take the stated defaults.
type Options struct {
	URL              string            // the account's base, such as https://account.omnidesk.com; plain http is taken for loopback addresses only
	APIKey           string            // made in the application, with its permissions
	KeyInQuery       bool              // send the key as query parameter apiKey instead of the header
	Encoding         string            // Multipart or JSON; Multipart
	BinaryFiles      bool              // send attachments as a binary part instead of the documented base64 text; not with JSON
	PageNumbers      bool              // page with page and limit instead of the documented itemStart and itemLimit
	ChatServer       string            // chatServer where a call names none
	ChatAccountToken string            // chatAccountToken where a call names none
	ChannelID        int               // channelID where a call names none; 8, live chat
	Events           []string          // what event may be, which is not documented; startedtyping, stoppedtyping
	SubmitStatuses   []string          // what submitStatus may be, which is not documented; open, pending, holding, solved
	Paths            map[string]string // paths by the endpoint's name, where an installation differs from the documented or inferred ones
	Timeout          time.Duration     // for one call; 15 s
	Connections      int               // open HTTP connections at once, kept for reuse; 64
	MaxReply         int64             // bytes of the longest answer that is read; 16 MiB
}

func (o Options) withDefaults() Options {
	o.URL, o.Encoding, o.ChannelID = strings.TrimRight(o.URL, "/"), cmp.Or(o.Encoding, Multipart), cmp.Or(o.ChannelID, 8)
	o.Timeout, o.Connections, o.MaxReply = cmp.Or(o.Timeout, 15*time.Second), cmp.Or(o.Connections, 64), cmp.Or(o.MaxReply, 16<<20)
	if len(o.Events) == 0 {
		o.Events = []string{"startedtyping", "stoppedtyping"}
	}
	if len(o.SubmitStatuses) == 0 {
		o.SubmitStatuses = []string{"open", "pending", "holding", "solved"}
	}
	return o
}

// Client speaks to one Omnidesk account. Its methods may be called from several goroutines at once; Close releases its
// connections.
type Client struct {
	opts     Options
	defaults map[string]reflect.Value // by parameter
	words    map[string][]string      // what a parameter may be, by parameter
	http     *vendorhttp.Client
}

// New returns a client and connects to nothing. It fails on options that no call could succeed with, and on a URL that is not secure.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	client := vendorhttp.New(vendorhttp.Options{Connections: o.Connections, DialTimeout: o.Timeout, MaxReply: o.MaxReply})
	return &Client{opts: o, http: client, words: map[string][]string{"event": o.Events, "submitStatus": o.SubmitStatuses}, defaults: map[string]reflect.Value{
		"chatServer": reflect.ValueOf(o.ChatServer), "chatAccountToken": reflect.ValueOf(o.ChatAccountToken), "channelID": reflect.ValueOf(o.ChannelID),
	}}, nil
}

func (o *Options) check() error {
	switch {
	case o.APIKey == "":
		return errors.New("omnidesk: the API key is empty: make one in Omnidesk and give it the permissions you need")
	case o.Encoding != Multipart && o.Encoding != JSON:
		return errors.New("omnidesk: the encoding must be multipart or json")
	case o.Encoding == JSON && o.BinaryFiles:
		return errors.New("omnidesk: JSON cannot carry binary attachments: use multipart, or send them as base64")
	case o.ChannelID < 0 || o.Connections < 0:
		return errors.New("omnidesk: the channel's id and the number of connections must be positive")
	case o.ChatServer != "" && (len(o.ChatServer) < 5 || !Allowed("server", o.ChatServer)):
		return errors.New("omnidesk: the chat server's URL may hold letters, digits and . : / - only (no underscore, no query), 5 characters or more")
	case o.ChatAccountToken != "" && (len(o.ChatAccountToken) < 10 || !Allowed("token", o.ChatAccountToken)):
		return errors.New("omnidesk: the chat account token has letters and digits only, 10 or more: copy it from Omnidesk")
	}
	for name, path := range o.Paths {
		if !slices.ContainsFunc(Endpoints(), func(i *Info) bool { return i.Name() == name }) {
			return fmt.Errorf("omnidesk: paths names %q, which is no endpoint: use names such as GET ticket/{id}", name)
		}
		if strings.Count(path, "{id}") != strings.Count(name, "{id}") || !Allowed("path", strings.Replace(path, "{id}", "0", 1)) { // without the id, all items would be meant
			return fmt.Errorf("omnidesk: the path of %q must be one below /api/v2/, with {id} where the name has it", name)
		}
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return errors.New("omnidesk: the base is not a plain URL: give one such as https://account.omnidesk.com")
	}
	if host := u.Hostname(); u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || net.ParseIP(host).IsLoopback()) {
		return nil
	}
	return fmt.Errorf("omnidesk: the base's scheme is %q: use https", u.Scheme)
}

// Close ends the idle connections. Calls under way go on.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// do makes a call and reads the answer.
func (c *Client) do(ctx context.Context, info *Info, in reflect.Value) (Reply, error) {
	r, err := c.read(info, in)
	if err != nil {
		return Reply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	a, err := c.exchange(ctx, r)
	if err != nil {
		return Reply{}, err
	}
	reply, err := open(r.name, a, info.Files)
	if refused, ok := errors.AsType[*Error](err); ok {
		refused.Text = r.cutOut(refused.Text, c.opts.APIKey)
	}
	return reply, err
}
